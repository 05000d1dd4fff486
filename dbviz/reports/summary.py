"""A summary of scores as files: its numbers, its tables and its figures."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from dbviz.core.files import atomic_write
from dbviz.core.paths import file_name
from dbviz.core.results import write_result
from dbviz.figures import plot_distributions, plot_extremes, plot_matrix, plot_scores, save_figure
from dbviz.label_maps import environment_differences
from dbviz.reports.tables import estimate_fields, matrix_csv, matrix_latex, scores_csv, scores_latex
from dbviz.scores import Summary, groups, nudged, plane_agreement

__all__ = ["summary_numbers", "write_summary"]


def write_summary(
    stem: Path, maps: xr.Dataset, summary: Summary, *, where: str = "on the whole grid", figure_format: str = "pdf"
) -> list[Path]:
    """Writes `stem.json`, tables as CSV and LaTeX, and figures; their paths.

    Args:
        maps: the label maps that were summarised.
        where: which points the matrix counts, for captions.

    Raises:
        OSError: the place cannot be written to.
    """
    names, dataset = list(groups(maps)), str(maps.attrs["dataset"])
    on = rf"{dataset}, {maps.sizes['plane']} planes, with 95 \% intervals."
    texts = {
        "matrix.csv": matrix_csv(summary.matrix, names, dataset),
        "matrix.tex": matrix_latex(summary.matrix, names, f"Reproducibility {where}, {on}"),
        "scores.csv": scores_csv(summary.scores),
        "scores.tex": scores_latex(summary.scores, names, f"Scores of each network, {on}"),
    }
    paths = [write_result(Path(f"{stem}.json"), summary_numbers(maps, summary))]
    for ending, text in texts.items():
        paths.append(Path(f"{stem}-{ending}"))
        atomic_write(paths[-1], text.encode())
    for kind, figure in _figures(maps, names, summary, f"reproducibility {where}").items():
        paths.append(save_figure(figure, Path(f"{stem}-{kind}.{figure_format}")))
        plt.close(figure)
    return paths


def summary_numbers(maps: xr.Dataset, summary: Summary) -> dict[str, object]:
    """Every number of a summary, with the specs of the runs, the identity of the planes and in what the environments of
    the runs differ, as plain values."""
    return {
        "reproducibility": [
            {"networks": pair, **estimate_fields(e)} for pair, e in summary.matrix.items() if pair[0] <= pair[1]
        ],
        "scores": {s: {n: estimate_fields(e) for n, e in found.items()} for s, found in summary.scores.items()},
        "test_accuracy": dict(zip(maps.model.values.tolist(), maps.test_accuracy.values.tolist(), strict=True)),
        "specs": json.loads(maps.attrs["specs"]),
        "planes": maps.attrs["planes"],
        "environment_differences": environment_differences(maps),
    }


def _figures(maps: xr.Dataset, names: list[str], summary: Summary, label: str) -> dict[str, Figure]:
    """The matrix, the scores by network, the spread over planes, and the planes at either end of it."""
    plain = maps.isel(model=np.flatnonzero(~nudged(maps)))
    runs, agreement = groups(plain), plane_agreement(plain)
    figures = {"matrix": plot_matrix(summary.matrix, names, label=label).figure, "scores": plot_scores(summary.scores)}
    if agreement:
        figures["planes"] = plot_distributions(agreement).figure
    for name, values in agreement.items():
        figures[f"extremes-{file_name([name])}"] = plot_extremes(plain.isel(model=runs[name]), values, title=name)
    return figures
