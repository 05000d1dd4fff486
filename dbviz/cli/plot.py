"""The command `plot`: the decision regions of several networks under several seeds, on one plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import TrainingOptions
from dbviz.core.errors import InputError
from dbviz.core.paths import output_directory
from dbviz.core.terminal import print_table, say

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.cli.job import Wanted
    from dbviz.data import ImageSet

__all__ = ["PlotOptions", "main"]

_RESOLUTION = {"quick": 160, "standard": 500, "paper": 500}


@dataclass(frozen=True, kw_only=True)
class PlotOptions(TrainingOptions):
    """Draws the decision regions of networks on the plane through three images.

    Trains what is not trained yet. Rows are seeds, columns architectures.
    """

    triplet: Annotated[tuple[int, ...], tyro.conf.arg(metavar="I J K")] = ()
    """Indices of the three images. Default: three of distinct classes, drawn by --triplet-seed."""
    triplet_seed: int = 0
    """Which triplet is drawn where --triplet names none."""
    split: Literal["train", "test"] = "test"
    """Which images the triplet is taken from."""
    resolution: int | None = None
    """Points on each side of a panel. Default: 160 for quick, else 500."""
    padding: float = 0.5
    """How far a panel reaches beyond the three images, as a share of their bounding box's side."""
    weights: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE ...")] = ()
    """Draw these safetensors files, trained elsewhere, instead of training; for the one --arch."""
    shade: bool = False
    """Fade each point towards white as the network's confidence falls."""
    palette: Literal["petroff10", "paper"] = "petroff10"
    """petroff10 is safe for colour-blind readers; paper is that of Somepalli et al. 2022, which is not."""
    format: Literal["png", "pdf", "svg"] = "png"
    """The figure's format."""
    out: Path = Path("figures")
    """Where the figure, its label maps and its numbers are written."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("python -m dbviz.plot", PlotOptions, _plot, argv)


def _plot(options: PlotOptions) -> None:
    out = output_directory(options.out)

    from dbviz.cli.job import fit_wanted, wanted
    from dbviz.cli.load_or_sample import load_or_sample
    from dbviz.core.results import write_result
    from dbviz.label_maps import save
    from dbviz.planes.plane import check_grid
    from dbviz.planes.plane_set import PlaneSet, draw_planes

    asked = wanted(options)
    images = asked.images
    resolution = _RESOLUTION[asked.preset] if options.resolution is None else options.resolution
    check_grid(resolution, options.padding)
    corners = images.split(options.split)
    planes = (
        PlaneSet.of(corners, [options.triplet])
        if options.triplet
        else draw_planes(corners, 1, seed=options.triplet_seed)
    )
    models = _given(options, asked) if options.weights else {run.spec.name: run for run in fit_wanted(asked, options)}
    drawn = models if options.weights else options.arch
    parts = [images.name, "+".join(drawn), asked.preset, options.split, *map(str, planes.triplets[0])]
    grid = {
        "resolution": resolution,
        "padding": options.padding,
        "confidence": options.shade,
        "refine": not options.shade,
    }
    maps, path = load_or_sample(models, planes, out, parts, **grid, device=options.device)
    if options.weights and bool(maps.test_accuracy.isnull().any()):
        maps = maps.assign_coords(test_accuracy=("model", [_test_accuracy(m, images.test) for m in models.values()]))
        save(maps, path)
    figure, agreement = _draw(maps, corners, options, path.with_suffix(f".{options.format}"))
    numbers = write_result(
        path.with_suffix(".json"), {"label_maps": path.name, **_report(maps, agreement)}, device=asked.device
    )
    say(f"Figure:     {figure}\nLabel maps: {path}\nNumbers:    {numbers}")


def _given(options: PlotOptions, asked: "Wanted") -> dict[str, Any]:
    """The networks of --weights, by their files' names."""
    from dbviz.core.files import load_weights
    from dbviz.models.build import construct

    if len(options.arch) != 1:
        raise InputError(f"--weights goes with one --arch, {len(options.arch)} are given")
    if len({path.stem for path in options.weights}) < len(options.weights):
        raise InputError("two --weights files have the same name: rename one, since panels are named by them")
    models = {}
    for path in options.weights:
        classes, shape = len(asked.images.class_names), asked.images.image_shape
        model = construct(options.arch[0], classes, asked.specs[0].width, shape)
        load_weights(model, path)
        models[path.stem] = model.to(asked.device).eval()
    say(f"Drawing {len(models)} given networks, {options.arch[0]}, on {asked.device}; nothing is trained.")
    return models


def _test_accuracy(model: Any, test: "ImageSet") -> float:
    from dbviz.training import accuracy, logits

    return accuracy(logits(model, test, next(model.parameters()).device), test)


def _draw(maps: "xr.Dataset", corners: "ImageSet", options: PlotOptions, path: Path) -> tuple[Path, dict[str, float]]:
    """Draws and saves the figure; its path, and the agreement of each network's seeds."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.figures import RegionDisplay, save_figure
    from dbviz.scores import mean_agreement, runs_by_network

    labels = maps.labels.isel(plane=0).values
    agreement = {name: mean_agreement(labels[runs]) for name, runs in runs_by_network(maps).items() if len(runs) > 1}
    display = RegionDisplay.from_maps(maps.isel(plane=0)).plot(
        palette=options.palette,
        shade=options.shade,
        thumbnails=corners.pixels[maps.triplet.values[0]],
        agreement=agreement,
    )
    saved = save_figure(display.figure_, path)
    plt.close(display.figure_)
    return saved, agreement


def _report(maps: "xr.Dataset", agreement: dict[str, float]) -> dict[str, Any]:
    """Prints the table; the same numbers for the result file."""
    from dbviz.label_maps import environment_differences
    from dbviz.scores import networks

    rows, first_of = [], set()
    for name, seed, accuracy in zip(networks(maps), maps.seed.values, maps.test_accuracy.values, strict=True):
        agreed = f"{agreement[name]:.1%}" if name in agreement and name not in first_of else ""
        first_of.add(name)
        rows.append([name, str(seed), f"{accuracy:.2%}" if accuracy == accuracy else "", agreed])
    planes = "triplet " + " ".join(map(str, maps.triplet.values[0]))
    print_table(
        f"{maps.attrs['dataset']} {maps.attrs['split']}, {planes}",
        ["network", "seed", "test accuracy", "agreement of its seeds on this plane"],
        rows,
    )
    found = environment_differences(maps)
    report_environment_differences(found)
    return {
        "environment_differences": found,
        "test_accuracy": {str(m): float(maps.test_accuracy.sel(model=m)) for m in maps.model.values},
        "agreement": agreement,
    }
