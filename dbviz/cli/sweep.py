"""The command `sweep`: error, fragmentation and reproducibility as networks widen: double descent."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import (
    ExecutorOptions,
    GridOptions,
    MachineOptions,
    OutputOptions,
    Preset,
    RecipeOptions,
    StreamOptions,
    check_architectures,
    check_dataset,
    check_once,
)
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import duration, print_table, say, say_written
from dbviz.spec import Seeds, parse_counts, parse_seeds

if TYPE_CHECKING:
    from dbviz.cli.job import Job
    from dbviz.executors import Executor
    from dbviz.spec import RunSpec
    from dbviz.sweeps import Curve, Study

__all__ = ["SweepOptions", "main"]

_TRIPLETS = {"quick": 12, "standard": 200, "paper": 500}
_MARGIN_IMAGES = {"quick": 30, "standard": 500, "paper": 5000}


@dataclass(frozen=True, kw_only=True)
class SweptNetworks:
    """Which networks, at which widths, under which seeds."""

    arch: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("random_features",)
    """Architectures: random_features (closed form, seconds a width), mlp, resnet18k (as published), or any other that
    has a width."""
    widths: Annotated[tuple[str, ...], tyro.conf.arg(metavar="K ...")] = ()
    """Widths; ranges such as 1-20 are understood. Default: those around which the architecture's error peaks."""
    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N ...")] = ("0-4",)
    """Seeds; ranges such as 0-4 are understood. Few seeds make wide intervals."""
    preset: Preset | None = None
    """quick: minutes on a CPU; standard: for a modern GPU; paper: as published. Default: quick on a CPU."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_architectures(self.arch)
        parse_seeds(self.seeds)
        parse_counts(self.widths, "width")

    def changes(self) -> dict[str, Any]:
        """None: the grid sets the widths."""
        return {}

    def run_seeds(self, streams: StreamOptions) -> list[Seeds]:
        """The seeds of each run at one place of the grid."""
        return streams.applied([Seeds.all(seed) for seed in parse_seeds(self.seeds)])


@dataclass(frozen=True, kw_only=True)
class SweptData:
    """The images that networks are trained on."""

    dataset: str = "cifar10"
    """cifar10, cifar100, svhn, or shapes (built in)."""
    data_dir: Path | None = None
    """Where datasets are or are downloaded to. Default: $DBVIZ_DATA, else the user's cache directory."""
    train_sizes: Annotated[tuple[str, ...], tyro.conf.arg(name="train-size", metavar="N ...")] = ()
    """Numbers of training images, instead of the preset's; several are compared."""
    label_noise: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RATE ...")] = ("0", "0.2")
    """Wrong labels on the training images: 0.2 (symmetric), asymmetric:0.4, or a file of labels (.npz, .npy, .csv)."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_dataset(self.dataset)
        check_once("--label-noise", self.label_noise)
        parse_counts(self.train_sizes, "train size")

    def changes(self) -> list[dict[str, Any]]:
        """For each kind of label noise the fields of a spec, of the smaller sizes the first: the preset's may be too
        many images, and the grid sets the size again."""
        sizes = parse_counts(self.train_sizes, "train size")
        size = {"train_size": sizes[0]} if sizes else {}
        return [size | {"label_noise": text} for text in self.label_noise] or [size]


@dataclass(frozen=True, kw_only=True)
class AxisOptions:
    """What is varied, and what is along the curves."""

    sweep: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=A,B,... ...")] = ()
    """Any field of a run, with its values: recipe.epochs=1,2,4 or seeds.noise=0,1,2."""
    at_epochs: tuple[int, ...] = ()
    """Measure every run after these epochs instead of at its end."""
    along: str | None = None
    """The field along the curves. Default: epoch, width, train_size or whatever else takes several values."""
    tolerance: float = 0.01
    """Training error up to which a network counts as having fitted its labels."""


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions:
    """What is measured of each run."""

    triplets: int | None = None
    """How many planes, through triplets of test images. Default: 12 for quick, 200 for standard, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    margin_images: int | None = None
    """On how many test images margins are measured, along ten random directions each; 0 for none. Default: 30 for
    quick, 500 for standard, else 5,000."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.triplets is not None and self.triplets < 2:
            raise InputError(f"{self.triplets} triplets: intervals need at least two planes (--triplets)")


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Trains a grid of networks and scores them at every width, or along any other field.

    What is finished is never done again: the same command resumes where it was interrupted.
    """

    networks: SweptNetworks = SweptNetworks()
    data: SweptData = SweptData()
    axes: AxisOptions = AxisOptions()
    measuring: MeasuringOptions = MeasuringOptions()
    output: OutputOptions = OutputOptions(out=Path("results/sweep"))
    grid: GridOptions = GridOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command("python -m dbviz.sweep", SweepOptions, _sweep, argv)


def _sweep(options: SweepOptions) -> None:
    out = output_directory(options.output.out)

    from dbviz.cli.execution import choose_executor, raise_failures, report_event
    from dbviz.cli.job import make_job
    from dbviz.reports.sweep import sweep_fields
    from dbviz.sweeps import make_curves, run_sweep

    job = make_job(options)
    specs, study = _specs(options, job), _study(options, job)
    executor = choose_executor(options.execution, job.device, specs, job.home)
    _announce(specs, study, executor, job)
    failed = run_sweep(specs, study, executor, on_event=report_event)
    axes, finished = options.axes, len(failed) < len(specs)
    curves = make_curves(specs, study, along=axes.along, tolerance=axes.tolerance) if finished else []
    _print(curves, specs, job)
    numbers = sweep_fields(curves, specs, study, failed, axes.tolerance)
    report_environment_differences(numbers["environment_differences"])
    title = f"{', '.join(_archs(specs))} on {job.images.name}, preset {job.preset}"
    _write(out / _name(specs, study, job), curves, numbers, title, options.output.format)
    raise_failures(failed, len(specs))


def _specs(options: SweepOptions, job: "Job") -> list["RunSpec"]:
    """The runs of the grid, checked, so that nothing fails hours later that can be seen now."""
    from dbviz.sweeps import check_networks, grid, parse_axis

    axes = [parse_axis(text) for text in options.axes.sweep]
    widths = parse_counts(options.networks.widths, "width")
    sizes = parse_counts(options.data.train_sizes, "train size")
    over_width = not (axes or len(sizes) > 1 or len(options.axes.at_epochs) > 1)
    specs = grid(
        job.specs,
        axes,
        sizes=sizes,
        widths=widths,
        preset=job.preset if over_width else None,
        all_images=len(job.images.train),
    )
    check_networks(specs, job.images)
    return specs


def _study(options: SweepOptions, job: "Job") -> "Study":
    from dbviz.sweeps import Study

    measuring = options.measuring
    return Study(
        dataset=job.images.name,
        home=job.home.absolute(),
        data_dir=job.data_dir.absolute() if job.data_dir else None,
        device=str(job.device),
        triplets=_TRIPLETS[job.preset] if measuring.triplets is None else measuring.triplets,
        triplet_seed=measuring.triplet_seed,
        resolution=options.grid.resolution,
        padding=options.grid.padding,
        margin_images=_MARGIN_IMAGES[job.preset] if measuring.margin_images is None else measuring.margin_images,
        epochs=options.axes.at_epochs,
        threads=options.execution.threads,
    )


def _announce(specs: list["RunSpec"], study: "Study", executor: "Executor", job: "Job") -> None:
    from dbviz.sweeps import estimate_sweep, unfinished_runs

    count = len(unfinished_runs(specs, study))
    what = f"{job.images.name}: {len(specs)} runs of {', '.join(_archs(specs))}"
    how = f"preset {job.preset}, {executor}, {study.triplets} planes"
    if not count:
        say(f"{what}, {how}: all done already, in {study.home}.")
        return
    ready = f"{len(specs) - count} ready, " if count < len(specs) else ""
    seconds = estimate_sweep(specs, study, executor.concurrency)
    say(f"{what}, {how}: {ready}{count} to do, about {duration(seconds)}.")


def _print(curves: list["Curve"], specs: list["RunSpec"], job: "Job") -> None:
    from dbviz.cli.tables import width_of
    from dbviz.reports.sweep import sweep_rows

    if not curves:
        return
    columns, rows = sweep_rows(curves)
    widths = {width_of(spec) for spec in specs}
    network = f"{', '.join(_archs(specs))}{f' of width {widths.pop()}' if len(widths) == 1 else ''}"
    title = f"{job.images.name}, {network}, preset {job.preset}, 95 % intervals over runs and planes or images"
    print_table(title, columns, rows)
    for curve in curves:
        where = "not reached" if curve.threshold is None else f"{curve.threshold:g}"
        say(f"Interpolation threshold of {curve.name}: {where}")


def _name(specs: list["RunSpec"], study: "Study", job: "Job") -> str:
    """A name for the files, with eight digits of a hash of the whole grid."""
    identities = " ".join(sorted(spec.identity for spec in specs))
    digits = hashlib.sha256(f"{study.identity} {study.epochs} {identities}".encode()).hexdigest()[:8]
    return file_name([job.images.name, "+".join(_archs(specs)), job.preset, digits])


def _archs(specs: list["RunSpec"]) -> list[str]:
    return list(dict.fromkeys(spec.arch for spec in specs))


def _write(stem: Path, curves: list["Curve"], numbers: dict[str, Any], title: str, figure_format: str) -> None:
    import matplotlib as mpl

    mpl.use("agg")

    from dbviz.core.files import atomic_write
    from dbviz.core.results import write_result
    from dbviz.figures import plot_sweep, save_figure
    from dbviz.reports.sweep import sweep_csv, sweep_latex

    written = [write_result(Path(f"{stem}.json"), numbers)]
    if curves:
        for ending, text in {"csv": sweep_csv(curves), "tex": sweep_latex(curves, f"{title}.")}.items():
            written.append(Path(f"{stem}.{ending}"))
            atomic_write(written[-1], text.encode())
        written.append(save_figure(plot_sweep(curves, title=title), Path(f"{stem}.{figure_format}")))
    say_written(written)
