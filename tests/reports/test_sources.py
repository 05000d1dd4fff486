"""The report of an analysis of sources: tables by cell and by source, and a file that is read back."""

import csv
import io
import json

import numpy as np

from dbviz.reports.sources import (
    load_sources,
    share_rows,
    sources_csv,
    sources_fields,
    sources_latex,
    sources_rows,
    verdicts,
)
from dbviz.scores import SourceAnalysis, analyse_sources


def analysis() -> SourceAnalysis:
    rng = np.random.default_rng(0)
    cells = {("init",): np.array([0, 1, 2]), ("order",): np.array([0, 3, 4]), ("init", "order"): np.array([0, 5, 6])}
    maps = rng.integers(0, 3, (7, 4, 5, 5), dtype=np.uint8)
    return analyse_sources(rng.integers(0, 3, (7, 300)), np.zeros(300, np.int64), maps, cells)


def test_estimates_count_images_and_planes_one_by_one():
    scores, shares = analysis().scores, analysis().shares
    counted = {score: (e.items, e.item) for score, cells in scores.items() for e in cells.values()}
    assert counted == {
        "test accuracy": (300, "test images"),
        "sd of test accuracy, %": (300, "test images"),
        "churn": (300, "test images"),
        "reproducibility": (4, "planes"),
        "fragments of a plane": (4, "planes"),
        "sd of fragments": (4, "planes"),
    }
    counted = {quantity: (e.items, e.item) for quantity, kinds in shares.items() for e in kinds["total"].values()}
    images = (300, "test images")
    assert counted == {"test accuracy": images, "predictions": images, "regions": (4, "planes")}


def test_an_analysis_is_read_back(tmp_path):
    original, path = analysis(), tmp_path / "sources.json"
    path.write_text(json.dumps(sources_fields(original)))
    read = load_sources(path)
    assert repr(read) == repr(original)
    assert {s: {c: repr(e) for c, e in cells.items()} for s, cells in read.scores.items()} == {
        s: {c: repr(e) for c, e in cells.items()} for s, cells in original.scores.items()
    }
    assert sources_csv(read) == sources_csv(original)


def test_the_tables_have_a_row_a_cell_and_a_row_a_source():
    heading, rows = sources_rows(analysis(), {"kernels": "CPU kernels repeat"})
    assert heading[:2] == ["varied", "sd of test accuracy, %"]
    assert [row[0] for row in rows] == ["init", "order", "init + order", "kernels"]
    assert rows[-1][1:3] == ["not measured: CPU kernels repeat", ""]
    assert {len(row) for row in rows} == {len(heading)}
    heading, rows = share_rows(analysis())
    assert heading == ["source", *(f"{q}, {k}" for q in analysis().shares for k in ("total", "first-order"))]
    assert [row[0] for row in rows] == ["init", "order"]


def test_without_shares_there_are_no_rows_of_them():
    assert share_rows(SourceAnalysis(scores={}, shares={"regions": {"total": {}, "first-order": {}}})) == (
        ["source"],
        [],
    )


def test_the_csv_has_scores_and_shares():
    rows = list(csv.DictReader(io.StringIO(sources_csv(analysis()))))
    assert len(rows) == 6 * 3 + 3 * 2 * 2
    share = next(row for row in rows if row["score"] == "share of variance: predictions, total")
    assert (share["varied"], share["items"], share["runs"], share["other_runs"]) == ("init", "300", "3", "3")


def test_latex_and_verdicts_name_cells_and_sources():
    latex = sources_latex(analysis(), "Sources")
    assert r"sd of test accuracy, \%" in latex
    assert r"init + order & \shortstack" in latex
    lines = verdicts(analysis())
    assert [line.split(":")[0].strip() for line in lines[1:3]] == ["init", "order"]
    assert lines[1].count("(") == 3
