"""Reproducibility within and between architectures: Somepalli et al. 2022, Fig. 4.

Published: .86 to .87 within wide ResNets, .83 resnet18, .82 densenet121, .79 vgg19, .75 vit, .69 fcnet, .67
mlp_mixer; .44 to .47 between fcnet and any other. Five runs of each, 500 triplets of test images, 100 epochs. The
values are kept in `dbviz.reports.published` and stand beside ours in the tables.

    python experiments/reproducibility_matrix.py --preset quick --arch resnet18 vit fcnet --seeds 0-2
"""

import sys
from dataclasses import dataclass

import matplotlib as mpl

from dbviz.cli.comparison import compare, print_summary
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions

_ALL = ("wideresnet28_30", "wideresnet28_20", "wideresnet28_10", "resnet18", "densenet121", "vgg19", "vit", "mlp_mixer")


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains architectures under several seeds and writes how far they agree, within and between them."""

    arch: tuple[str, ...] = (*_ALL, "fcnet")
    seeds: tuple[str, ...] = ("0-4",)


def main(options: Options) -> None:
    compared = compare("reproducibility_matrix", options)
    summary = compared.summary()
    print_summary(compared.maps, summary)
    compared.write(summary)


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/reproducibility_matrix.py", Options, main))
