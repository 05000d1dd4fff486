"""The command `train`: networks trained and kept, without a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dbviz.cli.console import run_command
from dbviz.cli.options import (
    DataOptions,
    ExecutorOptions,
    MachineOptions,
    NetworkOptions,
    RecipeOptions,
    StreamOptions,
)
from dbviz.core.terminal import duration, print_table, say

__all__ = ["TrainOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Trains every architecture under every seed and keeps the runs.

    What is trained already is not trained again; what was interrupted resumes from its last epoch.
    """

    networks: NetworkOptions = NetworkOptions()
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command("python -m dbviz.train", TrainOptions, _train, argv)


def _train(options: TrainOptions) -> None:
    from dbviz.cli.execution import finished_runs, raise_failures, train_job
    from dbviz.cli.job import make_job
    from dbviz.cli.tables import width_of
    from dbviz.spec import network_names

    job = make_job(options)
    failed = train_job(job)
    trained = finished_runs(job)
    names = dict(zip(job.specs, network_names(job.specs), strict=True))
    rows = [
        [
            names[spec],
            width_of(run.spec),
            str(run.spec.seeds),
            f"{run.test_accuracy:.2%}",
            f"{run.epochs[-1].train_accuracy:.2%}",
            duration(run.seconds),
            f"{len(run.epochs) * len(job.images.train.first(run.spec.train_size)) / run.seconds:,.0f}",
        ]
        for spec, run in trained.items()
    ]
    columns = ["network", "width", "seed", "test accuracy", "training accuracy", "time", "images/s"]
    if trained:
        print_table(f"{job.images.name}, preset {job.preset}", columns, rows)
        say("\n".join(["Runs:", *(f"  {run.directory}" for run in trained.values())]))
    raise_failures(failed, len(job.specs))
