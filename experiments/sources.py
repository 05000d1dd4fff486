"""From which source of randomness the spread of runs comes: Jordan 2023, Summers & Dinneen 2021.

Published for CIFAR-10: one weight times 1.001 changes 5.14 % of the predictions, new seeds change 5.19 %; the standard
deviation of the test accuracy is .15 % at 64 epochs; each of initialisation, order and augmentation alone gives nearly
the full variance (Jordan 2023), and all sources make predictions differ alike (Summers & Dinneen 2021). The values
stand beside ours in the table; of decision regions none are published.

    python experiments/sources.py --preset quick --arch resnet18 --width 4 --train-size 4000 --epochs 3 --runs 6
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from dbviz.cli.audit.sources import SourcesOptions, measured_sources
from dbviz.cli.console import run_command
from dbviz.core.files import atomic_write
from dbviz.core.paths import file_name
from dbviz.core.terminal import print_table, say
from dbviz.reports.published import PUBLISHED_SOURCES
from dbviz.reports.tables import frame_rows
from dbviz.scores import Estimate, SourceAnalysis, nearly_full


@dataclass(frozen=True, kw_only=True)
class Options(SourcesOptions):
    """Audits the sources of randomness of a network and compares them with published ones."""

    out: Path = Path("experiments/results")


def main(options: Options) -> None:
    found = measured_sources(options)
    table = beside_published(found)
    print_table("Beside the published", ["", *table.columns], frame_rows(table))
    path = options.out / f"{file_name(['sources', options.dataset, options.arch[0], 'published'])}.csv"
    atomic_write(path, table.to_csv().encode())
    say(f"Written:\n  {path}")


def beside_published(found: SourceAnalysis) -> pd.DataFrame:
    """Ours with intervals, and what was published: a figure, or words."""
    rows = {}
    for score, theirs in PUBLISHED_SOURCES.items():
        for cell, value in theirs.items():
            if cell in found.scores[score]:
                rows[f"{score}, {cell} varied"] = {"ours": str(found.scores[score][cell]), "published": f"{value:g}"}
    churned = found.scores["churn"]
    if {"nudge", "init + order + augment"} <= churned.keys():
        theirs = PUBLISHED_SOURCES["churn"]
        share = found.shares["predictions"]["total"]["nudge"]
        expected = theirs["nudge"] / theirs["init + order + augment"]
        rows["churn of a nudge over that of new seeds"] = {"ours": str(share), "published": f"{expected:.2f}"}
    for quantity, theirs in {"test accuracy": "yes", "predictions": "yes", "regions": ""}.items():
        for source, share in _streams(found.shares[quantity]["total"]).items():
            said = {"ours": f"{share}: {nearly_full(share)}", "published": theirs}
            rows[f"{source} alone gives nearly the full variance of {quantity}"] = said
    return pd.DataFrame.from_dict(rows, orient="index")


def _streams(shares: Mapping[str, Estimate]) -> dict[str, Estimate]:
    return {source: share for source, share in shares.items() if source not in ("nudge", "kernels")}


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/sources.py", Options, main))
