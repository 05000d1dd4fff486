"""Tables of scores: values, intervals and published values are in their cells, and counts are integers."""

import csv
import io

import pytest

from dbviz.reports.published import PUBLISHED, published, published_spread
from dbviz.reports.tables import (
    csv_text,
    estimate_columns,
    estimate_fields,
    frame_rows,
    latex_table,
    matrix_csv,
    matrix_frame,
    matrix_latex,
    scores_csv,
    scores_frame,
    scores_latex,
)
from dbviz.scores import Estimate


def estimate(value: float, runs: tuple[int, ...] = (3,), **fields) -> Estimate:
    return Estimate(**{"value": value, "low": value - 0.1, "high": value + 0.1, "items": 100, "runs": runs} | fields)


MATRIX = {
    ("resnet18", "resnet18"): estimate(0.625),
    ("resnet18", "vit"): estimate(0.5, (3, 1)),
    ("vit", "resnet18"): estimate(0.5, (3, 1)),
}
NAMES = ["resnet18", "vit"]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_fields_and_columns_hold_counts_as_numbers():
    fields = estimate_fields(MATRIX["resnet18", "vit"])
    assert (fields["items"], fields["item"], fields["runs"]) == (100, "planes", [3, 1])
    columns = estimate_columns(MATRIX["resnet18", "vit"])
    assert (columns["runs"], columns["other_runs"]) == (3, 1)
    assert estimate_columns(MATRIX["resnet18", "resnet18"])["other_runs"] is None
    assert set(estimate_columns(None, "x_").values()) == {None}
    assert list(estimate_columns(None, "x_")) == [f"x_{name}" for name in columns]


def test_a_matrix_as_csv_has_a_row_a_pair_with_the_difference_from_the_published():
    within, between = rows_of(matrix_csv(MATRIX, NAMES, "cifar10"))
    assert (within["network"], within["other_network"], float(within["value"])) == ("resnet18", "resnet18", 0.625)
    assert (within["items"], within["item"], within["runs"], within["other_runs"]) == ("100", "planes", "3", "")
    assert (between["runs"], between["other_runs"]) == ("3", "1")
    assert float(within["difference"]) == pytest.approx(0.625 - 0.83)
    assert {row["published"] for row in rows_of(matrix_csv(MATRIX, NAMES, "shapes"))} == {""}


def test_scores_as_csv_have_a_row_a_score_and_network():
    rows = rows_of(scores_csv({"churn": {"vit": estimate(0.5, item="test images", note="a, note")}, "kappa": {}}))
    assert [(row["score"], row["network"], row["item"], row["note"]) for row in rows] == [
        ("churn", "vit", "test images", "a, note")
    ]


def test_an_end_that_is_not_finite_is_an_empty_cell():
    (row,) = rows_of(scores_csv({"margin": {"vit": estimate(0.5, high=float("inf"))}}))
    assert (row["value"], row["high"]) == ("0.5", "")


@pytest.mark.parametrize(("counts", "cells"), [((3, None), ("3", "")), ((None, None), ("", "")), ((10**7, 1), None)])
def test_columns_of_counts_are_integers_also_where_some_are_empty(counts, cells):
    rows = rows_of(csv_text([{"a_runs": count, "value": 0.25} for count in counts]))
    assert tuple(row["a_runs"] for row in rows) == (cells or tuple(map(str, counts)))


def test_frames_have_intervals_and_empty_cells():
    frame = matrix_frame(MATRIX, NAMES)
    assert frame.loc["resnet18", "resnet18"] == str(MATRIX["resnet18", "resnet18"])
    assert frame.loc["vit", "vit"] == ""
    assert frame_rows(scores_frame({"churn": {"vit": MATRIX["resnet18", "vit"]}}, NAMES)) == [
        ["churn", "", "0.50 [0.40, 0.60]"]
    ]


def test_latex_tables_have_rules_a_caption_and_intervals():
    for latex in (matrix_latex(MATRIX, NAMES, "Caption"), scores_latex({"churn": {"vit": estimate(0.5)}}, NAMES, "x")):
        assert all(rule in latex for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
        assert r"\shortstack{0.50 \\ {\tiny [0.40, 0.60]}}" in latex
    assert r"\caption{Caption}" in matrix_latex(MATRIX, NAMES, "Caption")


def test_text_is_escaped_for_latex_and_latex_is_not():
    latex = latex_table([["1"]], ["mlp_mixer"], ["sd, %"], r"95 % of mlp_mixer, 95 \% of a & b")
    assert r"\caption{95 \% of mlp\_mixer, 95 \% of a \& b}" in latex
    assert r"sd, \%" in latex
    assert r"mlp\_mixer & 1" in latex


def test_published_values_are_those_of_the_figure():
    assert len(PUBLISHED) == 45
    assert published("cifar10", "resnet18", "resnet18") == 0.83
    assert published("cifar10", "fcnet", "vit") == published("cifar10", "vit", "fcnet") == 0.47
    assert published("cifar10", "wideresnet28_30", "vgg19") == 0.78
    assert published("shapes", "resnet18", "resnet18") is None
    assert published("cifar10", "mine", "vit") is None
    assert published_spread("cifar10", "mean") is None
