"""Estimates read back from result files, also from those that do not tell what was counted."""

import pytest

from dbviz.reports.reading import read_estimates

WRITTEN = {"value": 0.5, "low": 0.4, "high": 0.6, "level": 0.95, "note": ""}


def test_what_was_counted_is_read_where_it_was_written():
    fields = WRITTEN | {"runs": [3], "items": 20, "item": "groups of test images"}
    assert read_estimates("reproducibility", {"vit": fields})["vit"].item == "groups of test images"


@pytest.mark.parametrize(
    ("score", "item"),
    [
        ("reproducibility", "planes"),
        ("test accuracy", "groups of test images"),
        ("median margin, all images", "images"),
        ("sd of test accuracy, %", "test images"),
    ],
)
def test_what_older_files_counted_follows_from_the_score(score, item):
    estimate = read_estimates(score, {"vit": WRITTEN | {"runs": "3", "triplets": 20}})["vit"]
    assert (estimate.item, estimate.items, estimate.runs) == (item, 20, (3,))
