"""What `python -m dbviz.audit sources` does: from which source of randomness the spread of runs comes."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.console import report_environment_differences
from dbviz.cli.options import (
    DataOptions,
    ExecutorOptions,
    GridOptions,
    MachineOptions,
    OutputOptions,
    Preset,
    RecipeOptions,
    StreamOptions,
    check_architectures,
    check_at_least_one,
)
from dbviz.core.errors import InputError, RunsFailed
from dbviz.core.paths import output_directory
from dbviz.core.terminal import duration, print_table, say, say_written
from dbviz.spec import Seeds

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.audits import SourcesDesign
    from dbviz.cli.job import Job
    from dbviz.runs import Run
    from dbviz.scores import SourceAnalysis

__all__ = ["SourcesOptions", "analyse", "audit_sources"]

_TRIPLETS = {"quick": 20, "standard": 200, "paper": 500}
_CPU_REPEATS = "CPU kernels repeat"


@dataclass(frozen=True, kw_only=True)
class AuditedNetwork:
    """Which network."""

    arch: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = ("resnet18",)
    """The architecture, as for `dbviz.plot`."""
    preset: Preset | None = None
    """quick: minutes on a CPU; standard: for a modern GPU; paper: as published. Default: quick on a CPU."""
    width: int | None = None
    """The architecture's own width, instead of the preset's."""
    fixed_seed: int = 0
    """The seed of the sources that do not vary."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_architectures(self.arch)
        check_at_least_one("--width", self.width)

    def changes(self) -> dict[str, Any]:
        """The fields of a spec that differ from the preset."""
        return {} if self.width is None else {"width": self.width}

    def run_seeds(self, streams: StreamOptions) -> list[Seeds]:
        """Those of the base run, which all cells share."""
        return [replace(Seeds.all(self.fixed_seed), noise=streams.noise_seed)]


@dataclass(frozen=True, kw_only=True)
class NoiseStream(StreamOptions):
    """Which labels are wrong."""

    init_seed: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    order_seed: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    augment_seed: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None


@dataclass(frozen=True, kw_only=True)
class DesignOptions:
    """The design: which sources vary, in how many runs, measured on how many planes."""

    runs: int = 5
    """Runs of each cell of the design. Few runs make wide intervals: an accuracy's variance needs hundreds."""
    sources: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Among init, order, augment, nudge, kernels. Default: all; kernels on a GPU alone, since a CPU's repeat."""
    triplets: int | None = None
    """How many planes, through triplets of test images. Default: 20 for quick, 200 for standard, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.triplets is not None and self.triplets < 2:
            raise InputError(f"{self.triplets} planes: intervals need at least two (--triplets)")


@dataclass(frozen=True, kw_only=True)
class SourcesOptions:
    """Varies initial weights, order and augmentation apart and together, and shows how far the runs of each spread.

    Beside them a nudge, one initial weight times 1.001, and kernels that do not repeat. What is trained is kept: the
    same command resumes where it was interrupted, and more --runs add to those there are.
    """

    networks: AuditedNetwork = AuditedNetwork()
    design: DesignOptions = DesignOptions()
    output: OutputOptions = OutputOptions(out=Path("results/audit"))
    grid: GridOptions = GridOptions()
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: NoiseStream = NoiseStream()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()


def audit_sources(options: SourcesOptions) -> None:
    """The audit as a command does it: see `analyse`."""
    analyse(options)


def analyse(options: SourcesOptions) -> "SourceAnalysis":
    """Trains and samples what is missing, prints tables and writes them, with numbers and figure, to `--out`.

    Raises:
        InputError: an option is out of range, or a source has no part in this training.
        RunsFailed: a run cannot be trained.
    """
    out = output_directory(options.output.out)

    from dbviz.audits import sources_design
    from dbviz.cli.job import make_job
    from dbviz.cli.label_maps import sample_job
    from dbviz.planes import draw_planes
    from dbviz.scores import analyse_sources

    job = make_job(options)
    if len(job.specs) != 1:
        raise InputError(f"{len(job.specs)} networks given: the sources of one are audited at a time")
    sources = options.design.sources or _default_sources(job.device.type)
    design = sources_design(job.specs[0], sources, runs=options.design.runs)
    count = _TRIPLETS[job.preset] if options.design.triplets is None else options.design.triplets
    planes = draw_planes(job.images.test, count, seed=options.design.triplet_seed)
    job = dataclasses.replace(job, specs=design.specs)
    runs = _trained(design, options, job)
    parts = ["sources", job.images.name, job.archs[0], job.preset, str(len(planes))]
    grid = {"resolution": options.grid.resolution, "padding": options.grid.padding}
    maps, path = sample_job(job, runs, planes, out, parts, **grid)
    analysis = analyse_sources(_predictions(runs), job.images.test.labels, maps.labels.values, design.positions)
    missing = {} if options.design.sources or "kernels" in sources else {"kernels": _CPU_REPEATS}
    _print(analysis, missing, job)
    _write(path, analysis, missing, design, maps, job, options.output.format)
    return analysis


def _default_sources(device: str) -> Sequence[str]:
    from dbviz.audits import SOURCES

    return [source for source in SOURCES if source != "kernels" or device != "cpu"]


def _trained(design: "SourcesDesign", options: SourcesOptions, job: "Job") -> list["Run"]:
    """The run of each spec of the design, trained where it is missing."""
    from dbviz.cli.announcement import total_seconds
    from dbviz.cli.execution import finished_runs, job_executor, report_event
    from dbviz.core.threads import using_threads
    from dbviz.executors import run_tasks
    from dbviz.runs.fitting import estimate_seconds, unfinished

    executor, missing = job_executor(job), unfinished(job.specs, job.home)
    with using_threads(executor.threads):
        seconds = estimate_seconds(missing, job.images, job.device)
    what = f"{job.images.name}: sources of randomness of {job.archs[0]}: {len(design.cells)} cells of "
    what += f"{options.design.runs} runs, {len(job.specs)} different ones, preset {job.preset}, {executor}"
    if missing:
        say(f"{what}: {len(missing)} to train, about {duration(total_seconds(seconds, executor))}.")
    else:
        say(f"{what}: all trained already, in {job.home}.")
    ready = len(job.specs) - len(missing)
    failed = run_tasks(seconds, job.training_task(), executor, ready=ready, on_event=report_event)
    if failed:
        first = f"first {failed[0].item.name}: {failed[0].error}"
        raise RunsFailed(f"{len(failed)} of {len(job.specs)} runs failed, {first}")
    runs = finished_runs(job)
    return [runs[spec] for spec in job.specs]


def _predictions(runs: Sequence["Run"]) -> Any:
    import numpy as np

    return np.stack([run.test_logits().numpy().argmax(axis=1) for run in runs])


# ---- what is printed


def _print(analysis: "SourceAnalysis", missing: Mapping[str, str], job: "Job") -> None:
    from dbviz.cli.tables import width_of
    from dbviz.reports.sources import share_rows, sources_rows, verdicts

    network = f"{job.archs[0]} of width {width_of(job.specs[0])}"
    title = f"{job.images.name}, {network}, preset {job.preset}: runs that differ in the named source, 95 % intervals"
    print_table(title, *sources_rows(analysis, missing))
    columns, rows = share_rows(analysis)
    if rows:
        print_table("Shares of the variance when all vary; what is fixed is fixed at one value", columns, rows)
        say("\n".join(verdicts(analysis)))


# ---- what is written


def _write(
    path: Path,
    analysis: "SourceAnalysis",
    missing: Mapping[str, str],
    design: "SourcesDesign",
    maps: "xr.Dataset",
    job: "Job",
    figure_format: str,
) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.core.files import atomic_write
    from dbviz.core.results import write_result
    from dbviz.figures import plot_cells, save_figure
    from dbviz.label_maps import environment_differences
    from dbviz.reports.provenance import label_map_fields
    from dbviz.reports.sources import MAIN_SCORES, sources_csv, sources_fields, sources_latex
    from dbviz.scores import cell_name

    differences = environment_differences(maps)
    report_environment_differences(differences)
    numbers = {
        **label_map_fields(maps, path),
        **sources_fields(analysis),
        "not_measured": dict(missing),
        "cells": {cell_name(cell): [spec.name for spec in runs] for cell, runs in design.cells.items()},
        "fixed": dataclasses.asdict(design.specs[0].seeds),
        "test_accuracy": dict(zip(maps.model.values.tolist(), maps.test_accuracy.values.tolist(), strict=True)),
        "environment_differences": differences,
    }
    written = [path, write_result(path.with_suffix(".json"), numbers, device=job.device)]
    caption = f"Sources of randomness, {job.images.name}, {job.archs[0]}."
    for ending, text in {"csv": sources_csv(analysis), "tex": sources_latex(analysis, caption)}.items():
        written.append(path.with_suffix(f".{ending}"))
        atomic_write(written[-1], text.encode())
    title = f"{job.images.name}, {job.archs[0]}, {maps.sizes['plane']} planes"
    figure = plot_cells({score: analysis.scores[score] for score in MAIN_SCORES[:4]}, missing=missing, title=title)
    written.append(save_figure(figure, path.with_suffix(f".{figure_format}")))
    plt.close(figure)
    say_written(written)
