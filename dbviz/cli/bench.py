"""The command `bench`: how fast this machine samples, trains and scores, against a baseline and the bare network."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from dbviz.cli.console import run_command
from dbviz.cli.options import (
    DataOptions,
    MachineOptions,
    NetworkOptions,
    OutputOptions,
    RecipeOptions,
    StreamOptions,
)
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import print_table, say, say_written

if TYPE_CHECKING:
    from dbviz.benchmarks import Benchmark
    from dbviz.cli.job import Job

__all__ = ["BenchOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class AmountOptions:
    """How much is timed."""

    triplets: int = 8
    """Planes that are sampled."""
    images: int = 1024
    """Training images in the epoch that is timed."""
    compile: bool = True
    """Also time the bare network compiled, which takes 20 seconds or more to make."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.triplets < 1 or self.images < 2:
            raise InputError("a benchmark needs at least one plane (--triplets) and two images (--images)")


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Times dbviz on this machine, beside a baseline and the bare forward pass of the network.

    The baseline does the same work as published code does. All is timed in one run, so that the ratios hold for this
    machine as it is now. Networks that are not trained yet are trained first, as `dbviz.plot` does.
    """

    what: Annotated[Literal["sampling", "training", "seeds", "scores"], tyro.conf.Positional]
    """What to time; seeds: several networks trained one after the other, and side by side."""
    networks: NetworkOptions = NetworkOptions(seeds=("0",))
    amount: AmountOptions = AmountOptions()
    output: OutputOptions = OutputOptions(out=Path("results/bench"))
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        archs, seeds = len(self.networks.arch), len(self.networks.run_seeds(self.streams))
        if archs != 1:
            raise InputError(f"{archs} architectures given: a benchmark times one (--arch)")
        if self.what == "seeds" and seeds < 2:
            raise InputError("seeds are timed against each other: give at least two (--seeds 0-7)")
        if self.what == "scores" and (seeds < 2 or self.amount.triplets < 2):
            raise InputError("scores need at least two runs (--seeds 0 1) and two planes (--triplets)")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command("python -m dbviz.bench", BenchOptions, _bench, argv)


def _bench(options: BenchOptions) -> None:
    out = output_directory(options.output.out)

    from dbviz.cli.job import make_job
    from dbviz.core.environment import environment
    from dbviz.core.results import write_result

    job = make_job(options)
    machine = environment(job.device)
    where = machine.get("gpu") or f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores"
    benchmark = _timed(options, job)
    _print(benchmark, where)
    stem = out / file_name(["bench", options.what, job.archs[0], job.device.type])
    numbers = {
        **asdict(benchmark),
        "rates": {timing.method: timing.rate for timing in benchmark.timings},
        "machine": where,
        "specs": {spec.name: spec.to_dict() for spec in job.specs},
    }
    figure = _draw(benchmark, where, Path(f"{stem}.{options.output.format}"))
    say_written([figure, write_result(Path(f"{stem}.json"), numbers, device=job.device)])


def _timed(options: BenchOptions, job: "Job") -> "Benchmark":
    from dbviz.benchmarks import benchmark_sampling, benchmark_scores, benchmark_seeds, benchmark_training
    from dbviz.cli.execution import train_runs
    from dbviz.planes import draw_planes

    specs, images, amount = job.specs, job.images, options.amount
    widths = _narrower(specs[0].arch, specs[0].width)
    if options.what == "training":
        sizes = {"train_size": amount.images, "widths": widths}
        return benchmark_training(specs[0], images, job.device, **sizes, compile=amount.compile)
    if options.what == "seeds":
        return benchmark_seeds(specs, images, job.device, train_size=amount.images)
    runs = train_runs(job)
    planes = draw_planes(images.test, amount.triplets)
    if options.what == "scores":
        return benchmark_scores(runs, planes, job.device, compile=amount.compile)
    return benchmark_sampling(runs[0], planes, job.device, widths=widths, compile=amount.compile)


def _narrower(arch: str, width: int | None) -> tuple[int, ...]:
    """A quarter and half of the width, and the width itself, for architectures in which any width is possible."""
    if width is None or width < 4 or not arch.startswith(("resnet", "vgg", "densenet")):
        return ()
    return width // 4, width // 2, width


def _print(benchmark: "Benchmark", where: str) -> None:
    baseline, bound = benchmark.baseline.rate, benchmark.upper_bound.rate
    rows = [
        [timing.method, f"{timing.rate:,.0f}", f"{timing.rate / baseline:.2f} x", f"{timing.rate / bound:.2f} x"]
        for timing in benchmark.timings
    ]
    columns = ["", f"{benchmark.unit}/s", "of the baseline", "of the upper bound"]
    print_table(f"{benchmark.title}, on {where}", columns, rows)
    if benchmark.growth:
        columns = ["seconds against", *["" for _ in benchmark.growth[0].values], "grows as"]
        cells = [[g.variable, *_steps(g.values, g.seconds), f"its power {g.exponent:.2f}"] for g in benchmark.growth]
        print_table("Growth", columns, cells)
    for note, value in benchmark.notes.items():
        say(f"{note}: {value if isinstance(value, str | int) else f'{value:.3g}'}")


def _steps(values: Sequence[int], seconds: Sequence[float]) -> list[str]:
    return [f"{value}: {second:.2f} s" for value, second in zip(values, seconds, strict=True)]


def _draw(benchmark: "Benchmark", where: str, path: Path) -> Path:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.figures import plot_growth, plot_rates, save_figure

    panels = 2 if benchmark.growth else 1
    figure, axes = plt.subplots(1, panels, figsize=(5.5 * panels, 3.2), layout="constrained", squeeze=False)
    plot_rates({timing.method: timing.rate for timing in benchmark.timings}, unit=benchmark.unit, ax=axes[0, 0])
    if benchmark.growth:
        plot_growth({g.variable: (g.values, g.seconds) for g in benchmark.growth}, ax=axes[0, 1])
    figure.suptitle(f"{benchmark.title}, on {where}", fontsize=9)
    saved = save_figure(figure, path)
    plt.close(figure)
    return saved
