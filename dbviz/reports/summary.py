"""A summary of scores as rows of a table, as JSON values, and as files: numbers, tables and figures."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from dbviz.core.files import atomic_write
from dbviz.core.paths import file_name
from dbviz.core.results import write_result
from dbviz.figures import plot_distributions, plot_extremes, plot_matrix, plot_scores, save_figure
from dbviz.label_maps import environment_differences
from dbviz.reports.provenance import label_map_fields
from dbviz.reports.published import published
from dbviz.reports.reading import read_estimates
from dbviz.reports.tables import (
    difference_rows,
    differences_latex,
    estimate_fields,
    frame_rows,
    matrix_csv,
    matrix_frame,
    matrix_latex,
    pairs_csv,
    pairs_once,
    scores_csv,
    scores_frame,
    scores_latex,
)
from dbviz.scores import Estimate, Summary, nudged_mask, plane_agreement, runs_by_network
from dbviz.sweeps.files import read_result

__all__ = ["load_summary", "pair_tables", "summary_fields", "summary_rows", "write_summary"]


def write_summary(
    stem: Path,
    maps: xr.Dataset,
    summary: Summary,
    *,
    where: str = "on the whole grid",
    figure_format: str = "pdf",
    label_maps: Path | None = None,
) -> list[Path]:
    """Writes `stem.json`, tables as CSV and LaTeX, and figures; returns their paths.

    Args:
        stem: directory and beginning of the files' names.
        maps: the label maps that were summarised.
        where: which points the matrix counts, for captions.
        figure_format: `pdf`, `png` or `svg`.
        label_maps: the file of the label maps, which is named among the numbers.

    Raises:
        OSError: the files cannot be written.

    Example:
        >>> import json, tempfile
        >>> from dbviz.label_maps import from_array
        >>> from dbviz.scores import summarise
        >>> labels = np.random.default_rng(0).integers(0, 2, (2, 3, 9, 9))  # model, plane, row, column
        >>> maps = from_array(labels, networks=["vit", "fcnet"])
        >>> paths = write_summary(Path(tempfile.mkdtemp()) / "scores", maps, summarise(maps))
        >>> [path.name for path in paths][:3]
        ['scores.json', 'scores-matrix.csv', 'scores-matrix.tex']
        >>> json.loads(paths[0].read_text())["scores"]["fragments of a plane"]["vit"]["runs"]
        [1]
    """
    names, dataset = list(runs_by_network(maps)), str(maps.attrs["dataset"])
    on = rf"{dataset}, {maps.sizes['plane']} planes, with 95 \% intervals."
    texts = {
        "matrix.csv": matrix_csv(summary.matrix, names, dataset),
        "matrix.tex": matrix_latex(summary.matrix, names, f"Reproducibility {where}, {on}"),
        "scores.csv": scores_csv(summary.scores),
        "scores.tex": scores_latex(summary.scores, names, f"Scores of each network, {on}"),
    }
    if summary.matrices:
        texts["matrices.csv"] = pairs_csv(summary.matrices)
    if summary.differences:
        caption = f"Differences between networks, {on} Planes, and seeds that both have, are left out of both at once."
        texts["differences.csv"] = pairs_csv(summary.differences)
        texts["differences.tex"] = differences_latex(summary.differences, caption)
    paths = [write_result(Path(f"{stem}.json"), summary_fields(maps, summary, label_maps))]
    for ending, text in texts.items():
        paths.append(Path(f"{stem}-{ending}"))
        atomic_write(paths[-1], text.encode())
    for kind, figure in _figures(maps, names, summary, f"reproducibility {where}").items():
        paths.append(save_figure(figure, Path(f"{stem}-{kind}.{figure_format}")))
        plt.close(figure)
    return paths


def summary_fields(maps: xr.Dataset, summary: Summary, label_maps: Path | None = None) -> dict[str, object]:
    """Every number of a summary as JSON values, with the label maps' provenance.

    The provenance is dataset, grid, triplets, specs, and the differences between the environments of the runs.

    Args:
        label_maps: the file of the label maps, which is named too.

    Example:
        >>> from dbviz.label_maps import from_array
        >>> maps = from_array(np.zeros((2, 3, 9, 9), np.uint8), networks=["vit", "fcnet"])
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=3, runs=(1, 1))
        >>> fields = summary_fields(maps, Summary(matrix={("fcnet", "vit"): agreement}, scores={}))
        >>> fields["reproducibility"][0]["networks"], fields["resolution"], fields["planes"]
        (['fcnet', 'vit'], 9, 3)
    """
    return {
        "reproducibility": _pair_fields(summary.matrix),
        "matrices": {name: _pair_fields(matrix) for name, matrix in summary.matrices.items()},
        "differences": {score: _pair_fields(pairs) for score, pairs in summary.differences.items()},
        "scores": {s: {n: estimate_fields(e) for n, e in row.items()} for s, row in summary.scores.items()},
        "test_accuracy": {
            name: accuracy if np.isfinite(accuracy) else None
            for name, accuracy in zip(maps.model.values.tolist(), maps.test_accuracy.values.tolist(), strict=True)
        },
        **label_map_fields(maps, label_maps),
        "environment_differences": environment_differences(maps),
    }


def _pair_fields(matrix: Mapping[tuple[str, str], Estimate]) -> list[dict[str, Any]]:
    return [{"networks": list(pair), **estimate_fields(matrix[pair])} for pair in pairs_once(matrix)]


def _read_pairs(entries: Sequence[Mapping[str, Any]], *, both_ways: bool = True) -> dict[tuple[str, str], Estimate]:
    matrix: dict[tuple[str, str], Estimate] = {}
    for fields in entries:
        row, column = fields["networks"]
        matrix[row, column] = Estimate.from_dict(fields)
        if both_ways:
            matrix[column, row] = matrix[row, column]
    return matrix


def load_summary(path: str | os.PathLike[str]) -> Summary:
    """The summary in the JSON that `write_summary` wrote; files of dbviz 0.1 are read too.

    The estimates have no variances. `dbviz.figures.plot_scores(summary.scores)` and `plot_matrix` draw them.

    Raises:
        InputError: there is no such file, or it holds no scores.

    Example:
        >>> import json, tempfile
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,)).to_dict()
        >>> path = Path(tempfile.mkdtemp()) / "scores.json"
        >>> matrix = [{"networks": ["vit", "vit"], **agreement}]
        >>> _ = path.write_text(json.dumps({"reproducibility": matrix, "scores": {}}))
        >>> load_summary(path).matrix
        {('vit', 'vit'): Estimate(0.80 [0.70, 0.90], 500 planes, 5 runs)}
    """
    result = read_result(path, "reproducibility", "python -m dbviz.score")
    differences = result.get("differences", {})
    return Summary(
        matrix=_read_pairs(result["reproducibility"]),
        scores={s: read_estimates(s, networks) for s, networks in result["scores"].items()},
        matrices={name: _read_pairs(entries) for name, entries in result.get("matrices", {}).items()},
        differences={name: _read_pairs(entries, both_ways=False) for name, entries in differences.items()},
    )


def pair_tables(summary: Summary, names: Sequence[str]) -> list[tuple[str, list[str], list[list[str]]]]:
    """The title, heading and rows of the tables of further scores between networks, and of the differences.

    The Jaccard indices of single classes are in the files alone.

    Example:
        >>> estimate = Estimate(value=0.1, low=0.05, high=0.15, items=500, runs=(5, 5))
        >>> summary = Summary(matrix={}, scores={}, differences={"reproducibility": {("vit", "fcnet"): estimate}})
        >>> pair_tables(summary, ["vit", "fcnet"])[0][2]
        [['reproducibility', 'vit - fcnet', '0.10 [0.05, 0.15]', 'yes']]
    """
    shown = {
        name: matrix
        for name, matrix in summary.matrices.items()
        if len(names) > 1 and not name.startswith("Jaccard index of ")
    }
    titles = {"agreement at the same seed": "Agreement at the same seed (shared randomness), 95 % intervals"}
    tables = [
        (
            titles.get(name, f"Within and between networks: {name}"),
            ["", *names],
            frame_rows(matrix_frame(matrix, names)),
        )
        for name, matrix in shown.items()
    ]
    rows = difference_rows(summary.differences)
    heading = ["score", "networks", "difference", "excludes zero"]
    title = "Differences, each with a 95 % interval of its own, paired over planes and shared seeds"
    return [*tables, (title, heading, rows)] if rows else tables


def summary_rows(maps: xr.Dataset, summary: Summary) -> list[list[str]]:
    """The rows of a table with a column a network: its runs, its scores, and the published reproducibility.

    Example:
        >>> from dbviz.label_maps import from_array
        >>> maps = from_array(np.zeros((2, 3, 4, 4), np.uint8), networks="vit").assign_attrs(dataset="cifar10")
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=3, runs=(2,))
        >>> summary = Summary(matrix={("vit", "vit"): agreement}, scores={"reproducibility": {"vit": agreement}})
        >>> for row in summary_rows(maps, summary):
        ...     print(row)
        ['runs', '2']
        ['reproducibility', '0.80 [0.70, 0.90]']
        ['published (full networks, 100 epochs)', '0.75']
        ['difference from published', '+0.05']
    """
    networks = runs_by_network(maps)
    rows = [["runs", *(str(len(runs)) for runs in networks.values())]]
    rows += frame_rows(scores_frame(summary.scores, list(networks)))
    references = {name: published(maps.attrs["dataset"], name, name) for name in networks}
    if any(references.values()):
        estimates = summary.scores.get("reproducibility", {})
        shown = ["" if reference is None else f"{reference:.2f}" for reference in references.values()]
        rows.append(["published (full networks, 100 epochs)", *shown])
        differences = [_difference(estimates.get(name), reference) for name, reference in references.items()]
        rows.append(["difference from published", *differences])
    return rows


def _difference(estimate: Estimate | None, reference: float | None) -> str:
    return "" if estimate is None or reference is None else f"{estimate.value - reference:+.2f}"


def _figures(maps: xr.Dataset, names: list[str], summary: Summary, label: str) -> dict[str, Figure]:
    """The matrix, the scores by network, the distribution over planes, and the planes at its two ends."""
    plain = maps.isel(model=np.flatnonzero(~nudged_mask(maps)))
    runs, agreement = runs_by_network(plain), plane_agreement(plain)
    same_seed = summary.matrices.get("agreement at the same seed", {})
    matrix = plot_matrix(summary.matrix, names, label=label, same_seed=same_seed)
    figures = {"matrix": matrix.figure, "scores": plot_scores(summary.scores)}
    if agreement:
        figures["planes"] = plot_distributions(agreement).figure
    for name, values in agreement.items():
        figures[f"extremes-{file_name([name])}"] = plot_extremes(plain.isel(model=runs[name]), values, title=name)
    return figures
