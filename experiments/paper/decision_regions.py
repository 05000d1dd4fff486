"""Decision regions of every architecture under several seeds: Somepalli et al. 2022, Figs. 1 and 3.

One figure for each triplet of test images: rows are seeds, columns are architectures. A table has the share of each
plane on which the seeds of an architecture agree.

Paper:     The regions of one architecture look alike under every seed, those of different architectures do not; fcnet,
           vit and mlp_mixer differ from the convolutional networks. Full networks, 100 epochs, 500 x 500 points.
Hardware:  A CPU with `--preset quick` (narrow networks, few epochs), a GPU with `standard` or `paper`.
Time:      Expected: about an hour of one CPU core for the seven architectures under three seeds with `quick`.
Expected:  The paper's finding in kind; no result of this script is in the repository. The image on the front page was
           drawn by `python -m dbviz.plot --arch resnet18 vit mlp_mixer` with `quick`.

    python experiments/paper/decision_regions.py --preset quick
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from dbviz.cli.comparison import compare
from dbviz.cli.console import run_command
from dbviz.cli.options import ComparisonOptions, NetworkOptions, OutputOptions, TripletOptions
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say_written
from dbviz.figures import RegionDisplay, save_figure
from dbviz.reports.tables import frame_rows
from dbviz.scores import plane_agreement


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Draws decision regions of architectures (columns) under seeds (rows), a figure a triplet."""

    networks: NetworkOptions = NetworkOptions(
        arch=("fcnet", "vit", "mlp_mixer", "vgg19", "resnet18", "densenet121", "wideresnet28_10")
    )
    planes: TripletOptions = TripletOptions(triplets=3)
    output: OutputOptions = OutputOptions(out=Path("experiments/results/decision_regions"))
    resolution: int = 160
    """Points on each side of a panel; 500 as published."""


def main(options: Options) -> None:
    compared = compare("decision_regions", options, resolution=options.resolution, padding=0.5, refine=True)
    maps, planes, path = compared.maps, compared.planes, compared.path

    agreement = plane_agreement(maps)
    table = pd.DataFrame(agreement, index=[" ".join(map(str, triplet)) for triplet in planes.triplets])
    if len(agreement):
        rows = frame_rows(table.map("{:.1%}".format))
        print_table("Share of points on which the seeds agree", ["triplet", *table.columns], rows)
    table.to_csv(path.with_suffix(".csv"), index_label="triplet", float_format="%.4f")
    figures = []
    for plane in range(len(planes)):
        of_plane = {name: float(values[plane]) for name, values in agreement.items()}
        thumbnails = compared.job.images.test.pixels[planes.triplets[plane]]
        display = RegionDisplay.from_maps(maps.isel(plane=plane)).plot(thumbnails=thumbnails, agreement=of_plane)
        figures.append(save_figure(display.figure_, path.with_name(f"{path.stem}-{plane}.{options.output.format}")))
    result = {
        "agreement": {name: values.tolist() for name, values in agreement.items()},
        "triplets": planes.triplets.tolist(),
        "test_accuracy": {run.spec.name: run.test_accuracy for run in compared.runs},
        "specs": json.loads(maps.attrs["specs"]),
    }
    numbers = write_result(path.with_suffix(".json"), result, device=compared.job.device)
    say_written([path, numbers, path.with_suffix(".csv"), *figures])


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/decision_regions.py", Options, main))
