"""Reproducibility under Adam, SGD and SAM: Somepalli et al. 2022, Table 1.

Each architecture is trained by each optimizer; the table has reproducibility and test accuracy with published values
beside ours. `--preset paper` trains as published: 200 epochs, batches of 64.

Paper:     resnet18 .80 Adam, .84 SGD, .87 SAM; vgg19 .81, .81, .84. 500 triplets, learning rates by grid search, SAM
           radius .01. The code released with the paper trained its "Adam" runs by SGD and divided SAM's ascent step by
           the squared norm, so its table need not be matched.
Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      Not recorded.
Result:    `quick` on 4,000 images for 3 epochs, 3 runs, 15 planes: resnet18 0.59 [0.40, 0.77] Adam, 0.52 [0.13, 0.91]
           SGD, 0.56 [0.37, 0.75] SAM. These runs are too few and too short to order the optimizers.
Files:     experiments/results/optimizers/

    python experiments/paper/optimizers.py --preset quick --arch resnet18 --seeds 0-2 --train-size 4000 --epochs 3 \\
        --triplets 15
    python experiments/paper/optimizers.py --preset paper
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from dbviz.cli.comparison import compare
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions, NetworkOptions, OutputOptions, RecipeOptions
from dbviz.core.files import atomic_write
from dbviz.core.terminal import print_table
from dbviz.reports.published import PUBLISHED_OPTIMIZERS
from dbviz.reports.tables import frame_rows
from dbviz.scores import Summary


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains architectures by several optimizers and compares their reproducibility."""

    networks: NetworkOptions = NetworkOptions(arch=("resnet18", "vgg19", "mlp_mixer", "vit"))
    recipe: RecipeOptions = RecipeOptions(optimizer=("adam", "sgd", "sam"))
    output: OutputOptions = OutputOptions(out=Path("experiments/results/optimizers"), format="pdf")


def main(options: Options) -> None:
    if options.networks.preset == "paper" and options.recipe.epochs is None:
        options = replace(options, recipe=replace(options.recipe, epochs=200, batch_size=64))
    compared = compare("optimizers", options)
    summary = compared.summary(image_scores=True)
    table = beside_published(options, summary)
    planes = f"{compared.job.images.name}, {len(compared.planes)} planes"
    print_table(f"Optimizers, {planes}", ["", *table.columns], frame_rows(table))
    atomic_write(Path(f"{compared.path.with_suffix('')}-table.csv"), table.to_csv().encode())
    compared.write(summary)


def beside_published(options: Options, summary: Summary) -> pd.DataFrame:
    """A row for each architecture and optimizer: our values with intervals, and the published ones."""
    measured = {score: summary.scores.get(score, {}) for score in ("reproducibility", "test accuracy")}
    rows = {}
    for arch in options.networks.arch:
        for optimizer in options.recipe.optimizer:
            name = f"{arch} {optimizer}" if len(options.recipe.optimizer) > 1 else arch
            published = PUBLISHED_OPTIMIZERS.get((arch, optimizer), ("", ""))
            rows[name] = {
                "reproducibility": str(measured["reproducibility"].get(name, "")),
                "published": str(published[0]),
                "test accuracy": str(measured["test accuracy"].get(name, "")),
                "accuracy published": str(published[1]),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/optimizers.py", Options, main))
