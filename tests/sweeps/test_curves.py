"""Curves: scores recomputed from the runs themselves, thresholds, and which runs belong to which point."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.executors import InProcess
from dbviz.runs import store
from dbviz.runs.training_run import training_images
from dbviz.scores import Estimate, agreement, fragments
from dbviz.spec import LabelNoise
from dbviz.sweeps import Curve, Point, Study, interpolation_threshold, load_measurements, make_curves, run_sweep


def swept(specs, study):
    assert run_sweep(specs, study, InProcess(), progress=False) == []
    return specs


def test_scores_are_those_of_the_runs(make, study):
    noise = LabelNoise(rate=0.25)
    specs = swept(make(width=64, label_noise=noise), study)
    (curve,) = make_curves(specs, study)
    (point,) = curve.points
    measurements = [load_measurements(spec, study, 1) for spec in specs]
    runs = [store.find(spec, study.home) for spec in specs]
    assert point.scores["test_error"].value == pytest.approx(np.mean([1 - run.test_accuracy for run in runs if run]))
    assert point.scores["train_error"].value == 0  # 64 features interpolate 32 images
    assert point.scores["train_error_mislabelled"].value == 0
    maps = np.stack([of_run.label_maps for of_run in measurements])
    assert maps.shape == (2, 3, 6, 6)
    assert point.scores["fragmentation"].value == pytest.approx(fragments(maps).mean())
    assert point.scores["reproducibility"].value == pytest.approx(agreement(maps[0], maps[1]))
    assert "median_margin" not in point.scores


def test_errors_of_clean_and_mislabelled_images_add_up(make, study, small_images):
    specs = swept(make(width=8, label_noise=LabelNoise(rate=0.25)), study)
    (curve,) = make_curves(specs, study)
    scores = curve.points[0].scores
    labels = training_images(specs[0], small_images, study.home).labels
    wrong = [(load_measurements(spec, study, 1).train_predictions != labels).mean() for spec in specs]
    assert scores["train_error"].value == pytest.approx(np.mean(wrong))
    share = (labels != small_images.train.labels[:32]).mean()
    parts = (1 - share) * scores["train_error_clean"].value + share * scores["train_error_mislabelled"].value
    assert parts == pytest.approx(scores["train_error"].value)


def test_a_single_mislabelled_image_has_no_error_of_its_own(make, study):
    # of 21 images three are of class 0 and two of each other class: a fifth of them, rounded, is one image of class 0
    specs = swept(make(train_size=21, label_noise=LabelNoise(rate=0.2)), study)
    scores = make_curves(specs, study)[0].points[0].scores
    assert "train_error_clean" in scores
    assert "train_error_mislabelled" not in scores


def test_a_curve_for_each_noise_and_a_point_for_each_width(make, study):
    levels = (None, LabelNoise(rate=0.25))
    specs = swept([s for noise in levels for k in (16, 4) for s in make(width=k, label_noise=noise)], study)
    curves = make_curves(specs, study)
    assert [curve.name for curve in curves] == ["noise 0", "noise 0.25"]
    assert [curve.noise for curve in curves] == list(levels)
    for curve in curves:
        assert curve.along == "width"
        assert [(point.x, point.runs) for point in curve.points] == [(4, 2), (16, 2)]
    x, errors = curves[0].values("train_error")
    assert x.tolist() == [4, 16]
    assert errors[0].value > errors[1].value


def test_training_set_sizes_and_other_fields_can_be_on_the_x_axis(make, study):
    specs = swept([s for size in (64, 32) for s in make(train_size=size)], study)
    (curve,) = make_curves(specs, study)
    assert (curve.along, [point.x for point in curve.points]) == ("train_size", [32, 64])
    rates = [s for rate in (0.1, 0.2) for s in make("mlp", learning_rate=rate, epochs=1)]
    (curve,) = make_curves(swept(rates, study), study)
    assert (curve.along, [point.x for point in curve.points]) == ("recipe.learning_rate", [0.1, 0.2])
    with pytest.raises(InputError, match=r"no curve can be drawn against recipe\.optimizer"):
        make_curves(rates, study, along="recipe.optimizer")


def test_epochs_of_one_run_are_points_of_a_curve(make, study, small_images):
    by_epoch = Study(**{**vars(study), "epochs": (1, 3)})
    specs = make("mlp", width=16, epochs=3, batch_size=16)
    swept(specs, by_epoch)
    (curve,) = make_curves(specs, by_epoch)
    assert (curve.along, [point.x for point in curve.points]) == ("epoch", [1, 3])
    predictions = [
        np.stack([load_measurements(spec, by_epoch, epoch).test_predictions for spec in specs]) for epoch in (1, 3)
    ]
    assert not np.array_equal(predictions[0], predictions[1])
    for of_epoch, error in zip(predictions, curve.values("test_error")[1], strict=True):
        assert error.value == pytest.approx((of_epoch != small_images.test.labels).mean())
    run = store.find(specs[0], by_epoch.home)
    assert run is not None
    assert run.at(1).fingerprint != run.at(3).fingerprint == run.fingerprint
    assert np.array_equal(run.at(1).test_accuracy, run.epochs[0].test_accuracy, equal_nan=True)
    with pytest.raises(InputError, match="keeps no weights of epoch 2"):
        run.at(2)


def test_a_finished_run_without_kept_epochs_is_retrained_to_bitwise_identical_weights(make, study):
    specs = make("mlp", width=16, epochs=3, batch_size=16, seeds=(0,))
    swept(specs, study)
    run = store.find(specs[0], study.home)
    assert run is not None
    before = run.weights.read_bytes()
    swept(specs, Study(**{**vars(study), "epochs": (2,)}))
    assert run.weights.read_bytes() == before
    assert run.at(2).weights.exists()
    with pytest.raises(InputError, match="epoch 4 is to be measured, but mlp is trained for 3"):
        Study(**{**vars(study), "epochs": (4,)}).measured_after(specs[0])


def test_margins_are_measured_where_requested(make, study):
    specs = make(width=16)
    with_margins = Study(**{**vars(study), "margin_images": 5, "directions": 2})
    swept(specs, with_margins)
    (curve,) = make_curves(specs, with_margins)
    margin = np.stack([load_measurements(spec, with_margins, 1).margin for spec in specs])
    median = np.sort(margin.ravel())[margin.size // 2 - 1]
    assert median < 200  # the largest distance that is searched
    assert curve.points[0].scores["median_margin"].value == pytest.approx(median)
    assert load_measurements(specs[0], with_margins, 1).margin.shape == (5, 2)


def estimate(value: float) -> Estimate:
    variances: dict[str, Any] = {"run_variance": 0.0, "item_variance": 0.0}
    return Estimate(value=value, low=0.0, high=1.0, items=2, runs=(2,), **variances)


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, 4.0), (0.01, 3.0), (0.5, 1.0)])
def test_the_threshold_is_where_the_training_error_first_is_within_the_tolerance(tolerance, expected):
    errors = [0.5, 0.1, 0.01, 0.0, 0.02]
    points = [Point(x=i + 1.0, runs=2, scores={"train_error": estimate(e)}) for i, e in enumerate(errors)]
    assert interpolation_threshold(points, tolerance) == expected
    assert interpolation_threshold(points[:2], 0.0) is None


def test_a_curve_has_the_values_of_the_points_that_have_the_score():
    scores = [{"train_error": estimate(0.5), "median_margin": estimate(3.0)}, {"train_error": estimate(0.25)}]
    points = tuple(Point(x=10.0 * (i + 1), runs=2, scores=of_point) for i, of_point in enumerate(scores))
    curve = Curve(name="", noise=None, along="width", points=points, threshold=None)
    x, estimates = curve.values("median_margin")
    assert (x.tolist(), [estimate.value for estimate in estimates]) == ([10.0], [3.0])
    assert curve.values("train_error")[0].tolist() == [10.0, 20.0]


def test_a_sweep_without_finished_runs_is_refused(make, study):
    with pytest.raises(InputError, match="no run of the sweep is finished"):
        make_curves(make(), study)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"triplets": 1}, "1 triplets: intervals need at least two planes"),
        ({"resolution": 1}, "resolution is 1"),
        ({"epochs": (0,)}, "epochs are counted from 1"),
        ({"margin_images": -1}, "margin images are -1"),
    ],
)
def test_invalid_studies_are_refused(study, changes, match):
    with pytest.raises(InputError, match=match):
        Study(**{**vars(study), **changes})


def test_crossed_seeds_are_left_out_one_after_the_other(make, study):
    noise = LabelNoise(rate=0.25)
    seeds = [(spec, number) for number in (0, 1) for spec in make(width=8, label_noise=noise)]
    specs = swept([replace(spec, seeds=replace(spec.seeds, noise=number)) for spec, number in seeds], study)
    (point,) = make_curves(specs, study)[0].points
    runs = [store.find(spec, study.home) for spec in specs]
    errors = np.array([1 - run.test_accuracy for run in runs if run]).reshape(2, 2)  # noise, other seeds
    # (n - 1) / n times the squares about the mean of two values is a quarter of their squared difference
    expected = sum(float(np.diff(errors.mean(axis=axis))[0]) ** 2 / 4 for axis in (0, 1))
    assert point.scores["test_error"].run_variance == pytest.approx(expected)
    # no pair of different seeds in both remains without one of two
    assert point.scores["reproducibility"].covers == "planes only"
