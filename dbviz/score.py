"""python -m dbviz.score: how reproducible and how fragmented networks are, with intervals."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

from dbviz.console import file_name, output_directory, print_table, run_command, say
from dbviz.errors import InputError
from dbviz.options import TrainingOptions

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from dbviz.images import ImageSet
    from dbviz.regions import PlaneSet
    from dbviz.scores import Estimate

__all__ = ["ScoreOptions", "main"]

_TRIPLETS = {"quick": 50, "standard": 500, "paper": 500}


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(TrainingOptions):
    """Scores networks on many planes: reproducibility within and between architectures, and fragmentation.

    Trains and samples what is not there yet, or scores label-map files alone, without a model or a GPU.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")] = ()
    """Label-map files to score instead of training: .nc files of the same planes."""
    planes: Literal["triplet", "noise", "shuffled", "around"] = "triplet"
    """Through triplets of three classes, noise, triplets with shuffled pixels, or around one image."""
    triplets: int | None = None
    """How many planes. Default: 50 for quick, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    split: Literal["train", "test"] = "test"
    """Which images the planes go through."""
    resolution: int = 50
    """Points on each side of a plane."""
    margin: float = 0.1
    """How far a plane reaches beyond its three images, as a share of their bounding box's side."""
    inside: bool = False
    """Compare inside the triangle of the three images only."""
    connectivity: Literal[4, 8] = 8
    """Whether fragments touch at corners (8, as published) or at sides only (4)."""
    out: Path = Path("scores")
    """Where tables, figures and label maps are written."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("score", ScoreOptions, _score, argv)


def _score(options: ScoreOptions) -> None:
    out = output_directory(options.out)
    maps, name = _read(options) if options.files else _sampled(options, out)

    from dbviz.scores import fragmentation, reproducibility_matrix
    from dbviz.scores.reproducibility import groups

    archs = list(groups(maps))
    matrix = reproducibility_matrix(maps, inside=options.inside)
    pieces = fragmentation(maps, connectivity=options.connectivity)
    _print(maps, archs, matrix, pieces)
    _write(out / name, options, maps, archs, matrix, pieces)


def _read(options: ScoreOptions) -> tuple["xr.Dataset", str]:
    from dbviz.regions import combine, load

    maps = combine([load(path) for path in options.files])
    say(f"Scoring {maps.sizes['model']} models on {maps.sizes['plane']} planes from {len(options.files)} files.")
    return maps, "+".join(path.stem for path in options.files)[:100]


def _sampled(options: ScoreOptions, out: Path) -> tuple["xr.Dataset", str]:
    """The label maps of the runs asked for, trained and sampled where they are not there yet."""
    seeds = options.run_seeds()

    from dbviz.announcement import announce
    from dbviz.images import load_images
    from dbviz.regions import sample, save
    from dbviz.regions.files import load_if_equal
    from dbviz.regions.plane import check_grid
    from dbviz.regions.sampling import cost, provenance, short_identity
    from dbviz.runs import default_preset, fit_specs, make_specs
    from dbviz.store import home_directory
    from dbviz.training import choose_device

    device = choose_device(options.device)
    preset = options.preset or default_preset(device)
    count = _TRIPLETS[preset] if options.triplets is None else options.triplets
    if count < 2 or (len(seeds) < 2 and len(options.arch) < 2):
        raise InputError("scores need at least two planes (--triplets) and two runs (--seeds, --arch)")
    check_grid(options.resolution, options.margin)
    images = load_images(options.dataset, options.data_dir)
    specs = make_specs(options.arch, seeds, images=images, preset=preset, device=device, **options.changes())
    home = output_directory(home_directory(options.home))
    seconds = announce(specs, images, device, home, preset)
    runs = {run.spec.name: run for run in fit_specs(specs, images, device=device, home=home, seconds=seconds)}
    planes = _planes(options, images.split(options.split), count)
    wanted = provenance(runs, planes, options.resolution, options.margin)
    parts = [images.name, "+".join(options.arch), preset, options.planes, str(count)]
    name = file_name([*parts, short_identity(wanted)])
    path = out / f"{name}.nc"
    if (maps := load_if_equal(path, wanted, confidence=False)) is not None:
        say(f"Label maps of the same networks on the same planes found in {path}: not sampled again.")
        return maps, name
    say(f"Sampling {len(runs)} networks on {count} planes of {options.resolution} x {options.resolution} points.")
    grid = {"resolution": options.resolution, "margin": options.margin}
    maps = sample(runs, planes, **grid, device=options.device, progress=True)
    say(f"Sampled: {cost(maps)}.")
    save(maps, path)
    return maps, name


def _planes(options: ScoreOptions, images: "ImageSet", count: int) -> "PlaneSet":
    from dbviz.regions import draw_planes
    from dbviz.regions.off_manifold import draw_noise_planes, draw_planes_around, draw_shuffled_planes

    drawn = {
        "triplet": draw_planes,
        "noise": draw_noise_planes,
        "shuffled": draw_shuffled_planes,
        "around": draw_planes_around,
    }
    return drawn[options.planes](images, count, seed=options.triplet_seed)


def _print(maps: "xr.Dataset", archs: list[str], matrix: dict[Any, "Estimate"], pieces: dict[str, "Estimate"]) -> None:
    from dbviz.scores.published import published

    on = f"{maps.attrs['dataset']} {maps.attrs['split']}, {maps.sizes['plane']} planes"
    cells = [[arch, *(str(matrix.get((arch, other), "")) for other in archs)] for arch in archs]
    print_table(f"Reproducibility, {on}, 95 % intervals over planes and runs", ["", *archs], cells)
    rows = []
    for arch in archs:
        own = matrix.get((arch, arch))
        theirs = published(maps.attrs["dataset"], arch, arch)
        rows.append(
            [
                arch,
                str(int((maps.arch == arch).sum())),
                f"{float(maps.test_accuracy.where(maps.arch == arch).mean()):.2%}",
                str(own or ""),
                f"{theirs:.2f}" if theirs is not None else "",
                f"{own.value - theirs:+.2f}" if own and theirs is not None else "",
                str(pieces[arch]),
            ]
        )
    columns = ["", "runs", "test accuracy", "reproducibility", "published", "difference", "fragments of a plane"]
    print_table("By architecture (published: full networks, 100 epochs, 500 triplets)", columns, rows)
    for note in dict.fromkeys(e.note for e in [*matrix.values(), *pieces.values()] if e.note):
        say(f"Note: some intervals are {note}.")


def _write(
    stem: Path,
    options: ScoreOptions,
    maps: "xr.Dataset",
    archs: list[str],
    matrix: dict[Any, "Estimate"],
    pieces: dict[str, "Estimate"],
) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import json

    from dbviz.figures import plot_estimates, plot_matrix, save_figure
    from dbviz.results import write_result
    from dbviz.scores.tables import estimate_fields, matrix_csv, matrix_latex
    from dbviz.store import write_whole

    where = "inside the triangle" if options.inside else "on the whole grid"
    caption = f"Reproducibility {where}, {maps.attrs['dataset']}, {maps.sizes['plane']} planes, with 95 % intervals."
    write_whole(Path(f"{stem}.csv"), matrix_csv(matrix, archs, maps.attrs["dataset"]).encode())
    write_whole(Path(f"{stem}.tex"), matrix_latex(matrix, archs, caption.replace("%", r"\%")).encode())
    result = {
        "reproducibility": [{"archs": pair, **estimate_fields(e)} for pair, e in matrix.items() if pair[0] <= pair[1]],
        "fragmentation": {arch: estimate_fields(e) for arch, e in pieces.items()},
        "test_accuracy": {str(m): float(maps.test_accuracy.sel(model=m)) for m in maps.model.values},
        "specs": json.loads(maps.attrs["specs"]),
        "planes": maps.attrs["planes"],
    }
    write_result(Path(f"{stem}.json"), result)
    figures = {
        "matrix": plot_matrix(matrix, archs, label=f"reproducibility {where}"),
        "fragmentation": plot_estimates(pieces, label="fragments of a plane"),
    }
    paths = [save_figure(cast("Figure", ax.figure), Path(f"{stem}-{kind}.pdf")) for kind, ax in figures.items()]
    tables = [f"{stem}.{ending}" for ending in ("csv", "tex", "json")]
    say("\n".join(["Written:", *(f"  {path}" for path in [*tables, *paths])]))


if __name__ == "__main__":
    sys.exit(main())
