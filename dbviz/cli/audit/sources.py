"""The audit `sources`: from which source of randomness the spread of runs comes."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.console import report_environment_differences
from dbviz.cli.options import ExecutorOptions, TrainingOptions
from dbviz.core.errors import InputError, RunsFailed
from dbviz.core.paths import output_directory
from dbviz.core.terminal import duration, print_table, say, say_written
from dbviz.spec import Seeds

if TYPE_CHECKING:
    import xarray as xr

    from dbviz.audits import SourcesDesign
    from dbviz.cli.job import Wanted
    from dbviz.planes import PlaneSet
    from dbviz.runs import Run
    from dbviz.scores import Estimate, SourceAnalysis

__all__ = ["SourcesOptions", "audit_sources", "measured_sources"]

_TRIPLETS = {"quick": 20, "standard": 200, "paper": 500}
_SHOWN = ("sd of test accuracy, %", "churn", "reproducibility", "fragments of a plane", "sd of fragments")
_CPU_REPEATS = "CPU kernels repeat"


@dataclass(frozen=True, kw_only=True)
class SourcesOptions(TrainingOptions, ExecutorOptions):
    """Varies initial weights, order and augmentation apart and together, and shows how far the runs of each spread.

    Beside them a nudge, one initial weight times 1.001, and kernels that do not repeat. What is trained is kept: the
    same command goes on where it was interrupted, and more --runs add to those there are.
    """

    runs: int = 5
    """Runs of each cell of the design. Few runs make wide intervals: an accuracy's variance needs hundreds."""
    sources: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Among init, order, augment, nudge, kernels. Default: all; kernels on a GPU alone, since a CPU's repeat."""
    fixed_seed: int = 0
    """The seed at which the sources stand that do not vary."""
    triplets: int | None = None
    """How many planes, through triplets of test images. Default: 20 for quick, 200 for standard, else 500."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    resolution: int = 50
    """Points on each side of a plane."""
    padding: float = 0.1
    """How far a plane reaches beyond its three images, as a share of their bounding box's side."""
    out: Path = Path("audits")
    """Where tables, numbers, figure and label maps are written."""

    seeds: Annotated[tuple[str, ...], tyro.conf.Fixed, tyro.conf.Suppress] = ("0",)
    init_seed: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    order_seed: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    augment_seed: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None

    def run_seeds(self) -> list[Seeds]:
        """Those of the base run, which all cells share."""
        return [replace(Seeds.all(self.fixed_seed), noise=self.noise_seed)]


def audit_sources(options: SourcesOptions) -> None:
    """The audit as a command does it: see `measured_sources`."""
    measured_sources(options)


def measured_sources(options: SourcesOptions) -> "SourceAnalysis":
    """Trains and samples what is missing, prints tables and writes them, with numbers and figure, to `options.out`.

    Raises:
        InputError: an option is out of range, or a source has no part in this training.
        RunsFailed: a run cannot be had.
    """
    out = output_directory(options.out)

    from dbviz.audits import sources_design
    from dbviz.cli.job import wanted
    from dbviz.cli.load_or_sample import load_or_sample
    from dbviz.planes.plane import check_grid
    from dbviz.scores import analyse_sources

    check_grid(options.resolution, options.padding)
    asked = wanted(options)
    if len(asked.specs) != 1:
        raise InputError(f"{len(asked.specs)} networks given: the sources of one are audited at a time")
    sources = options.sources or _default_sources(asked.device.type)
    design = sources_design(asked.specs[0], sources, runs=options.runs)
    planes = _planes(options, asked)
    runs = _trained(design, options, asked)
    parts = ["sources", asked.images.name, options.arch[0], asked.preset, str(len(planes))]
    grid = {"resolution": options.resolution, "padding": options.padding}
    maps, path = load_or_sample({run.spec.name: run for run in runs}, planes, out, parts, **grid, device=options.device)
    predictions = _predictions(runs)
    found = analyse_sources(predictions, asked.images.test.labels, maps.labels.values, design.positions)
    missing = {} if options.sources or "kernels" in sources else {"kernels": _CPU_REPEATS}
    _print(found, missing, asked)
    _write(path, found, missing, design, maps, asked)
    return found


def _default_sources(device: str) -> Sequence[str]:
    from dbviz.audits import SOURCES

    return [source for source in SOURCES if source != "kernels" or device != "cpu"]


def _trained(design: "SourcesDesign", options: SourcesOptions, asked: "Wanted") -> list["Run"]:
    """The run of each spec of the design, trained where it is missing."""
    from dbviz.cli.execution import choose_executor, tell
    from dbviz.executors import run_tasks
    from dbviz.runs import store
    from dbviz.runs.fitting import estimate_seconds, unfinished
    from dbviz.runs.task import Training

    home = output_directory(store.home_directory(options.home).absolute())
    specs, executor = design.specs, choose_executor(options, asked.device)
    missing = unfinished(specs, home)
    cost = estimate_seconds(missing, asked.images, asked.device)
    seconds = sum(cost.values()) / max(1, min(executor.concurrency, len(missing)))
    what = (
        f"{asked.images.name}: sources of randomness of {specs[0].arch}: {len(design.cells)} cells of {options.runs} "
    )
    todo = f"{len(missing)} to train, about {duration(seconds)}" if missing else f"all trained already, in {home}"
    say(f"{what}runs, {len(specs)} different ones, preset {asked.preset}, {executor}: {todo}.")
    task = Training(
        dataset=asked.images.name,
        home=home,
        data_dir=options.data_dir.absolute() if options.data_dir else None,
        device=str(asked.device),
    )
    failed = run_tasks(cost, task, executor, ready=len(specs) - len(missing), on_event=tell)
    if failed:
        raise RunsFailed(f"{len(failed)} of {len(specs)} runs failed, first {failed[0].spec.name}: {failed[0].error}")
    return [run for spec in specs if (run := store.find(spec, home)) is not None]


def _planes(options: SourcesOptions, asked: "Wanted") -> "PlaneSet":
    from dbviz.planes import draw_planes

    count = _TRIPLETS[asked.preset] if options.triplets is None else options.triplets
    if count < 2:
        raise InputError(f"{count} planes: intervals need at least two (--triplets)")
    return draw_planes(asked.images.test, count, seed=options.triplet_seed)


def _predictions(runs: Sequence["Run"]) -> Any:
    import numpy as np

    return np.stack([run.test_logits().numpy().argmax(axis=1) for run in runs])


# ---- what is said


def _print(found: "SourceAnalysis", missing: Mapping[str, str], asked: "Wanted") -> None:
    from dbviz.reports.tables import frame_rows, scores_frame

    cells = list(found.scores["churn"])
    shown = {score: found.scores[score] for score in _SHOWN}
    rows = frame_rows(scores_frame(shown, cells).T)
    rows += [[cell, f"not measured: {why}", *[""] * (len(shown) - 1)] for cell, why in missing.items()]
    title = f"{asked.images.name}, preset {asked.preset}: runs that differ in what is named, 95 % intervals"
    print_table(title, ["varied", *shown], rows)
    flat = _flat_shares(found)
    if not flat:
        return
    sources = list(dict.fromkeys(source for share in flat.values() for source in share))
    print_table(
        "Shares of the variance when all vary; what is fixed is fixed at one value",
        ["source", *flat],
        frame_rows(scores_frame(flat, sources).T),
    )
    say("\n".join(verdicts(found)))


def verdicts(found: "SourceAnalysis") -> list[str]:
    """For each source whether it alone gives nearly the full variance, quantity by quantity."""
    from dbviz.scores import nearly_full, runs_needed
    from dbviz.scores.sources import NEARLY_FULL

    sources = list(next(iter(found.shares.values()))["total"])
    lines = [f"Does one source alone give nearly the full variance ({NEARLY_FULL:.0%} of it or more)?"]
    for source in sources:
        said = [
            f"{quantity}: {nearly_full(shares['total'][source])} ({shares['total'][source]})"
            for quantity, shares in found.shares.items()
        ]
        lines.append(f"  {source}: {'; '.join(said)}")
    lines.append(
        f"  An accuracy's share of 1 is told from {NEARLY_FULL} by {runs_needed()} runs of each cell; "
        "disagreement needs fewer."
    )
    return lines


def _flat_shares(found: "SourceAnalysis") -> dict[str, dict[str, "Estimate"]]:
    return {
        f"{quantity}, {kind}": shares
        for quantity, kinds in found.shares.items()
        for kind, shares in kinds.items()
        if shares
    }


# ---- what is written


def _write(
    path: Path,
    found: "SourceAnalysis",
    missing: Mapping[str, str],
    design: "SourcesDesign",
    maps: "xr.Dataset",
    asked: "Wanted",
) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.core.files import atomic_write
    from dbviz.core.results import write_result
    from dbviz.figures import plot_cells, save_figure
    from dbviz.label_maps import environment_differences

    differing = environment_differences(maps)
    report_environment_differences(differing)
    numbers = {"label_maps": path.name, **_numbers(found, missing, design, maps), "environment_differences": differing}
    paths = [write_result(path.with_suffix(".json"), numbers, device=asked.device), path.with_suffix(".csv")]
    atomic_write(paths[1], _csv(found).encode())
    title = f"{asked.images.name}, {asked.specs[0].arch}, {maps.sizes['plane']} planes"
    figure = plot_cells({score: found.scores[score] for score in _SHOWN[:4]}, missing=missing, title=title)
    paths.append(save_figure(figure, path.with_suffix(".png")))
    plt.close(figure)
    say_written([path, *paths])


def _numbers(
    found: "SourceAnalysis", missing: Mapping[str, str], design: "SourcesDesign", maps: "xr.Dataset"
) -> dict[str, Any]:
    from dbviz.reports.tables import estimate_fields
    from dbviz.scores import cell_name, nearly_full

    shares = {
        quantity: {kind: {s: estimate_fields(e) for s, e in each.items()} for kind, each in kinds.items()}
        for quantity, kinds in found.shares.items()
    }
    return {
        "scores": {s: {c: estimate_fields(e) for c, e in each.items()} for s, each in found.scores.items()},
        "shares": shares,
        "nearly_full": {
            quantity: {source: nearly_full(e) for source, e in kinds["total"].items()}
            for quantity, kinds in found.shares.items()
        },
        "not_measured": dict(missing),
        "cells": {cell_name(cell): [spec.name for spec in runs] for cell, runs in design.cells.items()},
        "fixed": asdict(design.specs[0].seeds),
        "test_accuracy": dict(zip(maps.model.values.tolist(), maps.test_accuracy.values.tolist(), strict=True)),
        "specs": {spec.name: spec.to_dict() for spec in design.specs},
        "planes": maps.attrs["planes"],
    }


def _csv(found: "SourceAnalysis") -> str:
    """One line a score and cell, then one a share and source."""
    from dbviz.reports.tables import estimate_columns

    shares = {f"share of variance: {name}": each for name, each in _flat_shares(found).items()}
    rows = [
        {"score": score, "varied": varied, **estimate_columns(estimate)}
        for score, each in (found.scores | shares).items()
        for varied, estimate in each.items()
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
