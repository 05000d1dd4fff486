"""The command `plot`: the decision regions of several networks under several seeds, on one plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import (
    DataOptions,
    ExecutorOptions,
    MachineOptions,
    NetworkOptions,
    OutputOptions,
    RecipeOptions,
    StreamOptions,
)
from dbviz.core.errors import InputError
from dbviz.core.paths import output_directory
from dbviz.core.terminal import print_table, say, say_written
from dbviz.spec import check_grid

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.cli.job import Job
    from dbviz.data import ImageSet
    from dbviz.planes import PlaneSet

__all__ = ["PlotOptions", "main"]

_RESOLUTION = {"quick": 160, "standard": 500, "paper": 500}


@dataclass(frozen=True, kw_only=True)
class PlaneOptions:
    """The plane, and the grid of points on it."""

    triplet: Annotated[tuple[int, ...], tyro.conf.arg(metavar="I J K")] = ()
    """Indices of the three images. Default: three of distinct classes, drawn by --triplet-seed."""
    triplet_seed: int = 0
    """Which triplet is drawn if --triplet is not given."""
    split: Literal["train", "test"] = "test"
    """Which images the triplet is taken from."""
    resolution: int | None = None
    """Points on each side of a panel. Default: 160 for quick, else 500."""
    padding: float = 0.5
    """How far a panel reaches beyond the three images, as a share of their bounding box's side."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_grid(2 if self.resolution is None else self.resolution, self.padding)


@dataclass(frozen=True, kw_only=True)
class StyleOptions:
    """How the figure looks."""

    shade: bool = False
    """Fade each point towards white as the network's confidence falls."""
    palette: Literal["petroff10", "paper"] = "petroff10"
    """petroff10 is safe for colour-blind readers; paper is that of Somepalli et al. 2022, which is not."""


@dataclass(frozen=True, kw_only=True)
class GivenNetworks:
    """Networks that were trained elsewhere."""

    weights: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE ...")] = ()
    """Draw the networks in these safetensors files instead of training; they are of the one --arch."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if len({path.stem for path in self.weights}) < len(self.weights):
            raise InputError("two --weights files have the same name: rename one, since panels are named by them")


@dataclass(frozen=True, kw_only=True)
class PlotOptions:
    """Draws the decision regions of networks on the plane through three images.

    Trains what is not trained yet. Rows are seeds, columns architectures.
    """

    networks: NetworkOptions = NetworkOptions()
    plane: PlaneOptions = PlaneOptions()
    output: OutputOptions = OutputOptions(out=Path("results/plot"))
    style: StyleOptions = StyleOptions()
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    given: GivenNetworks = GivenNetworks()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.given.weights and len(self.networks.arch) != 1:
            raise InputError(f"--weights goes with one --arch, {len(self.networks.arch)} are given")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command("python -m dbviz.plot", PlotOptions, _plot, argv)


def _plot(options: PlotOptions) -> None:
    out = output_directory(options.output.out)

    from dbviz.cli.execution import finished_runs, raise_failures, train_job
    from dbviz.cli.job import make_job
    from dbviz.cli.label_maps import sample_job
    from dbviz.core.results import write_result
    from dbviz.label_maps import save
    from dbviz.reports.provenance import label_map_fields

    job = make_job(options)
    images = job.images.split(options.plane.split)
    planes = _planes(options, images)
    failed = []
    if options.given.weights:
        models = _load_weights(options, job)
        names = list(models)
    else:
        failed = train_job(job)
        models = {spec.name: run for spec, run in finished_runs(job).items()}
        names = job.archs
    if not models:
        raise_failures(failed, len(job.specs))
    resolution = _RESOLUTION[job.preset] if options.plane.resolution is None else options.plane.resolution
    parts = [job.images.name, "+".join(names), job.preset, options.plane.split, *map(str, planes.triplets[0])]
    shade = options.style.shade
    grid = {"resolution": resolution, "padding": options.plane.padding, "confidence": shade, "refine": not shade}
    maps, path = sample_job(job, models, planes, out, parts, **grid)
    if options.given.weights and bool(maps.test_accuracy.isnull().any()):
        accuracies = [_test_accuracy(model, job.images.test) for model in models.values()]
        maps = maps.assign_coords(test_accuracy=("model", accuracies))
        save(maps, path)
    figure, agreement = _draw(maps, images, options, path.with_suffix(f".{options.output.format}"))
    numbers = {**label_map_fields(maps, path), **_report(maps, agreement)}
    say_written([figure, path, write_result(path.with_suffix(".json"), numbers, device=job.device)])
    raise_failures(failed, len(job.specs))


def _planes(options: PlotOptions, images: "ImageSet") -> "PlaneSet":
    from dbviz.planes import PlaneSet, draw_planes

    if options.plane.triplet:
        return PlaneSet.of(images, [options.plane.triplet])
    return draw_planes(images, 1, seed=options.plane.triplet_seed)


def _load_weights(options: PlotOptions, job: "Job") -> dict[str, Any]:
    """The networks of --weights, by their files' names."""
    from dbviz.core.files import load_weights
    from dbviz.models.build import construct

    arch, models = options.networks.arch[0], {}
    for path in options.given.weights:
        model = construct(arch, len(job.images.class_names), job.specs[0].width, job.images.image_shape)
        load_weights(model, path)
        models[path.stem] = model.to(job.device).eval()
    say(f"Drawing {len(models)} given networks, {arch}, on {job.device}; nothing is trained.")
    return models


def _test_accuracy(model: Any, test: "ImageSet") -> float:
    from dbviz.training import accuracy, logits

    return accuracy(logits(model, test, next(model.parameters()).device), test)


def _draw(maps: "xr.Dataset", images: "ImageSet", options: PlotOptions, path: Path) -> tuple[Path, dict[str, float]]:
    """Draws and saves the figure; its path, and the agreement of each network's seeds."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.figures import RegionDisplay, save_figure
    from dbviz.scores import mean_agreement, runs_by_network

    labels = maps.labels.isel(plane=0).values
    agreement = {name: mean_agreement(labels[runs]) for name, runs in runs_by_network(maps).items() if len(runs) > 1}
    display = RegionDisplay.from_maps(maps.isel(plane=0)).plot(
        palette=options.style.palette,
        shade=options.style.shade,
        thumbnails=images.pixels[maps.triplet.values[0]],
        agreement=agreement,
    )
    saved = save_figure(display.figure_, path)
    plt.close(display.figure_)
    return saved, agreement


def _report(maps: "xr.Dataset", agreement: dict[str, float]) -> dict[str, Any]:
    """Prints the table; returns the same numbers for the result file."""
    from dbviz.cli.tables import widths_of
    from dbviz.label_maps import environment_differences
    from dbviz.scores import networks

    rows, named = [], set()
    columns = zip(networks(maps), widths_of(maps), maps.seed.values, maps.test_accuracy.values, strict=True)
    for name, width, seed, accuracy in columns:
        agreed = f"{agreement[name]:.1%}" if name in agreement and name not in named else ""
        named.add(name)
        rows.append([name, width, str(seed), f"{accuracy:.2%}" if accuracy == accuracy else "", agreed])
    title = f"{maps.attrs['dataset']} {maps.attrs['split']}, triplet {' '.join(map(str, maps.triplet.values[0]))}"
    print_table(title, ["network", "width", "seed", "test accuracy", "agreement of its seeds on this plane"], rows)
    differences = environment_differences(maps)
    report_environment_differences(differences)
    return {
        "test_accuracy": {str(m): float(maps.test_accuracy.sel(model=m)) for m in maps.model.values},
        "agreement": agreement,
        "environment_differences": differences,
    }
