"""Sweeps read back: as they were written, and from the files of the first release."""

import json
from pathlib import Path

import pytest

import dbviz
from dbviz.core.errors import InputError
from dbviz.core.results import write_result
from dbviz.figures import plot_sweep
from dbviz.reports import sweep_fields, sweep_rows
from dbviz.scores import Estimate
from dbviz.spec import LabelNoise
from dbviz.sweeps import Curve, Point, load

RESULTS = Path(__file__).parents[2] / "experiments" / "results"


def estimate(value: float, item: str, high: float | None = None) -> Estimate:
    high = value + 0.1 if high is None else high
    return Estimate(value=value, low=value - 0.1, high=high, items=20, item=item, runs=(3,), note="a note")


def curve(name: str, noise: LabelNoise | None) -> Curve:
    scores = {
        "test_error": estimate(0.5, "test images"),
        "train_error": estimate(0.1, "training images"),
        "reproducibility": estimate(0.7, "planes"),
        "median_margin": estimate(3.0, "test images", high=float("inf")),
    }
    points = (Point(x=1.0, runs=3, scores=scores), Point(x=2.0, runs=3, scores={"test_error": scores["test_error"]}))
    return Curve(name=name, noise=noise, along="width", points=points, threshold=2.0)


NOISES = {
    "noise 0": None,
    "noise 0.2": LabelNoise(rate=0.2),
    "noise asymmetric 0.2": LabelNoise(kind="asymmetric", rate=0.2),
    "noise file abc123": LabelNoise(kind="file", labels="abc123"),
}


def as_tuples(curves: list[Curve]) -> list[str]:
    """Everything about the curves, with NaN variances equal to each other."""
    return [
        str((c.name, c.noise, c.along, c.threshold, [(p.x, p.runs, [(n, vars(e)) for n, e in p.scores.items()])]))
        for c in curves
        for p in c.points
    ]


def test_a_sweep_is_read_back_as_it_was(study, make, tmp_path):
    curves = [curve(name, noise) for name, noise in NOISES.items()]
    path = write_result(tmp_path / "sweep.json", sweep_fields(curves, make(), study, [], 0.01))
    read = load(path)
    assert as_tuples(read) == as_tuples(curves)
    assert sweep_rows(read) == sweep_rows(curves)
    assert plot_sweep(dbviz.sweeps.load(str(path)), figsize=(3.0, 4.0)).get_size_inches().tolist() == [3, 4]


@pytest.mark.parametrize("name", list(NOISES))
def test_files_of_the_first_release_give_the_noise_by_the_curves_name(name, make, tmp_path):
    specs = {spec.name: spec.to_dict() for noise in NOISES.values() for spec in make(label_noise=noise)}
    fields = {"name": f"mlp {name}", "along": "width", "threshold": None, "points": []}
    (tmp_path / "sweep.json").write_text(json.dumps({"curves": [fields], "specs": specs}))
    assert load(tmp_path / "sweep.json")[0].noise == NOISES[name]


FIRST_RELEASE = [path for path in sorted(RESULTS.rglob("*.json")) if '"along":' in path.read_text()]


@pytest.mark.parametrize("path", FIRST_RELEASE, ids=lambda path: path.stem)
def test_the_published_results_are_read(path):
    curves = load(path)
    noises = {curve.name: curve.noise for curve in curves}
    both = {"noise 0": None, "noise 0.2": LabelNoise(rate=0.2)}
    assert noises == (both if len(curves) == 2 else {"resnet18k": LabelNoise(rate=0.2)})
    for point in (point for curve in curves for point in curve.points):
        assert point.scores["test_error"].item == "test images"
        assert point.scores["train_error"].item == "training images"
        assert point.scores["fragmentation"].item == "planes"
        assert {estimate.runs for estimate in point.scores.values()} == {(point.runs,)}


@pytest.mark.parametrize(("text", "message"), [(None, "is no file"), ("{}", "holds no curves"), ("x", "is no JSON")])
def test_what_is_no_sweep_is_refused(text, message, tmp_path):
    path = tmp_path / "sweep.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=rf"{message}.*dbviz\.sweep"):
        load(path)
