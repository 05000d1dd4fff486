"""Reproducibility under mixup, CutMix and adversarial training: Somepalli et al. 2022, section 4.

Published, between a network with mixup and one without: .774 for resnet18, .808 for vit. Here every mode is compared
with itself and with every other, on the same planes.

    python experiments/training_modes.py --preset quick --arch resnet18 --seeds 0-2
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
from dbviz.spec import Mode
from dbviz.wanted import fit_wanted, image_scores_of, wanted


@dataclass(frozen=True, kw_only=True)
class Options(TrainingOptions):
    """Trains architectures in several modes and compares their decision regions."""

    arch: tuple[str, ...] = ("resnet18", "vit")
    mode: tuple[Mode, ...] = ("plain", "mixup", "cutmix", "adversarial")
    triplets: int = 500
    """How many planes through test images."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    out: Path = Path("experiments/results")


def main(options: Options) -> None:
    out = output_directory(options.out)
    asked = wanted(options)
    runs = fit_wanted(asked, options)
    planes = draw_planes(asked.images.test, options.triplets, seed=options.triplet_seed)
    parts = ["training_modes", asked.images.name, asked.preset, str(len(planes))]
    named = {run.spec.name: run for run in runs}
    maps, path = kept_maps(named, planes, out, parts, resolution=50, margin=0.1, device=options.device)
    summary = summarise(maps).extended(image_scores_of(runs, asked.images))
    names = list(groups(maps))
    print_table("Reproducibility, 95 % intervals", ["", *names], frame_rows(matrix_frame(summary.matrix, names)))
    print_table("By network", ["", *names], frame_rows(scores_frame(summary.scores, names)))
    paths = write_summary(path.with_suffix(""), maps, summary)
    say("\n".join(["Written:", *(f"  {written}" for written in [path, *paths])]))


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/training_modes.py", Options, main))
