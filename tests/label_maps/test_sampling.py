"""Label maps equal those of a plain loop over the points, whatever the models and the batches."""

import json
import math
from importlib import metadata
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dbviz import fit
from dbviz.core.errors import InputError
from dbviz.data import Images
from dbviz.label_maps import calibration, sample
from dbviz.label_maps.kept_calibration import calibration_file
from dbviz.label_maps.sampling import cost
from dbviz.models import initialize
from dbviz.planes import Plane, PlaneSet
from dbviz.runs import Run


def small_cnn(seed: int = 0, classes: int = 5) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 7, classes))
    initialize(net, seed)
    return net


@pytest.fixture
def planes(small_images) -> PlaneSet:
    return PlaneSet.of(small_images.test, [[0, 1, 2], [13, 44, 27], [9, 58, 35]])


@pytest.fixture(scope="module")
def runs(small_images, tmp_path_factory) -> list[Run]:
    home: Path = tmp_path_factory.mktemp("home")
    options = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "device": "cpu", "progress": False}
    return fit("fcnet", seeds=(0, 1), dataset=small_images, home=home, **options)


def by_loop(model, plane: Plane, resolution: int, padding: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, confidences and logit gaps, point by point."""
    values = np.empty((3, resolution, resolution))
    low, high = plane.anchors.min(0), plane.anchors.max(0)
    low, high = low - padding * (high - low), high + padding * (high - low)
    for i in range(resolution):
        for j in range(resolution):
            a, b = low + (high - low) * np.array([j, i]) / (resolution - 1)
            point = plane.origin.double() + a * plane.u.double() + b * plane.v.double()
            with torch.no_grad():
                logits = model(point.float()[None])[0]
            first, second = logits.topk(2).values.tolist()
            values[:, i, j] = int(logits.argmax()), float(logits.softmax(0).max()), first - second
    return values[0], values[1], values[2]


def test_a_module_that_is_random_in_evaluation_mode_is_refused(planes):
    class Dropping(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.dropout(x.flatten(1)[:, :10], 0.5, train=True)

    with pytest.raises(InputError, match=r"^mine is random in evaluation mode: .* in Dropping itself; make it"):
        sample({"mine": Dropping()}, planes, resolution=5)


@pytest.mark.parametrize("padding", [0.1, 0.5])
def test_label_maps_are_those_of_a_plain_loop_in_batches_of_any_size(planes, padding):
    model = small_cnn()
    expected = [by_loop(model, plane, 7, padding) for plane in planes]
    labels, confidence, gap = (np.stack([values[k] for values in expected]) for k in range(3))
    clear = gap > 1e-4
    assert clear.mean() > 0.98
    assert len(np.unique(labels)) >= 3
    for batch_size in (1, 7, 48, 49, 64, 100, 5000, None):
        maps = sample(model, planes, resolution=7, padding=padding, confidence=True, batch_size=batch_size)
        assert maps.labels.dims == ("model", "plane", "row", "column")
        assert maps.labels.dtype == np.uint8
        assert np.array_equal(maps.labels.values[0][clear], labels[clear])
        assert np.allclose(maps.confidence.values[0], confidence, atol=1e-5)
        assert maps.confidence.dtype == np.float32


def flat_plane() -> Plane:
    """Of images of three pixels; a is the first pixel, b the second, and the images are at (0, 0), (4, 0), (1, 2)."""
    zero, one, two = torch.zeros(3, 1, 1), torch.zeros(3, 1, 1), torch.zeros(3, 1, 1)
    one[0], two[0], two[1] = 4, 1, 2
    return Plane.through(zero, one, two)


def right_and_up(x: Tensor) -> Tensor:
    """Class 1 where the first pixel exceeds 2.5, plus class 2 where the second exceeds .5."""
    label = (x[:, 0, 0, 0] > 2.5).long() + 2 * (x[:, 1, 0, 0] > 0.5).long()
    return nn.functional.one_hot(label, 4).float()


@pytest.mark.parametrize("batch_size", [1, 3, 5, 6, 100])
def test_a_column_is_a_step_along_the_first_side_and_a_row_across_it(batch_size):
    maps = sample(right_and_up, flat_plane(), resolution=5, padding=0.0, batch_size=batch_size)
    assert maps.a.values.tolist() == [[0, 1, 2, 3, 4]]
    assert maps.b.values.tolist() == [[0, 0.5, 1, 1.5, 2]]
    assert maps.labels.values[0, 0].tolist() == [
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [2, 2, 2, 3, 3],
        [2, 2, 2, 3, 3],
        [2, 2, 2, 3, 3],
    ]


def test_coordinates_describe_every_map(planes, runs, small_images):
    maps = sample(runs, planes, resolution=4, padding=0.25)
    assert maps.model.values.tolist() == [run.spec.name for run in runs]
    assert maps.arch.values.tolist() == ["fcnet", "fcnet"]
    assert maps.seed.values.tolist() == ["0", "1"]
    assert maps.test_accuracy.values.tolist() == [run.test_accuracy for run in runs]
    assert maps.triplet.values.tolist() == [[0, 1, 2], [13, 44, 27], [9, 58, 35]]
    assert maps.triplet_label.values.tolist() == [[0, 1, 2], [3, 4, 7], [9, 8, 5]]
    for p, plane in enumerate(planes):
        assert np.array_equal(maps.anchors.values[p], plane.anchors)
        a, b = plane.axes(4, 0.25)
        assert np.array_equal(maps.a.values[p], a)
        assert np.array_equal(maps.b.values[p], b)
    assert json.loads(maps.class_names) == list(small_images.class_names)
    assert (maps.dataset, maps.split, maps.resolution, maps.margin) == ("shapes", "test", 4, 0.25)
    assert maps.planes == planes.identity
    assert json.loads(maps.specs) == {run.spec.name: json.loads(run.spec.canonical()) for run in runs}
    assert json.loads(maps.weights) == {run.spec.name: run.fingerprint for run in runs}
    assert json.loads(maps.environment)["packages"]["torch"] == metadata.version("torch")


def test_a_run_has_the_labels_of_its_network(planes, runs):
    maps = sample(runs, planes, resolution=5)
    modules = sample([run.model() for run in runs], planes, resolution=5)
    assert np.array_equal(maps.labels.values, modules.labels.values)


def test_models_are_one_or_a_list_or_a_mapping(planes, runs):
    one, other = small_cnn(0), small_cnn(1)
    alone = [sample(model, planes, resolution=4).labels.values[0] for model in (one, other)]
    assert not np.array_equal(*alone)
    forms = {
        ("model 0",): one,
        ("model 0", "model 1"): [one, other],
        ("x", "y"): {"x": one, "y": other},
        (runs[0].spec.name, "model 1"): [runs[0], other],
    }
    for names, models in forms.items():
        maps = sample(models, planes, resolution=4)
        assert tuple(maps.model.values) == names
        for name, expected in (("model 0", alone[0]), ("x", alone[0]), ("model 1", alone[1]), ("y", alone[1])):
            if name in names:
                assert np.array_equal(maps.labels.sel(model=name).values, expected)
    maps = sample({"x": one}, planes, resolution=4)
    assert maps.arch.values.tolist() == ["x"]
    assert math.isnan(maps.test_accuracy.values[0])


def test_single_planes_and_lists_of_planes_have_no_source(planes):
    expected = sample(small_cnn(), planes, resolution=4).labels.values
    maps = sample(small_cnn(), planes[1], resolution=4)
    assert np.array_equal(maps.labels.values, expected[:, 1:2])
    assert maps.triplet.values.tolist() == [[-1, -1, -1]]
    for given in (list(planes), tuple(planes)):
        maps = sample(small_cnn(), given, resolution=4)
        assert np.array_equal(maps.labels.values, expected)
        assert maps.triplet.values.tolist() == [[-1, -1, -1]] * 3
        assert maps.dataset == ""


def test_what_is_not_planes_is_refused():
    jaxtyping.config.update("jaxtyping_disable", True)  # or the annotations complain first
    try:
        with pytest.raises(InputError, match=r"^planes is of type Tensor: give a PlaneSet \(dbviz.draw_planes\("):
            sample(small_cnn(), torch.zeros(3, 3, 32, 32))  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match=r"^item 0 of planes is of type int: give a PlaneSet"):
            sample(small_cnn(), [0, 1, 2])  # pyright: ignore[reportArgumentType]
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_every_point_is_evaluated_once_and_counted(planes):
    sizes: list[int] = []

    def counting(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.flatten(1)[:, :3]

    for batch_size in (20, 36, 80, 108):  # parts of a plane, one, two, all three
        sizes.clear()
        maps = sample(counting, planes, resolution=6, batch_size=batch_size)
        assert maps.evaluated.values.tolist() == [[36, 36, 36]]
        assert sum(sizes) == 3 * 36
        assert max(sizes) <= batch_size


def test_memory_holds_one_batch_whatever_the_resolution():
    sizes: list[int] = []

    def counting(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.flatten(1)

    sample(counting, flat_plane(), resolution=400, device="cpu")
    assert sum(sizes) == 160_000
    assert max(sizes) <= 256
    sizes.clear()
    sample(counting, flat_plane(), resolution=400, batch_size=100_000)
    assert max(sizes) == 100_000


@pytest.fixture
def always_fast(monkeypatch):
    """Makes sampling use a bf16 form of every network, whatever the number of points and the times measured."""
    monkeypatch.setattr(calibration, "_MIN_BATCHES", 0)
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", math.inf)
    monkeypatch.setattr(calibration, "_GOOD_RELATIVE_TIME", math.inf)
    monkeypatch.setattr(calibration, "default_precision", lambda _: "bf16")


@pytest.mark.usefixtures("always_fast")
@pytest.mark.parametrize("refine", [False, True])
def test_labels_of_the_fast_path_are_those_of_plain_fp32(planes, refine):
    network = small_cnn().eval()
    fast = sample(network, planes, resolution=50, refine=refine)
    plain = sample(lambda x: network(x), planes, resolution=50)
    assert np.array_equal(fast.labels, plain.labels)
    assert len(np.unique(plain.labels)) >= 3
    (how,) = json.loads(fast.attrs["evaluation"]).values()
    assert how["form"].startswith("bf16")
    assert 0 < how["error"] < how["reach"]
    assert (fast.reevaluated > 0).all()
    assert (fast.reevaluated < fast.evaluated).all()
    assert bool((fast.evaluated < 2500).all()) == refine
    assert how["caution"] == (0.25 if refine else None)


@pytest.mark.usefixtures("always_fast")
def test_a_network_whose_error_exceeds_its_bound_is_sampled_in_plain_fp32(planes, monkeypatch):
    """With too small a bound labels would be wrong; the re-evaluations show it."""
    network = small_cnn().eval()
    monkeypatch.setattr(calibration, "_SAFETY_FACTORS", {"bf16": 0.3})
    maps = sample(network, planes, resolution=50)
    (how,) = json.loads(maps.attrs["evaluation"]).values()
    assert how["form"] == "plain"
    assert np.array_equal(maps.labels, sample(lambda x: network(x), planes, resolution=50).labels)
    assert (maps.evaluated.values == 5000).all()


@pytest.mark.usefixtures("always_fast")
def test_confidence_is_that_of_plain_fp32(planes):
    network = small_cnn().eval()
    maps, plain = (sample(m, planes, resolution=30, confidence=True) for m in (network, lambda x: network(x)))
    assert np.allclose(maps.confidence, plain.confidence, atol=1e-6)
    (how,) = json.loads(maps.attrs["evaluation"]).values()
    assert how["form"] == "plain"


@pytest.mark.usefixtures("always_fast")
def test_labels_and_confidence_do_not_depend_on_how_planes_are_grouped(planes):
    network = small_cnn().eval()

    def sampled(group, **options):
        maps = sample(network, group, resolution=11, confidence=True, **options)
        return maps.labels.values[0], maps.confidence.values[0]

    labels, confidence = sampled(planes)
    for options in ({}, {"batch_size": 1}, {"batch_size": 50}):
        parts = [sampled(group, **options) for group in (planes[:1], planes[1:])]
        assert np.array_equal(np.concatenate([part[0] for part in parts]), labels)
        assert np.array_equal(np.concatenate([part[1] for part in parts]), confidence)


def test_every_batch_has_one_size_where_confidence_is_kept(planes):
    class Counting(nn.Module):
        sizes: list[int] = []  # noqa: RUF012

        def forward(self, x: Tensor) -> Tensor:
            self.sizes.append(len(x))
            return x.flatten(1)[:, :5]

    for count, batch_size in ((1, None), (3, 7)):
        sample(Counting(), planes[:count], resolution=11, confidence=True, device="cpu", batch_size=batch_size)
    assert set(Counting.sizes) - {32} == {64}  # 32: the check that it is not random


@pytest.mark.usefixtures("always_fast")
def test_the_calibration_of_a_run_is_kept_and_dropped_where_its_bound_is_exceeded(planes, runs, monkeypatch):
    run, file = runs[0], runs[0].directory / "calibration.json"
    first = sample(run, planes, resolution=40)
    ((key, entry),) = json.loads(file.read_text()).items()
    assert json.loads(key)["weights"] == run.fingerprint
    assert json.loads(first.attrs["evaluation"])[run.spec.name]["form"] == entry["how"]
    monkeypatch.setattr(calibration, "_fastest", None)
    assert np.array_equal(sample(run, planes, resolution=40).labels, first.labels)
    monkeypatch.undo()
    file.write_text(json.dumps({key: entry | {"error_bound": 1e-9}}))
    monkeypatch.setattr(calibration, "_CHECK_FACTOR", math.inf)
    monkeypatch.setattr(calibration, "_bound", lambda *_: 1e-9)
    monkeypatch.setattr(calibration, "_MIN_BATCHES", 0)
    assert np.array_equal(sample(run, planes, resolution=40).labels, first.labels)


def test_calibration_is_not_kept_where_nothing_is_calibrated(planes, runs):
    sample(runs[1], planes, resolution=4)
    assert not (runs[1].directory / "calibration.json").exists()


def test_planes_of_functions_are_refined_together_and_counted(planes):
    sizes: list[int] = []

    def function(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.flatten(1)[:, :700:70]

    maps = sample(function, planes, resolution=64, refine=True)
    assert sum(sizes) == int(maps.evaluated.sum()) < 0.4 * maps.labels.size
    assert (maps.reevaluated == 0).all()
    assert np.array_equal(maps.labels, sample(function, planes, resolution=64).labels)
    alone = sample(function, planes[1], resolution=64, refine=True)
    assert alone.evaluated.values[0, 0] == maps.evaluated.values[0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"refine": True, "confidence": True},
            "no confidence at points that were not evaluated: give refine=False",
        ),
        ({"refine": True, "caution": -0.1}, "caution is -0.1: it must be 0 or more"),
        ({"refine": True, "caution": math.nan}, "caution is nan: it must be 0 or more"),
    ],
)
def test_an_invalid_refinement_is_refused(planes, options, message):
    with pytest.raises(InputError, match=message):
        sample(small_cnn(), planes, resolution=3, **options)


def test_the_cost_of_maps_in_words(planes):
    maps = sample(small_cnn(), planes, resolution=4)
    assert cost(maps) == "every point evaluated in plain fp32"
    maps.evaluated[:] = 8
    maps.reevaluated[:] = 2
    assert cost(maps) == "50.0% of the points evaluated, 25.0% of these re-evaluated in plain fp32"
    assert cost(maps.drop_vars("reevaluated")) == "50.0% of the points evaluated in plain fp32"


def test_modules_are_evaluated_in_evaluation_mode_and_their_mode_is_restored(planes):
    net = nn.Sequential(small_cnn(), nn.Dropout(0.9), nn.BatchNorm1d(5))
    net[0].eval()
    before = [module.training for module in net.modules()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    maps = sample(net, planes, resolution=5)
    assert np.array_equal(maps.labels.values, sample(small_cnn(), planes, resolution=5).labels.values)
    assert [module.training for module in net.modules()] == before
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())

    def failing(_: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sample([net, failing], planes, resolution=5)
    assert [module.training for module in net.modules()] == before
    assert not torch.is_inference_mode_enabled()


def test_sampling_leaves_the_global_generator_alone(planes, runs):
    before = torch.get_rng_state()
    sample(runs, planes, resolution=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_256_classes_are_the_most():
    def last(count: int):
        return lambda x: nn.functional.one_hot(torch.full((len(x),), count - 1), count).float()

    assert (sample(last(256), flat_plane(), resolution=3).labels.values == 255).all()
    with pytest.raises(InputError, match="model 0 has 257 classes: label maps hold at most 256"):
        sample(last(257), flat_plane(), resolution=3)


def test_outputs_in_half_precision_are_accepted():
    maps = sample(lambda x: right_and_up(x).bfloat16(), flat_plane(), resolution=5, padding=0.0, confidence=True)
    assert np.array_equal(maps.labels.values, sample(right_and_up, flat_plane(), resolution=5, padding=0.0).labels)
    assert np.allclose(maps.confidence.values, math.e / (math.e + 3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_named(bad):
    def broken(x: Tensor) -> Tensor:
        return torch.where(x[:, 1:2, 0, 0] > 1.9, bad, x.flatten(1))

    # the last of five rows
    with pytest.raises(InputError, match=r"logits that are not finite at 20.0% of 25 points of plane 0"):
        sample({"net": broken}, flat_plane(), resolution=5, padding=0.0)


def test_the_plane_of_logits_that_are_not_finite_is_named():
    near = flat_plane()
    far = Plane(near.origin + 100, near.u, near.v, near.anchors)
    none = np.full((2, 3), -1, np.int64)
    planes = PlaneSet((near, far), none, none, dataset="", split="", class_names=())

    def broken(x: Tensor) -> Tensor:
        return torch.where(x[:, 1:2, 0, 0] > 101.9, float("nan"), x.flatten(1))

    with pytest.raises(InputError, match=r"logits that are not finite at 20.0% of 25 points of plane 1"):
        sample({"net": broken}, planes, resolution=5, padding=0.0)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda x: x, r"\(9, 3, 1, 1\)"),
        (lambda x: x.flatten(1)[:-1], r"\(8, 3\)"),
        (lambda x: x.flatten(), r"\(27,\)"),
        (lambda x: (x, x), "tuple"),
    ],
    ids=["images", "too few", "flat", "two"],
)
def test_outputs_of_another_shape_are_named(model, shape):
    jaxtyping.config.update("jaxtyping_disable", True)  # or the annotations complain first
    try:
        with pytest.raises(InputError, match=rf"model 0 returns {shape} for 9 images: it must return logits"):
            sample(model, flat_plane(), resolution=3)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_a_run_of_another_dataset_is_refused(runs, small_images):
    arrays = [(part.pixels, part.labels) for part in (small_images.train, small_images.test)]
    other = Images.from_arrays(*arrays, name="mine", class_names=small_images.class_names)
    planes = PlaneSet.of(other.test, [[0, 1, 2]])
    with pytest.raises(InputError, match="was trained on shapes, but the planes go through images of mine@"):
        sample(runs, planes, resolution=3)


def test_no_model_and_repeated_runs_are_refused(planes, runs):
    for nothing in ([], {}):
        with pytest.raises(InputError, match="no model to sample"):
            sample(nothing, planes, resolution=3)
    with pytest.raises(InputError, match="a run is given twice"):
        sample([runs[0], runs[0]], planes, resolution=3)


@pytest.mark.parametrize("grid", [{"resolution": 1}, {"resolution": 10**6}, {"padding": -0.5}])
def test_an_invalid_grid_is_refused(planes, grid):
    with pytest.raises(InputError, match="it must be"):
        sample(small_cnn(), planes, **grid)


def test_a_calibration_of_another_number_of_threads_is_not_used(runs, monkeypatch):
    keys = []
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        keys.append(calibration_file(runs[0], torch.device("cpu"), 128, 1.0).key)
    assert keys[0] != keys[1]
