"""Which source of randomness the variation between runs comes from: Jordan 2023, Summers & Dinneen 2021.

Every subset of initial weights, order of the images and augmentation is varied while the rest is fixed, and beside them
one initial weight, multiplied by 1.001 (nudge). The table has published values beside ours; of decision regions none
are published.

Paper:     On CIFAR-10 one weight times 1.001 changes 5.14 % of the predictions, new seeds 5.19 %; the standard
           deviation of the test accuracy is .15 % at 64 epochs; initialisation, order and augmentation each alone give
           nearly the full variance (Jordan 2023), and all make predictions differ alike (Summers & Dinneen 2021).
Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      Not recorded.
Result:    resnet18 of width 4, 3 epochs of 4,000 images (34 % test accuracy), 6 runs of each cell, 20 planes: one
           weight changes 0.47 [0.41, 0.53] of the predictions, new seeds 0.47 [0.41, 0.52], a ratio of 1.01
           [0.85, 1.16] (published .99); each source alone has 0.92 to 0.94 of the variance of predictions. Six runs are
           too few for shares of the variance of the accuracy.
Files:     experiments/results/sources/

    python experiments/paper/sources.py --preset quick --arch resnet18 --width 4 --train-size 4000 --epochs 3 \\
        --runs 6 --triplets 20 --resolution 25 --executor here
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from dbviz.cli.audit.sources import SourcesOptions, analyse
from dbviz.cli.console import run_command
from dbviz.cli.options import OutputOptions
from dbviz.core.files import atomic_write
from dbviz.core.paths import file_name
from dbviz.core.terminal import print_table, say
from dbviz.reports.published import PUBLISHED_SOURCES
from dbviz.reports.tables import frame_rows
from dbviz.scores import Estimate, SourceAnalysis, nearly_full


@dataclass(frozen=True, kw_only=True)
class Options(SourcesOptions):
    """Audits the sources of randomness of a network and compares them with published values."""

    output: OutputOptions = OutputOptions(out=Path("experiments/results/sources"))


def main(options: Options) -> None:
    table = beside_published(analyse(options))
    print_table("Beside published values", ["", *table.columns], frame_rows(table))
    name = file_name(["sources", options.data.dataset, options.networks.arch[0], "published"])
    path = options.output.out / f"{name}.csv"
    atomic_write(path, table.to_csv().encode())
    say(f"Written:\n  {path}")


def beside_published(analysis: SourceAnalysis) -> pd.DataFrame:
    """Our values with intervals, and the published ones: a number, or yes where only a finding was published."""
    rows = {}
    for score, by_cell in PUBLISHED_SOURCES.items():
        for cell, published in by_cell.items():
            if (estimate := analysis.scores[score].get(cell)) is not None:
                rows[f"{score}, {cell} varied"] = {"ours": str(estimate), "published": f"{published:g}"}
    if {"nudge", "init + order + augment"} <= analysis.scores["churn"].keys():
        churn = PUBLISHED_SOURCES["churn"]
        ratio = analysis.shares["predictions"]["total"]["nudge"]
        published = churn["nudge"] / churn["init + order + augment"]
        rows["churn of a nudge over that of new seeds"] = {"ours": str(ratio), "published": f"{published:.2f}"}
    for quantity, finding in {"test accuracy": "yes", "predictions": "yes", "regions": ""}.items():
        for source, share in _streams(analysis.shares[quantity]["total"]).items():
            row = {"ours": f"{share}: {nearly_full(share)}", "published": finding}
            rows[f"{source} alone gives nearly the full variance of {quantity}"] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _streams(shares: Mapping[str, Estimate]) -> dict[str, Estimate]:
    return {source: share for source, share in shares.items() if source not in ("nudge", "kernels")}


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/sources.py", Options, main))
