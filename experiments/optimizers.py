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

from dbviz.console import output_directory, print_table, run_command, say
from dbviz.kept_maps import kept_maps
from dbviz.options import TrainingOptions
from dbviz.regions import draw_planes
from dbviz.reports import write_summary
from dbviz.scores import Summary, summarise
from dbviz.scores.published import PUBLISHED_OPTIMIZERS
from dbviz.scores.tables import frame_rows
from dbviz.sealed import write_whole
from dbviz.spec import Optimizer
from dbviz.wanted import fit_wanted, image_scores_of, wanted


@dataclass(frozen=True, kw_only=True)
class Options(TrainingOptions):
    """Trains architectures by several optimizers and compares how reproducible they are."""

    arch: tuple[str, ...] = ("resnet18", "vgg19", "mlp_mixer", "vit")
    optimizer: tuple[Optimizer, ...] = ("adam", "sgd", "sam")
    triplets: int = 500
    """How many planes through test images."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    out: Path = Path("experiments/results")


def main(options: Options) -> None:
    out = output_directory(options.out)
    if options.preset == "paper" and options.epochs is None:
        options = replace(options, epochs=200, batch_size=64)
    asked = wanted(options)
    runs = fit_wanted(asked, options)
    planes = draw_planes(asked.images.test, options.triplets, seed=options.triplet_seed)
    parts = ["optimizers", asked.images.name, asked.preset, str(len(planes))]
    named = {run.spec.name: run for run in runs}
    maps, path = kept_maps(named, planes, out, parts, resolution=50, margin=0.1, device=options.device)
    summary = summarise(maps).extended(image_scores_of(runs, asked.images))
    table = beside_published(options, summary)
    print_table(f"Optimizers, {asked.images.name}, {len(planes)} planes", ["", *table.columns], frame_rows(table))
    write_whole(Path(f"{path.with_suffix('')}-table.csv"), table.to_csv().encode())
    paths = write_summary(path.with_suffix(""), maps, summary)
    say("\n".join(["Written:", *(f"  {written}" for written in [path, *paths])]))


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
