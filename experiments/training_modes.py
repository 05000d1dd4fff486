"""Reproducibility under mixup, CutMix and adversarial training: Somepalli et al. 2022, section 4.

Published, between a network with mixup and one without: .774 for resnet18, .808 for vit. Here every mode is compared
with itself and with every other, on the same planes.

    python experiments/training_modes.py --preset quick --arch resnet18 --seeds 0-2
"""

import sys
from dataclasses import dataclass

import matplotlib as mpl

from dbviz.cli.comparison import compare, print_summary
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions
from dbviz.spec import Mode


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains architectures in several modes and compares their decision regions."""

    arch: tuple[str, ...] = ("resnet18", "vit")
    mode: tuple[Mode, ...] = ("plain", "mixup", "cutmix", "adversarial")


def main(options: Options) -> None:
    compared = compare("training_modes", options)
    summary = compared.summary(image_scores=True)
    print_summary(compared.maps, summary)
    compared.write(summary)


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/training_modes.py", Options, main))
