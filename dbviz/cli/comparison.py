"""Networks compared on the same planes, as the scripts of published figures do: trained, sampled, scored, written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from dbviz.cli.execution import job_executor, report_event, train_runs
from dbviz.cli.image_scores import image_scores_of
from dbviz.cli.job import Job, make_job
from dbviz.cli.label_maps import load_or_sample
from dbviz.cli.options import ComparisonOptions, FigureFormat, check_options
from dbviz.core.paths import output_directory
from dbviz.core.terminal import print_table, say, say_written
from dbviz.planes import PlaneSet, draw_planes
from dbviz.reports.summary import pair_tables, write_summary
from dbviz.reports.tables import frame_rows, matrix_frame, scores_frame
from dbviz.runs import Run
from dbviz.scores import Summary, runs_by_network, summarise

__all__ = ["Comparison", "compare", "print_summary", "sample_compared"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Networks and their label maps on the same planes."""

    job: Job
    runs: list[Run]
    planes: PlaneSet
    maps: xr.Dataset
    path: Path
    """The label maps' file; other results are called after it."""
    figure_format: FigureFormat

    def summary(self, *, image_scores: bool = False) -> Summary:
        """Every score of the label maps, with `image_scores` those of the test images too."""
        summary = summarise(self.maps)
        return summary.with_scores(image_scores_of(self.runs, self.job.images)) if image_scores else summary

    def write(self, summary: Summary) -> None:
        """Writes numbers, tables and figures beside the label maps, and prints their paths."""
        stem = self.path.with_suffix("")
        say_written(
            [
                self.path,
                *write_summary(stem, self.maps, summary, figure_format=self.figure_format, label_maps=self.path),
            ]
        )


def compare(
    name: str, options: ComparisonOptions, *, resolution: int = 50, padding: float = 0.1, refine: bool = False
) -> Comparison:
    """The networks that `options` describe, trained or loaded, and sampled on planes through test images.

    Args:
        name: of the comparison; files begin with it.

    Raises:
        InputError: an option is out of range or names something unknown, or a place cannot be written to.
    """
    check_options(options)
    out = output_directory(options.output.out)
    job = make_job(options)
    runs = train_runs(job)
    planes = draw_planes(job.images.test, options.planes.triplets, seed=options.planes.triplet_seed)
    grid = {"resolution": resolution, "padding": padding, "refine": refine}
    maps, path = sample_compared([name], runs, planes, job, out, **grid)
    return Comparison(job=job, runs=runs, planes=planes, maps=maps, path=path, figure_format=options.output.format)


def sample_compared(
    name_parts: Sequence[str],
    runs: Sequence[Run],
    planes: PlaneSet,
    job: Job,
    out: Path,
    *,
    resolution: int = 50,
    padding: float = 0.1,
    refine: bool = False,
) -> tuple[xr.Dataset, Path]:
    """The label maps of `runs` on `planes`, loaded or sampled, and their file in `out`.

    Raises:
        InputError: as `dbviz.sample`.
    """
    parts = [*name_parts, job.images.name, job.preset, str(len(planes))]
    models = {run.spec.name: run for run in runs}
    grid = {"resolution": resolution, "padding": padding, "refine": refine}
    executor: dict[str, Any] = {"executor": job_executor(job), "on_event": report_event}
    return load_or_sample(models, planes, out, parts, **grid, device=str(job.device), **executor)


def print_summary(maps: xr.Dataset, summary: Summary) -> None:
    """Prints the matrix, the scores of each network, and what some of the intervals do not cover."""
    names = list(runs_by_network(maps))
    print_table("Reproducibility, 95 % intervals", ["", *names], frame_rows(matrix_frame(summary.matrix, names)))
    print_table("By network", ["", *names], frame_rows(scores_frame(summary.scores, names)))
    for title, heading, rows in pair_tables(summary, names):
        print_table(title, heading, rows)
    for note in summary.notes:
        say(f"Note on some intervals: {note}.")
