"""Least squares: normal equations below the threshold, interpolation of least norm above it, and its runs."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dbviz import fit
from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.runs import fitting, store, training_run
from dbviz.spec import Recipe, RunSpec, Seeds
from dbviz.training.least_squares import least_norm_solution, least_squares
from dbviz.training.optimizers import make_optimizer

CPU = torch.device("cpu")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3), st.integers(0, 99))
def test_the_solution_is_that_of_the_pseudoinverse(n, width, lost, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=generator, dtype=torch.float64)
    if lost < n:
        x[:lost] = x[lost]  # rank-deficient
    y = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(least_norm_solution(x, y), torch.linalg.pinv(x) @ y, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bad", ["x", "y"])
def test_one_entry_that_is_not_finite_is_a_divergence(bad):
    arguments = {name: torch.eye(2, dtype=torch.float64) for name in "xy"}
    arguments[bad][0, 1] = torch.inf
    with pytest.raises(TrainingDiverged, match="not finite"):
        least_norm_solution(**arguments)


class Picked(torch.nn.Module):
    """The first `width` values of an image under a linear head."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Flatten(), First(width))
        self.head = torch.nn.Linear(width, classes, bias=False)


class First(torch.nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, : self.count]


def test_the_metrics_are_those_of_the_solution_on_every_image(small_images, monkeypatch):
    monkeypatch.setattr("dbviz.training.least_squares.evaluation_batch", lambda _: 4)
    images, model, done = small_images.train.first(9), Picked(3, 10), []  # the last batch is of one image
    (checkpoint,) = least_squares(model, images, CPU, test=lambda _: 0.125, on_batch=done.append)
    x = images.normalized(np.arange(9)).flatten(1)[:, :3].double()
    targets = torch.eye(10, dtype=torch.float64)[torch.from_numpy(images.labels)] - 0.1
    outputs = x @ torch.linalg.pinv(x) @ targets
    right = (outputs.argmax(1).numpy() == images.labels).mean()
    metrics = checkpoint.metrics
    assert metrics.train_loss == pytest.approx(float(((outputs - targets) ** 2).mean()))
    assert (metrics.train_accuracy, metrics.test_accuracy, metrics.epoch) == (right, 0.125, 1)
    assert sum(done) == 9
    torch.testing.assert_close(
        model.head.weight.detach().double(), (torch.linalg.pinv(x) @ targets).T, rtol=1e-4, atol=1e-6
    )


def fitted(images, home, **changes):
    options: dict[str, Any] = {"train_size": 64, "width": 16} | changes
    return fit("random_features", dataset=images, home=home, preset="quick", device="cpu", progress=False, **options)


def test_a_run_is_stored_and_loaded(small_images, tmp_path, monkeypatch):
    runs_ = fitted(small_images, tmp_path, seeds=(0, 1))
    assert len({run.fingerprint for run in runs_}) == 2
    monkeypatch.setattr(training_run, "least_squares", None)
    assert fitted(small_images, tmp_path, seeds=(0, 1)) == runs_
    model, inputs = runs_[0].model(), small_images.test.normalized(list(range(64)))
    with torch.no_grad():
        torch.testing.assert_close(model(inputs).float(), runs_[0].test_logits())


def test_a_repetition_elsewhere_has_the_same_bytes(small_images, tmp_path):
    first, second = (fitted(small_images, tmp_path / home)[0] for home in "ab")
    assert first.weights.read_bytes() == second.weights.read_bytes()


def test_enough_features_interpolate(small_images, tmp_path):
    (few,), (many,) = (fitted(small_images, tmp_path, width=width) for width in (8, 128))
    assert many.epochs[0].train_accuracy == 1
    assert many.epochs[0].train_loss < 1e-12 < few.epochs[0].train_loss
    assert [epoch.epoch for epoch in many.epochs] == [1]


def test_below_the_threshold_the_normal_equations_hold(small_images, tmp_path):
    (run,) = fitted(small_images, tmp_path, width=16)
    model: Any = run.model()
    train = small_images.train.first(64)
    with torch.no_grad():
        x = model.features(train.normalized(np.arange(64))).double()
    targets = torch.eye(10, dtype=torch.float64)[torch.from_numpy(train.labels)] - 0.1
    residual = x @ model.head.weight.T - targets
    torch.testing.assert_close(x.T @ residual, torch.zeros(16, 10, dtype=torch.float64), rtol=0, atol=1e-9)


def test_label_noise_changes_the_labels_that_are_fitted_and_is_stored(small_images, tmp_path):
    (run,) = fitted(small_images, tmp_path, width=128, label_noise=0.25)
    stored = run.training_labels()
    assert stored is not None
    labels, wrong = stored
    clean = torch.from_numpy(small_images.train.labels[:64])
    assert torch.equal(wrong, labels != clean)
    assert 0 < int(wrong.sum()) < 32
    with torch.no_grad():
        predictions = run.model()(small_images.train.normalized(np.arange(64))).argmax(1)
    assert torch.equal(predictions, labels)
    assert fitted(small_images, tmp_path, width=128)[0].training_labels() is None


def test_labels_of_a_file_are_stored_with_the_runs(small_images, tmp_path):
    given_labels = (small_images.train.labels + 1) % 10
    np.save(tmp_path / "labels.npy", given_labels)
    (run,) = fitted(small_images, tmp_path, width=128, label_noise=str(tmp_path / "labels.npy"))
    (tmp_path / "labels.npy").unlink()
    stored = run.training_labels()
    assert stored is not None
    assert stored[0].tolist() == given_labels[:64].tolist()
    assert stored[1].all()
    assert training_run.training_images(run.spec, small_images, tmp_path).labels.tolist() == stored[0].tolist()
    with pytest.raises(InputError, match="does not exist"):
        training_run.training_images(run.spec, small_images, tmp_path / "elsewhere")


def test_only_a_linear_head_on_fixed_features_can_be_solved_for(small_images):
    with pytest.raises(InputError, match="choose random_features, or another optimizer"):
        next(least_squares(torch.nn.Linear(3, 2), small_images.train, CPU))
    with pytest.raises(InputError, match="takes no steps"):
        make_optimizer(torch.nn.Linear(3, 2), SOLVED)


SOLVED = Recipe(epochs=1, learning_rate=1.0, optimizer="least-squares", augmentation="none")


@pytest.mark.parametrize(
    ("field", "value"), [("epochs", 2), ("mode", "mixup"), ("augmentation", "crop-flip"), ("precision", "bf16")]
)
def test_a_recipe_that_takes_steps_is_refused(field, value):
    with pytest.raises(InputError, match=rf"recipe.{field} is {value!r}: it must be .* under least-squares"):
        Recipe(**{**vars(SOLVED), field: value})


def test_a_nudge_is_refused_without_initial_weights():
    with pytest.raises(InputError, match=r"seeds\.nudge is 0: it must be None under least-squares"):
        RunSpec(dataset="shapes", arch="random_features", recipe=SOLVED, seeds=Seeds(nudge=0))


def test_the_time_of_a_solution_is_estimated(small_images, tmp_path):
    (run,) = fitted(small_images, tmp_path)
    (seconds,) = fitting.estimate_seconds([run.spec], small_images, CPU).values()
    assert 0 < seconds < 60
    assert store.find(run.spec, tmp_path) == run


def test_a_run_interrupted_after_its_solution_is_solved_again(small_images, tmp_path, monkeypatch):
    finish = store.finish

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted(small_images, tmp_path / "interrupted")
    monkeypatch.setattr(store, "finish", finish)
    (resumed,), (complete,) = (fitted(small_images, tmp_path / home) for home in ("interrupted", "complete"))
    assert resumed.weights.read_bytes() == complete.weights.read_bytes()
    assert [epoch.epoch for epoch in resumed.epochs] == [1]
