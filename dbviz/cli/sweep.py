"""The command `sweep`: error, fragmentation and reproducibility as networks widen: double descent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import ExecutorOptions, TrainingOptions
from dbviz.core.errors import RunsFailed
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import duration, print_table, say, say_written

if TYPE_CHECKING:
    from dbviz.cli.job import Wanted
    from dbviz.executors import Executor
    from dbviz.spec import RunSpec
    from dbviz.sweeps import Curve, Study

__all__ = ["SweepOptions", "main"]

_TRIPLETS = {"quick": 12, "standard": 200, "paper": 500}
_MARGIN_IMAGES = {"quick": 30, "standard": 500, "paper": 5000}


@dataclass(frozen=True, kw_only=True)
class SweepOptions(TrainingOptions, ExecutorOptions):
    """Trains a grid of networks and scores them at every width, or along any other field.

    What is finished is never done again: the same command goes on where it was interrupted.
    """

    arch: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("random_features",)
    """Architectures: random_features (closed form, seconds a width), mlp, resnet18k (as published), or any other that
    has a width."""
    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N ...")] = ("0-4",)
    """Seeds; ranges such as 0-4 are understood. Few seeds make wide intervals."""
    widths: Annotated[tuple[str, ...], tyro.conf.arg(metavar="K ...")] = ()
    """Widths; ranges such as 1-20 are understood. Default: those around which the architecture's error peaks."""
    label_noise: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RATE ...")] = ("0", "0.2")
    """Wrong labels on the training images: 0.2 (symmetric), asymmetric:0.4, or a file of labels (.npz, .npy, .csv)."""
    train_sizes: Annotated[tuple[str, ...], tyro.conf.arg(name="train-size", metavar="N ...")] = ()
    """Numbers of training images, instead of the preset's; several are compared."""
    sweep: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=A,B,... ...")] = ()
    """Any field of a run, with its values: recipe.epochs=1,2,4 or seeds.noise=0,1,2."""
    at_epochs: tuple[int, ...] = ()
    """Measure every run after these epochs instead of at its end."""
    along: str | None = None
    """The field along the curves. Default: epoch, width, train_size or whatever else takes several values."""
    tolerance: float = 0.01
    """Training error up to which a network counts as having fitted its labels."""
    triplets: int | None = None
    """How many planes, through triplets of test images. Default: 12 for quick, 200 for standard, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    resolution: int = 50
    """Points on each side of a plane."""
    padding: float = 0.1
    """How far a plane reaches beyond its three images, as a share of their bounding box's side."""
    margin_images: int | None = None
    """On how many test images margins are measured, along ten random directions each; 0 for none. Default: 30 for
    quick, 500 for standard, else 5,000."""
    out: Path = Path("sweeps")
    """Where table, numbers and figure are written."""

    width: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    train_size: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None

    def _fixed(self) -> dict[str, Any]:
        """A size for the networks that the grid is made of, so that the preset's, which may be too many, is not."""
        return super()._fixed() | ({"train_size": self._sizes()[0]} if self.train_sizes else {})

    def _sizes(self) -> tuple[int, ...]:
        from dbviz.sweeps.grid import parse_counts

        return parse_counts(self.train_sizes, "train size")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("python -m dbviz.sweep", SweepOptions, _sweep, argv)


def _sweep(options: SweepOptions) -> None:
    out = output_directory(options.out)

    from dbviz.cli.execution import choose_executor, tell
    from dbviz.cli.job import wanted
    from dbviz.reports.sweep import sweep_fields
    from dbviz.sweeps import make_curves, run_sweep

    asked = wanted(options)
    specs, study = _specs(options, asked), _study(options, asked)
    executor = choose_executor(options, asked.device)
    _announce(specs, study, executor, asked)
    failed = run_sweep(specs, study, executor, on_event=tell)
    some = len(failed) < len(specs)
    curves = make_curves(specs, study, along=options.along, tolerance=options.tolerance) if some else []
    _print(curves, asked)
    numbers = sweep_fields(curves, specs, study, failed, options.tolerance)
    report_environment_differences(numbers["environment_differences"])
    _write(out / _name(specs, study, asked), curves, numbers, _title(specs, asked))
    if failed:
        raise RunsFailed(f"{len(failed)} of {len(specs)} runs failed, first {failed[0].spec.name}: {failed[0].error}")


def _specs(options: SweepOptions, asked: "Wanted") -> list["RunSpec"]:
    """The runs of the grid, checked, so that nothing fails hours later that can be seen now."""
    from dbviz.sweeps import check_networks, grid, parse_axis, parse_counts

    axes = [parse_axis(text) for text in options.sweep]
    widths, sizes = parse_counts(options.widths, "width"), parse_counts(options.train_sizes, "train size")
    about_width = not (axes or len(sizes) > 1 or len(options.at_epochs) > 1)
    specs = grid(
        asked.specs,
        axes,
        sizes=sizes,
        widths=widths,
        preset=asked.preset if about_width else None,
        all_images=len(asked.images.train),
    )
    check_networks(specs, asked.images)
    return specs


def _study(options: SweepOptions, asked: "Wanted") -> "Study":
    from dbviz.runs import store
    from dbviz.sweeps import Study

    return Study(
        dataset=asked.images.name,
        home=store.home_directory(options.home).absolute(),
        data_dir=options.data_dir.absolute() if options.data_dir else None,
        device=str(asked.device),
        triplets=_TRIPLETS[asked.preset] if options.triplets is None else options.triplets,
        triplet_seed=options.triplet_seed,
        resolution=options.resolution,
        padding=options.padding,
        margin_images=_MARGIN_IMAGES[asked.preset] if options.margin_images is None else options.margin_images,
        epochs=options.at_epochs,
    )


def _announce(specs: list["RunSpec"], study: "Study", executor: "Executor", asked: "Wanted") -> None:
    from dbviz.sweeps import estimate_sweep, missing

    todo = len(missing(specs, study))
    what = f"{asked.images.name}: {len(specs)} runs of {', '.join(dict.fromkeys(spec.arch for spec in specs))}"
    how = f"preset {asked.preset}, {executor}, {study.triplets} planes"
    if not todo:
        say(f"{what}, {how}: all done already, in {study.home}.")
        return
    ready = f"{len(specs) - todo} ready, " if todo < len(specs) else ""
    seconds = estimate_sweep(specs, study, executor.concurrency)
    say(f"{what}, {how}: {ready}{todo} to do, about {duration(seconds)}.")


def _print(curves: list["Curve"], asked: "Wanted") -> None:
    from dbviz.reports.sweep import sweep_rows

    if not curves:
        return
    columns, rows = sweep_rows(curves)
    print_table(
        f"{asked.images.name}, preset {asked.preset}, 95 % intervals over runs and planes or images", columns, rows
    )
    for curve in curves:
        where = "nowhere in the sweep" if curve.threshold is None else f"{curve.threshold:g}"
        say(f"Interpolation threshold of {curve.name}: {where}")


def _name(specs: list["RunSpec"], study: "Study", asked: "Wanted") -> str:
    """A name for the files, with eight digits that stand for the whole grid."""
    import hashlib

    identities = " ".join(sorted(spec.identity for spec in specs))
    digits = hashlib.sha256(f"{study.identity} {study.epochs} {identities}".encode()).hexdigest()[:8]
    archs = "+".join(dict.fromkeys(spec.arch for spec in specs))
    return file_name([asked.images.name, archs, asked.preset, digits])


def _title(specs: list["RunSpec"], asked: "Wanted") -> str:
    archs = ", ".join(dict.fromkeys(spec.arch for spec in specs))
    return f"{archs} on {asked.images.name}, preset {asked.preset}"


def _write(stem: Path, curves: list["Curve"], numbers: dict[str, Any], title: str) -> None:
    import matplotlib as mpl

    mpl.use("agg")

    from dbviz.core.results import write_result
    from dbviz.figures import plot_sweep, save_figure

    paths = [write_result(Path(f"{stem}.json"), numbers)]
    if curves:
        paths.append(save_figure(plot_sweep(curves, title=title), Path(f"{stem}.png")))
    say_written(paths)
