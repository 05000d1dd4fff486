"""On and off the images, from triplets of test images to uniform noise: Somepalli et al. 2022, Fig. 2 and section 3.

The question: do networks agree only near the images they were trained on, or everywhere? For each kind of plane
(through images of three classes, through images of one class, around one image, through images with shuffled pixels,
through uniform noise) a figure of the first seed's regions on one plane, and every score with its interval.

Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      8 min 11 s from the first label maps to the last, that is for four of the five kinds of planes (9 networks on
           40 planes of 50 x 50 points), while other work used the same cores; the trainings are not recorded.
Result:    `quick`, 3 seeds, 10 planes of each kind. Reproducibility through images, shuffled images and noise: resnet18
           0.73, 0.69, 0.73; vit 0.66, 0.54, 0.31; fcnet 0.76, 0.67, 0.55. Beyond chance (kappa) it falls for all three:
           resnet18 0.63, 0.14, 0.10; vit 0.53, 0.29, 0.17; fcnet 0.65, 0.50, 0.22. Intervals off the images are wide.
Files:     experiments/results/off_manifold/

    python experiments/paper/off_manifold.py --preset quick --arch resnet18 vit fcnet --seeds 0-2 --triplets 10
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from dbviz.cli.console import run_command
from dbviz.cli.execution import train_runs
from dbviz.cli.job import make_job
from dbviz.cli.label_maps import sample_job
from dbviz.cli.options import ComparisonOptions, NetworkOptions, OutputOptions, TripletOptions
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

_ROW_LABELS = {
    "images": "three classes",
    "one class": "one class",
    "around": "around one image",
    "shuffled": "shuffled pixels",
    "noise": "uniform noise",
}
"""Every kind of plane, and the label of its row in the figure."""


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Scores networks on planes through images, around one image, through shuffled images and through noise."""

    networks: NetworkOptions = NetworkOptions(arch=("resnet18", "vit", "fcnet"))
    planes: TripletOptions = TripletOptions(triplets=100)
    output: OutputOptions = OutputOptions(out=Path("experiments/results/off_manifold"))


def planes_of(kind: str, images: ImageSet, options: Options) -> PlaneSet:
    """As many planes of one kind as `options` ask for."""
    draw = {
        "images": draw_planes,
        "one class": lambda *a, **k: draw_planes(*a, **k, one_class=True),
        "around": draw_planes_around,
        "shuffled": draw_shuffled_planes,
        "noise": draw_noise_planes,
    }[kind]
    return draw(images, options.planes.triplets, seed=options.planes.triplet_seed)


def main(options: Options) -> None:
    out = output_directory(options.output.out)
    job = make_job(options)
    runs = train_runs(job)
    table, maps_by_kind, numbers, written = {}, {}, {}, []
    for kind in _ROW_LABELS:
        planes = planes_of(kind, job.images.test, options)
        parts = ["off_manifold", kind, job.images.name, job.preset, str(len(planes))]
        maps, path = sample_job(job, runs, planes, out, parts)
        summary = summarise(maps)
        for score in ("reproducibility", "beyond chance (kappa)", "fragments of a plane"):
            estimates = summary.scores.get(score, {})
            table[f"{kind}: {score}"] = {name: str(estimate) for name, estimate in estimates.items()}
        maps_by_kind[kind], numbers[kind] = maps, summary_fields(maps, summary)
        written.append(path)
    frame = pd.DataFrame.from_dict(table, orient="index").fillna("")
    print_table("On and off the images, 95 % intervals", ["", *frame.columns], frame_rows(frame))
    stem = out / f"off_manifold-{job.images.name}-{job.preset}-{len(planes)}"
    written.append(save_figure(side_by_side(maps_by_kind), Path(f"{stem}.{options.output.format}")))
    written.append(write_result(Path(f"{stem}.json"), {"by_kind": numbers}, device=job.device))
    written.append(Path(f"{stem}.csv"))
    atomic_write(written[-1], frame.to_csv(index_label="planes: score").encode())
    say_written(written)


def side_by_side(maps_by_kind: dict[str, xr.Dataset]) -> Figure:
    """Each network's first run (columns) on the first plane of each kind (rows)."""
    first = {name: int(runs[0]) for name, runs in runs_by_network(next(iter(maps_by_kind.values()))).items()}
    size = (1.7 * len(first) + 0.6, 1.75 * len(maps_by_kind) + 0.6)
    figure, axes = plt.subplots(len(maps_by_kind), len(first), squeeze=False, figsize=size, layout="constrained")
    for row, (kind, maps) in enumerate(maps_by_kind.items()):
        display = RegionDisplay.from_maps(maps.isel(plane=0, model=list(first.values()))).plot(axes[row])
        axes[row, 0].set_ylabel(_ROW_LABELS[kind], fontsize=8)
        for column, name in enumerate(first):
            axes[row, column].set_title(name if row == 0 else "", fontsize=8)
    across = "distance along image 1 → image 2, and across it, in normalised pixels"
    axes[-1, len(first) // 2].set_xlabel(across, fontsize=7)
    names = display.class_names
    draw_legend(figure, names, class_colours(len(names)), range(len(names)))
    return figure


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/off_manifold.py", Options, main))
