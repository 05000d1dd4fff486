"""Reproducibility within and between architectures: Somepalli et al. 2022, Fig. 4.

Published: .86 to .87 within wide ResNets, .83 resnet18, .82 densenet121, .79 vgg19, .75 vit, .69 fcnet, .67
mlp_mixer; .44 to .47 between fcnet and any other. Five runs of each, 500 triplets of test images, 100 epochs. The
values are kept in `dbviz.scores.published` and stand beside ours in the tables.

    python experiments/reproducibility_matrix.py --preset quick --arch resnet18 vit fcnet --seeds 0-2
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from dbviz.console import output_directory, print_table, run_command, say
from dbviz.kept_maps import kept_maps
from dbviz.options import TrainingOptions
from dbviz.regions import draw_planes
from dbviz.reports import write_summary
from dbviz.scores import groups, summarise
from dbviz.scores.tables import frame_rows, matrix_frame, scores_frame
from dbviz.wanted import fit_wanted, wanted

_ALL = ("wideresnet28_30", "wideresnet28_20", "wideresnet28_10", "resnet18", "densenet121", "vgg19", "vit", "mlp_mixer")


@dataclass(frozen=True, kw_only=True)
class Options(TrainingOptions):
    """Trains architectures under several seeds and writes how far they agree, within and between them."""

    arch: tuple[str, ...] = (*_ALL, "fcnet")
    seeds: tuple[str, ...] = ("0-4",)
    triplets: int = 500
    """How many planes through test images."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    out: Path = Path("experiments/results")


def main(options: Options) -> None:
    out = output_directory(options.out)
    asked = wanted(options)
    runs = {run.spec.name: run for run in fit_wanted(asked, options)}
    planes = draw_planes(asked.images.test, options.triplets, seed=options.triplet_seed)
    parts = ["reproducibility_matrix", asked.images.name, asked.preset, str(len(planes))]
    maps, path = kept_maps(runs, planes, out, parts, resolution=50, margin=0.1, device=options.device)
    summary = summarise(maps)
    names = list(groups(maps))
    print_table("Reproducibility, 95 % intervals", ["", *names], frame_rows(matrix_frame(summary.matrix, names)))
    print_table("By network", ["", *names], frame_rows(scores_frame(summary.scores, names)))
    for note in summary.notes:
        say(f"Note on some intervals: {note}.")
    paths = write_summary(path.with_suffix(""), maps, summary)
    say("\n".join(["Written:", *(f"  {written}" for written in [path, *paths])]))


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/reproducibility_matrix.py", Options, main))
