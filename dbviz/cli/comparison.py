"""Networks compared on the same planes, as scripts of published figures do: trained, sampled, scored, written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from dbviz.cli.job import Wanted, fit_wanted, image_scores_of, wanted
from dbviz.cli.load_or_sample import load_or_sample
from dbviz.cli.options import ComparisonOptions
from dbviz.core.paths import output_directory
from dbviz.core.terminal import print_table, say, say_written
from dbviz.planes import PlaneSet, draw_planes
from dbviz.reports.summary import write_summary
from dbviz.reports.tables import frame_rows, matrix_frame, scores_frame
from dbviz.runs import Run
from dbviz.scores import Summary, runs_by_network, summarise

__all__ = ["Comparison", "compare", "print_summary", "sample_compared"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Networks and what they say on the same planes."""

    asked: Wanted
    runs: list[Run]
    planes: PlaneSet
    maps: xr.Dataset
    path: Path
    """The label maps' file; other results are called after it."""

    def summary(self, *, image_scores: bool = False) -> Summary:
        """Every score of the label maps, and of test images where `image_scores` asks for them."""
        found = summarise(self.maps)
        return found.with_scores(image_scores_of(self.runs, self.asked.images)) if image_scores else found

    def write(self, summary: Summary) -> None:
        """Writes numbers, tables and figures beside the label maps, and says where."""
        say_written([self.path, *write_summary(self.path.with_suffix(""), self.maps, summary)])


def compare(
    name: str, options: ComparisonOptions, *, resolution: int = 50, padding: float = 0.1, refine: bool = False
) -> Comparison:
    """The networks that `options` ask for, trained or found, sampled on planes through test images.

    Args:
        name: of the comparison; files begin with it.

    Raises:
        InputError: an option is out of range or names something unknown, or a place cannot be written to.
    """
    output_directory(options.out)
    asked = wanted(options)
    runs = fit_wanted(asked, options)
    planes = draw_planes(asked.images.test, options.triplets, seed=options.triplet_seed)
    grid = {"resolution": resolution, "padding": padding, "refine": refine}
    maps, path = sample_compared([name], runs, planes, asked, options, **grid)
    return Comparison(asked=asked, runs=runs, planes=planes, maps=maps, path=path)


def sample_compared(
    name_parts: Sequence[str],
    runs: Sequence[Run],
    planes: PlaneSet,
    asked: Wanted,
    options: ComparisonOptions,
    *,
    resolution: int = 50,
    padding: float = 0.1,
    refine: bool = False,
) -> tuple[xr.Dataset, Path]:
    """The label maps of `runs` on `planes`, found or sampled, and their file, named by `name_parts` and what was asked.

    Raises:
        InputError: as `dbviz.sample`.
    """
    parts = [*name_parts, asked.images.name, asked.preset, str(len(planes))]
    named = {run.spec.name: run for run in runs}
    grid = {"resolution": resolution, "padding": padding, "refine": refine}
    return load_or_sample(named, planes, options.out, parts, **grid, device=options.device)


def print_summary(maps: xr.Dataset, summary: Summary) -> None:
    """The matrix, the scores of each network, and what some of the intervals do not cover."""
    names = list(runs_by_network(maps))
    print_table("Reproducibility, 95 % intervals", ["", *names], frame_rows(matrix_frame(summary.matrix, names)))
    print_table("By network", ["", *names], frame_rows(scores_frame(summary.scores, names)))
    for note in summary.notes:
        say(f"Note on some intervals: {note}.")
