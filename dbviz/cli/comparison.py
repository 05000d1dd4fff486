"""Networks compared on the same planes, as the scripts of published figures do: trained, sampled, scored, written."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from dbviz.cli.execution import train_runs
from dbviz.cli.image_scores import image_scores_of
from dbviz.cli.job import Job, make_job
from dbviz.cli.label_maps import sample_job
from dbviz.cli.options import ComparisonOptions, FigureFormat, check_options
from dbviz.core.paths import output_directory
from dbviz.core.terminal import print_table, say, say_written
from dbviz.planes import PlaneSet, draw_planes
from dbviz.reports.summary import pair_tables, write_summary
from dbviz.reports.tables import frame_rows, matrix_frame, scores_frame
from dbviz.runs import Run
from dbviz.scores import Summary, runs_by_network, summarise

__all__ = ["Comparison", "compare", "print_summary"]


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
    parts = [name, job.images.name, job.preset, str(len(planes))]
    maps, path = sample_job(job, runs, planes, out, parts, **grid)
    return Comparison(job=job, runs=runs, planes=planes, maps=maps, path=path, figure_format=options.output.format)


def print_summary(maps: xr.Dataset, summary: Summary) -> None:
    """Prints the matrix, the scores of each network, and what some of the intervals do not cover."""
    names = list(runs_by_network(maps))
    print_table("Reproducibility, 95 % intervals", ["", *names], frame_rows(matrix_frame(summary.matrix, names)))
    print_table("By network", ["", *names], frame_rows(scores_frame(summary.scores, names)))
    for title, heading, rows in pair_tables(summary, names):
        print_table(title, heading, rows)
    for note in summary.notes:
        say(f"Note on some intervals: {note}.")
