"""python -m dbviz.plot: the decision regions of several networks under several seeds, on one plane."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dbviz.console import file_name, output_directory, print_table, run_command, say
from dbviz.errors import InputError
from dbviz.options import TrainingOptions

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.images import Images, ImageSet
    from dbviz.regions import PlaneSet
    from dbviz.spec import RunSpec

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
    margin: float = 0.5
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
    return run_command("plot", PlotOptions, _plot, argv)


def _plot(options: PlotOptions) -> None:
    seeds = options.run_seeds()
    out = output_directory(options.out)

    from dbviz.images import load_images
    from dbviz.regions.plane import check_grid
    from dbviz.regions.planeset import PlaneSet, draw_planes
    from dbviz.regions.sampling import provenance, short_identity
    from dbviz.results import write_result
    from dbviz.runs import default_preset, make_specs
    from dbviz.training import choose_device

    device = choose_device(options.device)
    preset = options.preset or default_preset(device)
    resolution = _RESOLUTION[preset] if options.resolution is None else options.resolution
    check_grid(resolution, options.margin)
    images = load_images(options.dataset, options.data_dir)
    specs = make_specs(options.arch, seeds, images=images, preset=preset, device=device, **options.changes())
    corners = images.split(options.split)
    planes = (
        PlaneSet.of(corners, [options.triplet])
        if options.triplet
        else draw_planes(corners, 1, seed=options.triplet_seed)
    )
    models = (
        _given(options, specs, images, device) if options.weights else _trained(options, specs, images, device, preset)
    )
    wanted = provenance(models, planes, resolution, options.margin)
    drawn = models if options.weights else options.arch
    parts = [images.name, "+".join(drawn), preset, options.split, *map(str, planes.triplets[0])]
    name = file_name([*parts, short_identity(wanted)])
    maps = _label_maps(models, planes, images.test, options, wanted, out / f"{name}.nc")
    figure, agreement = _draw(maps, corners, options, out / f"{name}.{options.format}")
    numbers = _report(maps, agreement)
    write_result(out / f"{name}.json", {"label_maps": f"{name}.nc", **numbers}, device=device)
    say(f"Figure:     {figure}\nLabel maps: {out / f'{name}.nc'}\nNumbers:    {out / f'{name}.json'}")


def _trained(
    options: PlotOptions, specs: list["RunSpec"], images: "Images", device: Any, preset: str
) -> dict[str, Any]:
    """The runs asked for, by their names."""
    from dbviz.announcement import announce
    from dbviz.runs import fit_specs
    from dbviz.store import home_directory

    home = output_directory(home_directory(options.home))
    seconds = announce(specs, images, device, home, preset)
    runs = fit_specs(specs, images, device=device, home=home, seconds=seconds)
    return {run.spec.name: run for run in runs}


def _given(options: PlotOptions, specs: list["RunSpec"], images: "Images", device: Any) -> dict[str, Any]:
    """The networks of --weights, by their files' names."""
    from dbviz.models.build import construct
    from dbviz.store import load_weights

    if len(options.arch) != 1:
        raise InputError(f"--weights goes with one --arch, {len(options.arch)} are given")
    if len({path.stem for path in options.weights}) < len(options.weights):
        raise InputError("two --weights files have the same name: rename one, since panels are named by them")
    models = {}
    for path in options.weights:
        model = construct(options.arch[0], len(images.class_names), specs[0].width, images.image_shape)
        load_weights(model, path)
        models[path.stem] = model.to(device).eval()
    say(f"Drawing {len(models)} given networks, {options.arch[0]}, on {device}; nothing is trained.")
    return models


def _label_maps(
    models: dict[str, Any],
    planes: "PlaneSet",
    test: "ImageSet",
    options: PlotOptions,
    wanted: dict[str, Any],
    path: Path,
) -> "xr.Dataset":
    """The label maps: those of an earlier, equal call if they are there, else sampled now and saved."""
    from dbviz.regions import sample, save
    from dbviz.regions.files import load_if_equal
    from dbviz.regions.sampling import cost

    resolution = wanted["resolution"]
    if (found := load_if_equal(path, wanted, confidence=options.shade)) is not None:
        say(f"Label maps of the same networks on the same plane found in {path}: not sampled again.")
        return found
    say(f"Sampling {len(models)} x {resolution} x {resolution} points.")
    grid = {"resolution": resolution, "margin": options.margin}
    shaded = {"confidence": options.shade, "refine": not options.shade}  # shading needs every point
    maps = sample(models, planes, **grid, **shaded, device=options.device, progress=True)
    say(f"Sampled: {cost(maps)}.")
    if options.weights:
        maps = maps.assign_coords(test_accuracy=("model", [_test_accuracy(model, test) for model in models.values()]))
    save(maps, path)
    return maps


def _test_accuracy(model: Any, test: "ImageSet") -> float:
    from dbviz.training import accuracy, logits

    return accuracy(logits(model, test, next(model.parameters()).device), test)


def _draw(maps: "xr.Dataset", corners: "ImageSet", options: PlotOptions, path: Path) -> tuple[Path, dict[str, float]]:
    """Draws and saves the figure; its path, and the agreement of each architecture's seeds."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.figures import RegionDisplay, save_figure
    from dbviz.scores import mean_agreement

    agreement = {
        str(arch): mean_agreement(group.labels.isel(plane=0).values)
        for arch, group in maps.groupby("arch")
        if group.sizes["model"] > 1
    }
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
    rows, first_of = [], set()
    for model in maps.model.values:
        one = maps.sel(model=model)
        arch, accuracy = str(one.arch.values), float(one.test_accuracy)
        agreed = f"{agreement[arch]:.1%}" if arch in agreement and arch not in first_of else ""
        first_of.add(arch)
        rows.append([arch, str(one.seed.values), f"{accuracy:.2%}" if accuracy == accuracy else "", agreed])
    planes = "triplet " + " ".join(map(str, maps.triplet.values[0]))
    print_table(
        f"{maps.attrs['dataset']} {maps.attrs['split']}, {planes}",
        ["architecture", "seed", "test accuracy", "agreement of its seeds on this plane"],
        rows,
    )
    return {
        "test_accuracy": {str(m): float(maps.test_accuracy.sel(model=m)) for m in maps.model.values},
        "agreement": agreement,
    }


if __name__ == "__main__":
    sys.exit(main())
