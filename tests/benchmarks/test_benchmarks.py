"""Every benchmark, with the clock and the networks made tiny: which methods are timed, and what their amounts are."""

import dataclasses

import pytest
import torch

from dbviz.benchmarks import benchmark_scores, benchmark_seeds, benchmark_training, scores, seeds, training
from dbviz.core.errors import RunsFailed
from dbviz.executors import InProcess
from dbviz.planes import draw_planes
from dbviz.runs.fitting import fit_specs

CPU = torch.device("cpu")


@pytest.fixture
def mlps(make):
    return make("mlp", seeds=(0, 1), width=4, epochs=1, batch_size=16, precision="fp32")


def test_training_is_timed_between_its_baseline_and_bare_steps(mlps, small_images, monkeypatch):
    monkeypatch.setattr(training, "baseline_training", lambda *_: None)
    options = {"train_size": 32, "widths": (4, 8), "compile": False}
    benchmark = benchmark_training(mlps[0], small_images, CPU, **options)
    assert [timing.method for timing in benchmark.timings] == [
        "baseline: DataLoader, fp32, loss read each step",
        "dbviz.training.train",
        "upper bound: bare steps on one batch (fp32)",
    ]
    assert [timing.amount for timing in benchmark.timings] == [32, 32, 16]
    (growth,) = benchmark.growth
    assert (growth.variable, growth.values, len(growth.seconds)) == ("width", (4, 8), 2)


def test_scoring_is_timed_between_its_baseline_and_the_bare_forward_pass(mlps, small_images, tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "_growth", lambda: ())
    runs = fit_specs(mlps, small_images, device=CPU, home=tmp_path, progress=False)
    benchmark = benchmark_scores(runs, draw_planes(small_images.test, 2), CPU, baseline_points=10)
    assert [timing.amount for timing in benchmark.timings[:3]] == [10, 2 * 2 * 50 * 50, 2 * 2 * 50 * 50]
    assert benchmark.baseline.method.startswith("baseline: Dataset of points")
    assert benchmark.upper_bound.method.startswith("upper bound: bare forward pass (")
    assert benchmark.timings[1].seconds > benchmark.timings[2].seconds  # sampling and scoring, scoring alone


@pytest.fixture
def in_process(monkeypatch):
    """The pools of processes are replaced by this process."""

    class Here(InProcess):
        def __init__(self, processes: int, threads: int) -> None:  # noqa: ARG002
            super().__init__(threads=threads)

    monkeypatch.setattr(seeds, "Pool", Here)


@pytest.mark.usefixtures("in_process")
def test_seeds_are_timed_one_after_the_other_and_in_parallel(mlps, small_images):
    longer = [dataclasses.replace(spec, recipe=dataclasses.replace(spec.recipe, epochs=2)) for spec in mlps]
    benchmark = benchmark_seeds(longer, small_images, CPU, train_size=32)
    methods = ["baseline: one after the other", "in one other process", "in parallel processes"]
    assert [timing.method for timing in benchmark.timings[:-1]] == methods
    assert [timing.amount for timing in benchmark.timings[:-1]] == [2 * 2 * 32] * 3
    assert benchmark.upper_bound.method == "upper bound: bare steps on one batch (fp32)"


@pytest.mark.usefixtures("in_process")
def test_other_weights_of_parallel_processes_are_an_error(mlps, small_images, monkeypatch):
    weights = iter(["a", "b"])
    monkeypatch.setattr(seeds, "_weights", lambda *_: [next(weights)])
    with pytest.raises(RunsFailed, match="in parallel processes have other weights than in a single process"):
        benchmark_seeds(mlps, small_images, CPU, train_size=32)


@pytest.mark.usefixtures("in_process")
def test_a_failing_run_is_an_error(make, small_images):
    diverging = make("mlp", seeds=(0,), width=4, epochs=2, batch_size=16, learning_rate=1e30)
    with pytest.raises(RunsFailed, match=r"1 of 1 runs failed, first .*diverged"):
        benchmark_seeds(diverging, small_images, CPU, train_size=32)
