"""Reproducibility under mixup, CutMix and adversarial training: Somepalli et al. 2022, section 4.

Every training mode is compared with itself and with every other, on the same planes.

Paper:     Agreement of a network trained with mixup and one without: .774 resnet18, .808 vit.
Hardware:  A CPU with `--preset quick`, a GPU with `standard` or `paper`.
Time:      Not measured yet.
Expected:  The paper's values under `paper`; no result of this script is in the repository.

    python experiments/paper/training_modes.py --preset quick --arch resnet18 --seeds 0-2
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from dbviz.cli.comparison import compare, print_summary
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions, NetworkOptions, OutputOptions, RecipeOptions


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains architectures in several modes and compares their decision regions."""

    networks: NetworkOptions = NetworkOptions(arch=("resnet18", "vit"))
    recipe: RecipeOptions = RecipeOptions(mode=("plain", "mixup", "cutmix", "adversarial"))
    output: OutputOptions = OutputOptions(out=Path("experiments/results/training_modes"), format="pdf")


def main(options: Options) -> None:
    compared = compare("training_modes", options)
    summary = compared.summary(image_scores=True)
    print_summary(compared.maps, summary)
    compared.write(summary)


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/training_modes.py", Options, main))
