"""The command `score`: how reproducible and how fragmented networks are, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import TrainingOptions
from dbviz.core.errors import InputError
from dbviz.core.paths import output_directory
from dbviz.core.terminal import print_table, say, say_written

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.cli.job import Wanted
    from dbviz.data import Images
    from dbviz.planes import PlaneSet
    from dbviz.runs import Run
    from dbviz.scores import Summary

__all__ = ["ScoreOptions", "main"]

_TRIPLETS = {"quick": 50, "standard": 500, "paper": 500}


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(TrainingOptions):
    """Scores networks on many planes: reproducibility within and between them, fragmentation, churn.

    Trains and samples what is not there yet, or scores label-map files alone, without a model or a GPU.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")] = ()
    """Label-map files to score instead of training: .nc files of the same planes."""
    planes: Literal["triplet", "noise", "shuffled", "around"] = "triplet"
    """Through triplets of images, noise, triplets with shuffled pixels, or around one image."""
    corners: Literal["distinct", "one-class"] = "distinct"
    """For --planes triplet: three images of distinct classes, or of one class."""
    among: Literal["all", "correct", "mislabelled"] = "all"
    """For --planes triplet under --label-noise: training images that are labelled right or wrong."""
    direction: Literal["random", "adversarial"] = "random"
    """For --planes around: both directions random, or one up the loss of the first network."""
    triplets: int | None = None
    """How many planes. Default: 50 for quick, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    split: Literal["train", "test"] = "test"
    """Which images the planes go through."""
    resolution: int = 50
    """Points on each side of a plane."""
    padding: float = 0.1
    """How far a plane reaches beyond its three images, as a share of their bounding box's side."""
    inside: bool = False
    """Fill the matrix from points inside the triangle of the three images only."""
    connectivity: Literal[4, 8] = 8
    """Whether fragments touch at corners (8, as published) or at sides only (4)."""
    floor: bool = False
    """Train each run once more with one initial weight multiplied by 1.001, and print the share of points on which the
    two differ, beside that on which two seeds differ."""
    convergence: bool = False
    """Also sample at twice the resolution, and print the fragments found at half, full and double."""
    margins: int = 0
    """Also measure how far so many images of --split are from the nearest change of label, along ten directions."""
    along: Literal["random", "images"] = "random"
    """For --margins: directions at random, or towards other images."""
    half_width: float | None = None
    """Print how many runs and triplets would give each reproducibility an interval of this half-width."""
    out: Path = Path("scores")
    """Where tables, figures and label maps are written."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("python -m dbviz.score", ScoreOptions, _score, argv)


def _score(options: ScoreOptions) -> None:
    if options.files and (options.floor or options.convergence or options.margins):
        raise InputError(
            "--floor, --convergence and --margins need the networks: leave them out where FILEs are scored"
        )
    if options.among != "all" and (not options.label_noise or options.split != "train" or options.planes != "triplet"):
        raise InputError("--among goes with --label-noise, --split train and --planes triplet")
    out = output_directory(options.out)
    scored = _read(options) if options.files else _sampled(options, out)

    import matplotlib as mpl

    mpl.use("agg")
    from dbviz.reports.summary import write_summary
    from dbviz.scores import runs_by_network, summarise

    summary = summarise(scored.maps, inside=options.inside, connectivity=options.connectivity)
    names = list(runs_by_network(scored.maps))
    summary = summary.with_scores(scored.also)
    _print(scored.maps, names, summary)
    where = "inside the triangle" if options.inside else "on the whole grid"
    paths = write_summary(out / scored.name, scored.maps, summary, where=where)
    say_written(paths)
    if options.half_width is not None:
        _print_plans(summary, options.half_width)


@dataclass(frozen=True)
class _Scored:
    """Label maps, what their files are called, and scores that label maps cannot give."""

    maps: "xr.Dataset"
    name: str
    also: dict[str, Any]


def _read(options: ScoreOptions) -> _Scored:
    from dbviz.label_maps import combine, load

    maps = combine([load(path) for path in options.files])
    say(f"Scoring {maps.sizes['model']} models on {maps.sizes['plane']} planes from {len(options.files)} files.")
    return _Scored(maps, "+".join(path.stem for path in options.files)[:100], {})


def _sampled(options: ScoreOptions, out: Path) -> _Scored:
    """The label maps of the runs asked for, trained and sampled where they are not there yet."""
    from dbviz.cli.job import fit_wanted, image_scores_of, nudged, wanted
    from dbviz.planes.plane import check_grid

    asked = wanted(options)
    count = _TRIPLETS[asked.preset] if options.triplets is None else options.triplets
    if count < 2 or len(asked.specs) < 2:
        raise InputError("scores need at least two planes (--triplets) and two runs (--seeds, --arch)")
    if options.half_width is not None and len(options.run_seeds()) < 3:
        raise InputError("--half-width plans from how runs vary: give at least three --seeds")
    check_grid(options.resolution, options.padding)
    runs = fit_wanted(asked, options, also=nudged(asked.specs) if options.floor else [])
    planes = _planes(options, asked.images, count, runs)
    maps, path = _maps(runs, planes, options, asked, out, options.resolution)
    also = image_scores_of(runs[: len(asked.specs)], asked.images)
    if options.convergence:
        from dbviz.scores import convergence

        fine, _ = _maps(runs[: len(asked.specs)], planes, options, asked, out, 2 * options.resolution - 1)
        for name, counts in convergence(fine, connectivity=options.connectivity).items():
            for points, estimate in counts.items():
                also.setdefault(f"fragments at {points} x {points}", {})[name] = estimate
    if options.margins:
        also |= _margins(runs[: len(asked.specs)], asked.images, options)
    return _Scored(maps, path.stem, also)


def _maps(
    runs: Sequence["Run"], planes: "PlaneSet", options: ScoreOptions, asked: "Wanted", out: Path, resolution: int
) -> tuple["xr.Dataset", Path]:
    from dbviz.cli.load_or_sample import load_or_sample

    named = {run.spec.name: run for run in runs}
    parts = [asked.images.name, "+".join(options.arch), asked.preset, options.planes, str(len(planes))]
    return load_or_sample(
        named, planes, out, parts, resolution=resolution, padding=options.padding, device=options.device
    )


def _planes(options: ScoreOptions, images: "Images", count: int, runs: Sequence["Run"]) -> "PlaneSet":
    from dbviz.planes import draw_planes
    from dbviz.planes.off_manifold import (
        adversarial_direction,
        draw_noise_planes,
        draw_planes_around,
        draw_shuffled_planes,
    )

    corners, seed = images.split(options.split), options.triplet_seed
    if options.planes == "triplet":
        among = None if options.among == "all" else _labelled(runs, options.among == "mislabelled", len(corners))
        return draw_planes(corners, count, seed=seed, one_class=options.corners == "one-class", among=among)
    if options.planes == "around":
        direction = adversarial_direction(runs[0].model()) if options.direction == "adversarial" else None
        return draw_planes_around(corners, count, seed=seed, direction=direction)
    return {"noise": draw_noise_planes, "shuffled": draw_shuffled_planes}[options.planes](corners, count, seed=seed)


def _margins(runs: Sequence["Run"], images: "Images", options: ScoreOptions) -> dict[str, Any]:
    """The median margin of each network, for all images and for those it classifies right."""
    from dbviz.margins import measure_margins
    from dbviz.scores import median_margin

    measured = measure_margins(
        runs,
        images.split(options.split).first(options.margins),
        along=options.along,
        device=options.device,
        progress=True,
    )
    chosen = {"all images": None, "correctly classified": measured.correct}
    found = {}
    for name, mask in chosen.items():
        try:
            found[f"median margin, {name}"] = median_margin(measured, mask=mask)
        except InputError as error:  # a poor network may have too few images that it classifies right
            say(f"Note: no median margin of {name}: {error}.")
    return found


def _labelled(runs: Sequence["Run"], wrong: bool, images: int) -> Any:
    """Which training images the first run with label noise was given a wrong label for, or a right one."""
    import numpy as np

    noisy = [labels for run in runs if (labels := run.training_labels()) is not None]
    if not noisy:
        raise InputError("no network is trained with label noise: --among needs a --label-noise above 0")
    chosen = np.zeros(images, bool)
    flags = noisy[0][1].numpy()
    chosen[: len(flags)] = flags if wrong else ~flags
    return chosen


def _print(maps: "xr.Dataset", names: list[str], summary: "Summary") -> None:
    from dbviz.label_maps import environment_differences
    from dbviz.reports.published import published
    from dbviz.reports.tables import frame_rows, matrix_frame, scores_frame
    from dbviz.scores import runs_by_network

    on = f"{maps.attrs['dataset']} {maps.attrs['split']}, {maps.sizes['plane']} planes"
    matrix = matrix_frame(summary.matrix, names)
    print_table(f"Reproducibility, {on}, 95 % intervals over planes and runs", ["", *names], frame_rows(matrix))
    runs = ["runs", *(str(len(found)) for found in runs_by_network(maps).values())]
    rows = [runs, *frame_rows(scores_frame(summary.scores, names))]
    theirs = {name: published(maps.attrs["dataset"], name, name) for name in names}
    if any(theirs.values()):
        ours = summary.scores.get("reproducibility", {})
        rows.append(["published (full networks, 100 epochs)", *(_shown(theirs[name], "") for name in names)])
        rows.append(["difference from it", *(_difference(ours.get(name), theirs[name]) for name in names)])
    print_table("By network, 95 % intervals", ["", *names], rows)
    for note in summary.notes:
        say(f"Note on some intervals: {note}.")
    report_environment_differences(environment_differences(maps))


def _shown(value: float | None, sign: str) -> str:
    return "" if value is None else f"{value:{sign}.2f}"


def _difference(ours: Any, theirs: float | None) -> str:
    return "" if ours is None or theirs is None else f"{ours.value - theirs:+.2f}"


def _print_plans(summary: "Summary", half_width: float) -> None:
    from dbviz.scores import plan

    for name, pilot in summary.scores.get("reproducibility", {}).items():
        found = plan(pilot, half_width)
        say(
            f"{name}: {found.runs} runs on {found.items} {found.item} should give its reproducibility "
            f"a half-width of {found.half_width:.3f}."
        )
