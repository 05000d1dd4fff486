"""Reproducibility within and between architectures: Somepalli et al. 2022, Fig. 4.

Networks of each architecture are trained under several seeds and sampled on the same planes; the matrix has the share
of points on which two runs agree, with published values beside ours (`dbviz.reports.published`).

Paper:     .86 to .87 within wide ResNets, .83 resnet18, .82 densenet121, .79 vgg19, .75 vit, .69 fcnet, .67 mlp_mixer;
           .44 to .47 between fcnet and any other. Five runs of each, 500 triplets of test images, 100 epochs.
Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      Not recorded.
Result:    `quick`, 3 runs of each, 100 planes: resnet18 0.70 [0.67, 0.72], vit 0.68 [0.65, 0.70], fcnet 0.75
           [0.73, 0.77]; between them 0.36 to 0.49. As published, each agrees with itself more than with any other;
           unlike the published order, fcnet agrees most (narrow networks, trained briefly on a part of the images).
Files:     experiments/results/reproducibility_matrix/

    python experiments/paper/reproducibility_matrix.py --preset quick --arch resnet18 vit fcnet --seeds 0-2 \\
        --triplets 100
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from dbviz.cli.comparison import compare, print_summary
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions, NetworkOptions, OutputOptions

_ALL = ("wideresnet28_30", "wideresnet28_20", "wideresnet28_10", "resnet18", "densenet121", "vgg19", "vit", "mlp_mixer")


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains architectures under several seeds and measures their agreement, within and between architectures."""

    networks: NetworkOptions = NetworkOptions(arch=(*_ALL, "fcnet"), seeds=("0-4",))
    output: OutputOptions = OutputOptions(out=Path("experiments/results/reproducibility_matrix"), format="pdf")


def main(options: Options) -> None:
    compared = compare("reproducibility_matrix", options)
    summary = compared.summary()
    print_summary(compared.maps, summary)
    compared.write(summary)


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/reproducibility_matrix.py", Options, main))
