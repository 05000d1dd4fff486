"""Runs a sweep: the runs of a grid by an executor, those alone that are not finished yet."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from dbviz.executors import Event, Executor, Failed, run_tasks
from dbviz.executors.placement import parameter_count
from dbviz.runs.fitting import estimate_seconds
from dbviz.spec import RunSpec
from dbviz.sweeps.measuring import estimate_measuring_seconds, is_measured, train_and_measure
from dbviz.sweeps.study import Study
from dbviz.training import choose_device

__all__ = ["estimate_sweep", "run_sweep", "unfinished_runs"]


def unfinished_runs(specs: Iterable[RunSpec], study: Study) -> list[RunSpec]:
    """The specs whose runs are not trained, or not measured, yet.

    Example:
        >>> from pathlib import Path
        >>> from dbviz.spec import Recipe
        >>> specs = [RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))]
        >>> unfinished_runs(specs, Study(dataset="shapes", home=Path("runs"))) == specs
        True
    """
    return [spec for spec in specs if not all(is_measured(spec, study, epoch) for epoch in study.measured_after(spec))]


def run_sweep(
    specs: Sequence[RunSpec],
    study: Study,
    executor: Executor,
    *,
    progress: bool = True,
    on_event: Callable[[Event], None] = lambda _: None,
) -> list[Failed]:
    """Trains and measures every run that is not in the store yet, the longest first, and returns the failures.

    Args:
        progress: show a progress bar.
        on_event: called with every event of the executor.

    Raises:
        OSError: the disk is full; finished runs are kept.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.executors import InProcess
        >>> from dbviz.runs.specs import make_specs
        >>> images = Images(train=shapes(32, split="train"), test=shapes(16, split="test"))
        >>> common = {"images": images, "preset": "quick", "device": torch.device("cpu"), "train_size": 32}
        >>> specs = make_specs(["random_features"], seeds=range(2), width=8, **common)
        >>> home = Path(tempfile.mkdtemp())
        >>> study = Study(dataset=images.name, images=images, home=home, device="cpu", triplets=2, resolution=4)
        >>> run_sweep(specs, study, InProcess(), progress=False)
        []
        >>> unfinished_runs(specs, study)
        []
    """
    cost = {spec: _cost(spec) for spec in unfinished_runs(specs, study)}
    ready = len(specs) - len(cost)
    return run_tasks(
        cost, partial(train_and_measure, study=study), executor, ready=ready, progress=progress, on_event=on_event
    )


def estimate_sweep(specs: Sequence[RunSpec], study: Study, concurrency: int) -> float:
    """Estimated seconds for the unfinished runs, extrapolated from timing one of median cost.

    Args:
        concurrency: the number of runs that are worked on at the same time.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.runs.specs import make_specs
        >>> images = Images(train=shapes(32, split="train"), test=shapes(16, split="test"))
        >>> common = {"images": images, "preset": "quick", "device": torch.device("cpu"), "train_size": 32}
        >>> specs = make_specs(["random_features"], seeds=range(2), width=8, **common)
        >>> home = Path(tempfile.mkdtemp())
        >>> study = Study(dataset=images.name, images=images, home=home, device="cpu", triplets=2, resolution=4)
        >>> estimate_sweep(specs, study, concurrency=1) > 0
        True
    """
    cost = {spec: _cost(spec) for spec in unfinished_runs(specs, study)}
    if not cost:
        return 0.0
    median = sorted(cost, key=cost.__getitem__)[len(cost) // 2]
    (seconds,) = estimate_seconds([median], study.load_images(), choose_device(study.device)).values()
    seconds += estimate_measuring_seconds(median, study)
    return seconds * sum(cost.values()) / cost[median] / min(concurrency, len(cost))


def _cost(spec: RunSpec) -> float:
    """A number that a run's time is about proportional to: parameters x epochs x images, plus a constant."""
    return 1e6 + float(parameter_count(spec)) * spec.recipe.epochs * (spec.train_size or 50_000)
