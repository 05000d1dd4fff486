"""The command `score`: how reproducible and how fragmented networks are, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import (
    DataOptions,
    ExecutorOptions,
    GridOptions,
    MachineOptions,
    NetworkOptions,
    OutputOptions,
    RecipeOptions,
    StreamOptions,
)
from dbviz.core.errors import InputError
from dbviz.core.paths import output_directory
from dbviz.core.terminal import counted, print_table, say, say_written
from dbviz.core.threads import using_threads

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.cli.job import Job
    from dbviz.data import Images
    from dbviz.planes import PlaneSet
    from dbviz.runs import Run
    from dbviz.scores import Summary

__all__ = ["ScoreOptions", "main"]

_TRIPLETS = {"quick": 50, "standard": 500, "paper": 500}


@dataclass(frozen=True, kw_only=True)
class PlaneOptions:
    """Which planes."""

    planes: Literal["triplet", "noise", "shuffled", "around"] = "triplet"
    """Through triplets of images, noise, triplets with shuffled pixels, or around one image."""
    triplets: int | None = None
    """How many planes. Default: 50 for quick, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    split: Literal["train", "test"] = "test"
    """Which images the planes go through."""
    corners: Literal["distinct", "one-class"] = "distinct"
    """For --planes triplet: three images of distinct classes, or of one class."""
    among: Literal["all", "correct", "mislabelled"] = "all"
    """For --planes triplet under --label-noise: training images that are labelled right or wrong."""
    direction: Literal["random", "adversarial"] = "random"
    """For --planes around: both directions random, or one up the loss of the first network."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.triplets is not None and self.triplets < 2:
            raise InputError(_TOO_FEW)


@dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """Which scores, beyond those that are always printed."""

    inside: bool = False
    """Fill the matrix from points inside the triangle of the three images only."""
    connectivity: Literal[4, 8] = 8
    """Whether fragments touch at corners (8, as published) or at sides only (4)."""
    differences: bool | None = None
    """Print the difference of every two networks in each score, paired over planes and shared seeds. Default: for up
    to ten networks."""
    floor: bool = False
    """Train each run once more with one initial weight multiplied by 1.001, and print the share of points on which the
    two differ, beside that on which two seeds differ."""
    convergence: bool = False
    """Also sample at twice the resolution, and print the fragments at half, full and double resolution."""
    margins: int = 0
    """Also measure how far so many images of --split are from the nearest change of label, along ten directions."""
    along: Literal["random", "images"] = "random"
    """For --margins: directions at random, or towards other images."""
    half_width: float | None = None
    """Print how many runs and triplets would give each reproducibility an interval of this half-width."""


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Scores networks on many planes: reproducibility within and between them, fragmentation, churn.

    Trains and samples what is not there yet, or scores label-map files alone, without a model or a GPU.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")] = ()
    """Label-map files to score instead of training: .nc files of the same planes."""
    networks: NetworkOptions = NetworkOptions()
    planes: PlaneOptions = PlaneOptions()
    scoring: ScoringOptions = ScoringOptions()
    output: OutputOptions = OutputOptions(out=Path("results/score"), format="pdf")
    grid: GridOptions = GridOptions()
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        scoring, planes = self.scoring, self.planes
        if self.files and (scoring.floor or scoring.convergence or scoring.margins):
            raise InputError(
                "--floor, --convergence and --margins need the networks: leave them out where FILEs are scored"
            )
        drawn = self.data.label_noise and planes.split == "train" and planes.planes == "triplet"
        if planes.among != "all" and not drawn:
            raise InputError("--among goes with --label-noise, --split train and --planes triplet")
        few = len(self.networks.run_seeds(self.streams)) < 3
        if scoring.half_width is not None and not self.files and few:
            raise InputError("--half-width plans from how runs vary: give at least three --seeds")


_TOO_FEW = "scores need at least two planes (--triplets) and two runs (--seeds, --arch)"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command("python -m dbviz.score", ScoreOptions, _score, argv)


def _score(options: ScoreOptions) -> None:
    out = output_directory(options.output.out)
    scored = _read(options, out) if options.files else _sampled(options)
    maps, path, extra = scored.maps, scored.path, scored.scores

    import matplotlib as mpl

    mpl.use("agg")
    from dbviz.reports import write_summary
    from dbviz.scores import runs_by_network, summarise

    scoring = options.scoring
    summary = summarise(
        maps, inside=scoring.inside, connectivity=scoring.connectivity, differences=scoring.differences
    ).with_scores(extra)
    _print(maps, list(runs_by_network(maps)), summary)
    where = "inside the triangle" if scoring.inside else "on the whole grid"
    file = None if options.files else path
    style = {"where": where, "figure_format": options.output.format, "label_maps": file}
    say_written([*([file] if file else []), *write_summary(path.with_suffix(""), maps, summary, **style)])
    if scoring.half_width is not None:
        _print_plans(summary, scoring.half_width)
    scored.raise_failures()


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """What is scored."""

    maps: "xr.Dataset"
    path: Path
    """The file that results are called after."""
    scores: dict[str, Any] = field(default_factory=dict)
    """Scores that label maps alone do not give."""
    raise_failures: Callable[[], None] = lambda: None
    """Ends the command if runs failed."""


def _read(options: ScoreOptions, out: Path) -> _Scored:
    from dbviz.label_maps import combine, load

    maps = combine([load(path) for path in options.files])
    files = counted(len(options.files), "file")
    say(f"Scoring {maps.sizes['model']} models on {maps.sizes['plane']} planes from {files}.")
    name = "+".join(path.stem for path in options.files)[:100]
    # another name than the scores of the networks themselves, of which there are more
    return _Scored(maps=maps, path=out / f"{name}-from_files.nc")


def _sampled(options: ScoreOptions) -> _Scored:
    """The label maps of the networks, trained and sampled where they are missing."""
    from dbviz.cli.execution import finished_runs, job_executor, raise_failures, train_job
    from dbviz.cli.image_scores import image_scores_of
    from dbviz.cli.job import make_job, with_nudge

    job, scoring = make_job(options), options.scoring
    count = _TRIPLETS[job.preset] if options.planes.triplets is None else options.planes.triplets
    if len(job.specs) < 2:
        raise InputError(_TOO_FEW)
    also = with_nudge(job.specs) if scoring.floor else []
    failed = train_job(job, also=also)
    trained = finished_runs(job, also=also)
    runs = [trained[spec] for spec in job.specs if spec in trained]
    if len(runs) < 2:
        raise_failures(failed, len(job.specs) + len(also))
    planes = _planes(options.planes, job.images, count, runs)
    maps, path = _maps(list(trained.values()), planes, options, job, options.grid.resolution)
    extra = image_scores_of(runs, job.images)
    if scoring.convergence:
        extra |= _convergence(_maps(runs, planes, options, job, 2 * options.grid.resolution - 1)[0], options)
    if scoring.margins:
        with using_threads(job_executor(job).threads):
            extra |= _margins(runs, job.images, options)
    end = partial(raise_failures, failed, len(job.specs) + len(also))
    return _Scored(maps=maps, path=path, scores=extra, raise_failures=end)


def _maps(
    runs: Sequence["Run"], planes: "PlaneSet", options: ScoreOptions, job: "Job", resolution: int
) -> tuple["xr.Dataset", Path]:
    from dbviz.cli.label_maps import sample_job

    parts = [job.images.name, "+".join(job.archs), job.preset, options.planes.planes, str(len(planes))]
    grid = {"resolution": resolution, "padding": options.grid.padding}
    return sample_job(job, runs, planes, options.output.out, parts, **grid)


def _planes(options: PlaneOptions, images: "Images", count: int, runs: Sequence["Run"]) -> "PlaneSet":
    from dbviz.planes import (
        adversarial_direction,
        draw_noise_planes,
        draw_planes,
        draw_planes_around,
        draw_shuffled_planes,
    )

    split, seed = images.split(options.split), options.triplet_seed
    if options.planes == "triplet":
        among = None if options.among == "all" else _with_label(runs, options.among == "mislabelled", len(split))
        return draw_planes(split, count, seed=seed, one_class=options.corners == "one-class", among=among)
    if options.planes == "around":
        direction = adversarial_direction(runs[0].model()) if options.direction == "adversarial" else None
        return draw_planes_around(split, count, seed=seed, direction=direction)
    return {"noise": draw_noise_planes, "shuffled": draw_shuffled_planes}[options.planes](split, count, seed=seed)


def _with_label(runs: Sequence["Run"], wrong: bool, images: int) -> Any:
    """Which training images the first run with label noise has a wrong label for, or a right one; a boolean mask."""
    import numpy as np

    noisy = [labels for run in runs if (labels := run.training_labels()) is not None]
    if not noisy:
        raise InputError("no network is trained with label noise: --among needs a --label-noise above 0")
    mask = np.zeros(images, bool)
    mislabelled = noisy[0][1].numpy()
    mask[: len(mislabelled)] = mislabelled if wrong else ~mislabelled
    return mask


def _convergence(fine: "xr.Dataset", options: ScoreOptions) -> dict[str, dict[str, Any]]:
    """Fragments at three resolutions, by the name of the score."""
    from dbviz.scores import convergence

    scores: dict[str, dict[str, Any]] = {}
    for name, counts in convergence(fine, connectivity=options.scoring.connectivity).items():
        for points, estimate in counts.items():
            scores.setdefault(f"fragments at {points} x {points}", {})[name] = estimate
    return scores


def _margins(runs: Sequence["Run"], images: "Images", options: ScoreOptions) -> dict[str, Any]:
    """The median margin of each network, for all images and for those it classifies correctly."""
    from dbviz.margins import measure_margins
    from dbviz.scores import median_margin

    measured = measure_margins(
        runs,
        images.split(options.planes.split).first(options.scoring.margins),
        along=options.scoring.along,
        device=options.machine.device,
        progress=True,
    )
    scores = {}
    for name, mask in {"all images": None, "correctly classified": measured.correct}.items():
        try:
            scores[f"median margin, {name}"] = median_margin(measured, mask=mask)
        except InputError as error:  # a poor network may classify too few images correctly
            say(f"Note: no median margin of {name}: {error}.")
    return scores


def _print(maps: "xr.Dataset", names: list[str], summary: "Summary") -> None:
    from dbviz.cli.tables import widths_of
    from dbviz.label_maps import environment_differences
    from dbviz.reports.summary import pair_tables, summary_rows
    from dbviz.reports.tables import frame_rows, matrix_frame
    from dbviz.scores import runs_by_network

    where = f"{maps.attrs['dataset']} {maps.attrs['split']}, {maps.sizes['plane']} planes"
    matrix = matrix_frame(summary.matrix, names)
    print_table(f"Reproducibility, {where}, 95 % intervals", ["", *names], frame_rows(matrix))
    widths, rows = widths_of(maps), summary_rows(maps, summary)
    rows.insert(1, ["width", *(widths[runs[0]] for runs in runs_by_network(maps).values())])
    print_table("By network, 95 % intervals", ["", *names], rows)
    for title, heading, rows in pair_tables(summary, names):
        print_table(title, heading, rows)
    for note in summary.notes:
        say(f"Note on some intervals: {note}.")
    report_environment_differences(environment_differences(maps))


def _print_plans(summary: "Summary", half_width: float) -> None:
    from dbviz.scores import plan

    for name, pilot in summary.scores.get("reproducibility", {}).items():
        needed = plan(pilot, half_width)
        say(
            f"{name}: {needed.runs} runs on {needed.items} {needed.item} should give its reproducibility "
            f"a half-width of {needed.half_width:.3f}."
        )
