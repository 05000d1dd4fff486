"""On the images, among their shuffled pixels, in noise: Somepalli et al. 2022, Fig. 2 and its section 3.

Their question: is the agreement of networks a matter of the images they were trained on, or of all of space? For each
kind of plane: a figure of the first seed's regions on one plane, and every score with its interval.

    python experiments/off_manifold.py --preset quick --arch resnet18 vit fcnet --seeds 0-2
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from dbviz.cli.comparison import sample_compared
from dbviz.cli.console import run_command
from dbviz.cli.job import fit_wanted, wanted
from dbviz.cli.options import ComparisonOptions
from dbviz.core.files import atomic_write
from dbviz.core.paths import output_directory
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say_written
from dbviz.data import ImageSet
from dbviz.figures import RegionDisplay, class_colours, draw_legend, save_figure
from dbviz.planes import PlaneSet, draw_planes
from dbviz.planes.off_manifold import draw_noise_planes, draw_planes_around, draw_shuffled_planes
from dbviz.reports.summary import summary_fields
from dbviz.reports.tables import frame_rows
from dbviz.scores import runs_by_network, summarise

_SAID = {
    "images": "three classes",
    "one class": "one class",
    "around": "around one image",
    "shuffled": "shuffled pixels",
    "noise": "uniform noise",
}
"""Every kind of plane, and what its row is called."""


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Scores networks on planes through images, around one image, through shuffled images and through noise."""

    arch: tuple[str, ...] = ("resnet18", "vit", "fcnet")
    triplets: int = 100
    """How many planes of each kind."""


def planes_of(kind: str, images: ImageSet, options: Options) -> PlaneSet:
    draw = {
        "images": draw_planes,
        "one class": lambda *a, **k: draw_planes(*a, **k, one_class=True),
        "around": draw_planes_around,
        "shuffled": draw_shuffled_planes,
        "noise": draw_noise_planes,
    }[kind]
    return draw(images, options.triplets, seed=options.triplet_seed)


def main(options: Options) -> None:
    out = output_directory(options.out)
    asked = wanted(options)
    runs = fit_wanted(asked, options)
    table, drawn, numbers, written = {}, {}, {}, []
    for kind in _SAID:
        planes = planes_of(kind, asked.images.test, options)
        maps, path = sample_compared(["off_manifold", kind], runs, planes, asked, options)
        summary = summarise(maps)
        for score in ("reproducibility", "beyond chance (kappa)", "fragments of a plane"):
            table[f"{kind}: {score}"] = {name: str(e) for name, e in summary.scores.get(score, {}).items()}
        drawn[kind], numbers[kind] = maps, summary_fields(maps, summary)
        written.append(path)
    frame = pd.DataFrame.from_dict(table, orient="index").fillna("")
    print_table("On and off the images, 95 % intervals", ["", *frame.columns], frame_rows(frame))
    stem = out / f"off_manifold-{asked.images.name}-{asked.preset}-{len(planes)}"
    written.append(save_figure(side_by_side(drawn), Path(f"{stem}.png")))
    written.append(write_result(Path(f"{stem}.json"), {"by_kind": numbers}, device=asked.device))
    written.append(Path(f"{stem}.csv"))
    atomic_write(written[-1], frame.to_csv(index_label="planes: score").encode())
    say_written(written)


def side_by_side(drawn: dict[str, xr.Dataset]) -> Figure:
    """Each network's first run (columns) on the first plane of each kind (rows)."""
    first = {name: int(runs[0]) for name, runs in runs_by_network(next(iter(drawn.values()))).items()}
    size = (1.7 * len(first) + 0.6, 1.75 * len(drawn) + 0.6)
    figure, axes = plt.subplots(len(drawn), len(first), squeeze=False, figsize=size, layout="constrained")
    for row, (kind, maps) in enumerate(drawn.items()):
        display = RegionDisplay.from_maps(maps.isel(plane=0, model=list(first.values()))).plot(axes[row])
        axes[row, 0].set_ylabel(_SAID[kind], fontsize=8)
        for column, name in enumerate(first):
            axes[row, column].set_title(name if row == 0 else "", fontsize=8)
    across = "distance along image 1 → image 2, and across it, in normalised pixels"
    axes[-1, len(first) // 2].set_xlabel(across, fontsize=7)
    names = display.class_names
    draw_legend(figure, names, class_colours(len(names)), range(len(names)))
    return figure


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/off_manifold.py", Options, main))
