"""The command `train`: networks trained and kept, without a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from dbviz.cli.console import run_command
from dbviz.cli.options import TrainingOptions
from dbviz.core.terminal import duration, print_table, say

__all__ = ["TrainOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainingOptions):
    """Trains every architecture under every seed and keeps the runs.

    What is trained already is not trained again; what was interrupted goes on from its last epoch.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("python -m dbviz.train", TrainOptions, _train, argv)


def _train(options: TrainOptions) -> None:
    from dbviz.cli.job import fit_wanted, wanted
    from dbviz.spec.names import network_names

    asked = wanted(options)
    runs = fit_wanted(asked, options)
    train = asked.images.train
    rows = [
        [
            name,
            str(run.spec.seeds),
            f"{run.test_accuracy:.2%}",
            f"{run.epochs[-1].train_accuracy:.2%}",
            duration(run.seconds),
            f"{len(run.epochs) * len(train.first(run.spec.train_size)) / run.seconds:,.0f}",
        ]
        for name, run in zip(network_names(asked.specs), runs, strict=True)
    ]
    columns = ["network", "seed", "test accuracy", "training accuracy", "time", "images/s"]
    print_table(f"{asked.images.name}, preset {asked.preset}", columns, rows)
    say("\n".join(["Runs:", *(f"  {run.directory}" for run in runs)]))
