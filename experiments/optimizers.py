"""Reproducibility under Adam, SGD and SAM: Somepalli et al. 2022, Table 1.

Published for resnet18: .80 Adam, .84 SGD, .87 SAM; for vgg19 .81, .81, .84; the values stand beside ours in the
table. Protocol published: 200 epochs, batches of 64 (`--preset paper` does that here), 500 triplets, learning rates
by grid, SAM radius .01. The code released with the study trained its "Adam" runs by SGD and divided SAM's ascent by
the squared norm, so its table need not be met.

    python experiments/optimizers.py --preset quick --arch resnet18 vgg19 --seeds 0-2
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from dbviz.cli.comparison import compare
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions
from dbviz.core.files import atomic_write
from dbviz.core.terminal import print_table
from dbviz.reports.published import PUBLISHED_OPTIMIZERS
from dbviz.reports.tables import frame_rows
from dbviz.scores import Summary
from dbviz.spec import Optimizer


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains architectures by several optimizers and compares how reproducible they are."""

    arch: tuple[str, ...] = ("resnet18", "vgg19", "mlp_mixer", "vit")
    optimizer: tuple[Optimizer, ...] = ("adam", "sgd", "sam")


def main(options: Options) -> None:
    if options.preset == "paper" and options.epochs is None:
        options = replace(options, epochs=200, batch_size=64)
    compared = compare("optimizers", options)
    summary = compared.summary(image_scores=True)
    table = beside_published(options, summary)
    on = f"{compared.asked.images.name}, {len(compared.planes)} planes"
    print_table(f"Optimizers, {on}", ["", *table.columns], frame_rows(table))
    atomic_write(Path(f"{compared.path.with_suffix('')}-table.csv"), table.to_csv().encode())
    compared.write(summary)


def beside_published(options: Options, summary: Summary) -> pd.DataFrame:
    """A row for each architecture and optimizer: ours with intervals, and what was published."""
    rows, ours = {}, {score: summary.scores.get(score, {}) for score in ("reproducibility", "test accuracy")}
    for arch in options.arch:
        for optimizer in options.optimizer:
            name = f"{arch} {optimizer}" if len(options.optimizer) > 1 else arch
            theirs = PUBLISHED_OPTIMIZERS.get((arch, optimizer), ("", ""))
            rows[name] = {
                "reproducibility": str(ours["reproducibility"].get(name, "")),
                "published": str(theirs[0]),
                "test accuracy": str(ours["test accuracy"].get(name, "")),
                "accuracy published": str(theirs[1]),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/optimizers.py", Options, main))
