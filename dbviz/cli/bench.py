"""The command `bench`: how fast this machine samples, trains and scores, against the usual way and the bare net."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dbviz.cli.console import run_command
from dbviz.cli.options import TrainingOptions
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import print_table, say, say_written

if TYPE_CHECKING:
    from dbviz.benchmarks import Benchmark

__all__ = ["BenchOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class BenchOptions(TrainingOptions):
    """Times dbviz on this machine, beside the usual way of doing the same and the bare forward pass of the network.

    All in one run, so that the ratios hold for this machine as it is now. Networks that are not trained yet are
    trained first, as `dbviz.plot` does.
    """

    what: Annotated[Literal["sampling", "training", "seeds", "scores"], tyro.conf.Positional]
    """What to time; seeds: several networks trained one after the other, and side by side."""
    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N ...")] = ("0",)
    """Seeds of the networks; scores and seeds need two."""
    triplets: int = 8
    """Planes that are sampled."""
    images: int = 1024
    """Training images in the epoch that is timed."""
    compile: bool = True
    """Also time the bare network compiled, which takes 20 seconds or more to make."""
    out: Path = Path("experiments/results")
    """Where the table is written as JSON, and the figure."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("python -m dbviz.bench", BenchOptions, _bench, argv)


def _bench(options: BenchOptions) -> None:
    if len(options.arch) != 1:
        raise InputError(f"{len(options.arch)} architectures given: a benchmark times one (--arch)")
    if options.triplets < 1 or options.images < 2:
        raise InputError("a benchmark needs at least one plane (--triplets) and two images (--images)")
    if options.what == "seeds" and len(options.run_seeds()) < 2:
        raise InputError("seeds are timed against each other: give at least two (--seeds 0-7)")
    if options.what == "scores" and (len(options.run_seeds()) < 2 or options.triplets < 2):
        raise InputError("scores need at least two runs (--seeds 0 1) and two planes (--triplets)")
    out = output_directory(options.out)

    from dbviz.core.environment import environment
    from dbviz.core.results import write_result
    from dbviz.training import choose_device

    device = choose_device(options.device)
    machine = environment(device)
    where = machine.get("gpu") or f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores"
    found = _timed(options, device)
    _print(found, where)
    stem = out / file_name(["bench", options.what, options.arch[0], device.type])
    numbers = {**asdict(found), "rates": {timing.method: timing.rate for timing in found.timings}, "machine": where}
    paths = [write_result(Path(f"{stem}.json"), numbers, device=device), _draw(found, where, Path(f"{stem}.png"))]
    say_written(paths)


def _timed(options: BenchOptions, device: Any) -> "Benchmark":
    from dbviz.benchmarks import benchmark_sampling, benchmark_scores, benchmark_seeds, benchmark_training
    from dbviz.cli.job import fit_wanted, wanted
    from dbviz.planes import draw_planes

    asked = wanted(options)
    specs, images = asked.specs, asked.images
    narrow = specs[0].width
    widths = () if narrow is None else (narrow // 4, narrow // 2, narrow)
    widths = widths if widths and options.arch[0].startswith(("resnet", "vgg", "densenet")) and widths[0] else ()
    if options.what == "training":
        sizes = {"train_size": options.images, "widths": widths}
        return benchmark_training(specs[0], images, device, **sizes, compile=options.compile)
    if options.what == "seeds":
        return benchmark_seeds(specs, images, device, train_size=options.images)
    runs = fit_wanted(asked, options)
    planes = draw_planes(images.test, options.triplets)
    if options.what == "scores":
        return benchmark_scores(runs, planes, device, compile=options.compile)
    return benchmark_sampling(runs[0], planes, device, widths=widths, compile=options.compile)


def _print(found: "Benchmark", where: str) -> None:
    baseline, bound = found.baseline.rate, found.upper_bound.rate
    rows = [
        [timing.method, f"{timing.rate:,.0f}", f"{timing.rate / baseline:.2f} x", f"{timing.rate / bound:.2f} x"]
        for timing in found.timings
    ]
    print_table(f"{found.title}, on {where}", ["", f"{found.unit}/s", "of the baseline", "of the upper bound"], rows)
    if found.growth:
        columns = ["seconds against", *["" for _ in found.growth[0].values], "grows as"]
        cells = [[g.variable, *_steps(g.values, g.seconds), f"its power {g.exponent:.2f}"] for g in found.growth]
        print_table("Growth", columns, cells)
    for note, value in found.notes.items():
        say(f"{note}: {value if isinstance(value, str | int) else f'{value:.3g}'}")


def _steps(values: Sequence[int], seconds: Sequence[float]) -> list[str]:
    return [f"{value}: {second:.2f} s" for value, second in zip(values, seconds, strict=True)]


def _draw(found: "Benchmark", where: str, path: Path) -> Path:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.figures import plot_growth, plot_rates, save_figure

    panels = 2 if found.growth else 1
    figure, axes = plt.subplots(1, panels, figsize=(5.5 * panels, 3.2), layout="constrained", squeeze=False)
    plot_rates({timing.method: timing.rate for timing in found.timings}, unit=found.unit, ax=axes[0, 0])
    if found.growth:
        plot_growth({g.variable: (g.values, g.seconds) for g in found.growth}, ax=axes[0, 1])
    figure.suptitle(f"{found.title}, on {where}", fontsize=9)
    saved = save_figure(figure, path)
    plt.close(figure)
    return saved
