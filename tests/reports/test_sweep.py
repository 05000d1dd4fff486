"""The report of a sweep: a row a point, every score with its interval and counts."""

import csv
import io

import pytest

from dbviz.reports import sweep_csv, sweep_fields, sweep_latex, sweep_rows
from dbviz.scores import Estimate
from dbviz.spec import LabelNoise
from dbviz.sweeps import Curve, Point


def estimate(value: float, item: str = "test images") -> Estimate:
    return Estimate(value=value, low=value - 0.1, high=value + 0.1, items=10_000, item=item, runs=(3,))


CURVES = [
    Curve(
        name="noise 0.2",
        noise=LabelNoise(rate=0.2),
        along="recipe.learning_rate",
        points=(
            Point(x=0.5, runs=3, scores={"test_error": estimate(0.6), "train_error": estimate(0.25)}),
            Point(x=1.0, runs=3, scores={"test_error": estimate(0.4), "reproducibility": estimate(0.7, "planes")}),
        ),
        threshold=1.0,
    )
]


def test_rows_have_the_main_scores_that_some_point_has():
    heading, rows = sweep_rows(CURVES)
    assert heading == ["", "learning rate", "test error", "training error", "reproducibility"]
    assert rows == [
        ["noise 0.2", "0.5", "0.60 [0.50, 0.70]", "0.250", ""],
        ["noise 0.2", "1", "0.40 [0.30, 0.50]", "", "0.70 [0.60, 0.80]"],
    ]


def test_the_csv_has_a_row_a_point_with_every_score():
    first, second = csv.DictReader(io.StringIO(sweep_csv(CURVES)))
    assert (first["curve"], first["along"], first["x"], first["runs"]) == (
        "noise 0.2",
        "recipe.learning_rate",
        "0.5",
        "3",
    )
    assert (first["threshold"], second["threshold"]) == ("1", "1")
    assert (first["train_error_value"], second["train_error_value"]) == ("0.25", "")
    assert (first["test_error_low"], first["test_error_high"]) == ("0.5", "0.7")
    assert (first["test_error_items"], first["test_error_item"], first["test_error_runs"]) == (
        "10000",
        "test images",
        "3",
    )
    assert (first["reproducibility_items"], second["reproducibility_item"]) == ("", "planes")
    assert not any(name.startswith("median_margin") for name in first)


def test_the_latex_table_has_a_row_a_point():
    latex = sweep_latex(CURVES, "random_features, 95 % intervals")
    assert r"\caption{random\_features, 95 \% intervals}" in latex
    assert r" & learning rate & test error & training error & reproducibility \\" in latex
    assert r"noise 0.2 & 0.5 & \shortstack{0.60 \\ {\tiny [0.50, 0.70]}} & " in latex
    assert latex.count("noise 0.2") == 2


@pytest.mark.parametrize("report", [sweep_csv, lambda curves: sweep_latex(curves, "")])
def test_a_sweep_without_curves_is_an_empty_table(report):
    assert "noise" not in report([])


def test_the_fields_of_a_sweep_name_what_was_measured(study, make):
    fields = sweep_fields(CURVES, make(), study, [], tolerance=0.05)
    assert fields["study"]["dataset"] == study.dataset
    assert (fields["study"]["triplets"], fields["study"]["resolution"], fields["tolerance"]) == (3, 6, 0.05)
    (curve,) = fields["curves"]
    assert curve["noise"] == {"kind": "symmetric", "rate": 0.2, "labels": None}
    assert curve["points"][0]["test_error"]["runs"] == [3]
    assert all(spec["recipe"]["optimizer"] for spec in fields["specs"].values())
