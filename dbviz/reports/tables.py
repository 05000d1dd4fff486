"""Tables of scores for the terminal, as CSV and as LaTeX; what every subject's report is made of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from dbviz.reports.published import published
from dbviz.scores.estimate import Estimate

__all__ = [
    "csv_text",
    "difference_rows",
    "differences_latex",
    "estimate_columns",
    "estimate_fields",
    "frame_rows",
    "latex_cell",
    "latex_table",
    "matrix_csv",
    "matrix_frame",
    "matrix_latex",
    "noted_caption",
    "pairs_csv",
    "pairs_once",
    "scores_csv",
    "scores_frame",
    "scores_latex",
]

Matrix = Mapping[tuple[str, str], Estimate]
Scores = Mapping[str, Mapping[str, Estimate]]
"""By the name of the score and the name of the network."""

_INTEGERS = re.compile(r"(.*_)?(other_runs|runs|items)")
"""Columns of integers, of which some may be empty."""


def estimate_fields(estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON values; None for an end that is not finite.

    Example:
        >>> estimate_fields(Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5, 3)))["runs"]
        [5, 3]
    """
    return estimate.to_dict()


def estimate_columns(estimate: Estimate | None, prefix: str = "") -> dict[str, Any]:
    """An estimate as columns of a CSV table, with `prefix` before their names; all are None where there is none.

    `runs` and `other_runs` are integers; the second is None within a network.

    Example:
        >>> columns = estimate_columns(Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5, 3)))
        >>> columns["items"], columns["item"], columns["runs"], columns["other_runs"]
        (500, 'planes', 5, 3)
    """
    names = ("value", "low", "high", "level", "items", "item", "runs", "other_runs", "note")
    columns: dict[str, Any] = {} if estimate is None else estimate.to_dict()
    if estimate is not None:
        columns["runs"], columns["other_runs"] = (*estimate.runs, None)[:2]
    return {f"{prefix}{name}": columns.get(name) for name in names}


def matrix_frame(matrix: Matrix, names: Sequence[str]) -> pd.DataFrame:
    """`0.83 [0.82, 0.84]` for each pair of networks; empty where a network has a single run."""
    cells = [[str(matrix[row, column]) if (row, column) in matrix else "" for column in names] for row in names]
    return pd.DataFrame(cells, index=pd.Index(names), columns=pd.Index(names))


def scores_frame(scores: Scores, names: Sequence[str]) -> pd.DataFrame:
    """`0.83 [0.82, 0.84]` for each score (rows) of each network (columns); empty where a network lacks the score."""
    cells = [[str(row[name]) if name in row else "" for name in names] for row in scores.values()]
    return pd.DataFrame(cells, index=pd.Index(list(scores)), columns=pd.Index(names))


def frame_rows(frame: pd.DataFrame) -> list[list[str]]:
    """The rows of a table of texts, each after its name."""
    return [[str(name), *row] for name, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)]


def matrix_csv(matrix: Matrix, names: Sequence[str], dataset: str) -> str:
    """One line a pair: the estimate, the published value and the difference from it.

    Example:
        >>> estimate = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> print(matrix_csv({("vit", "vit"): estimate}, ["vit"], "cifar10"), end="")
        network,other_network,value,low,high,level,items,item,runs,other_runs,note,published,difference
        vit,vit,0.8,0.7,0.9,0.95,500,planes,5,,,0.75,0.05
    """
    rows = []
    for i, name in enumerate(names):
        for other in names[i:]:
            if (name, other) in matrix:
                columns = estimate_columns(matrix[name, other])
                reference = published(dataset, name, other)
                difference = None if reference is None else columns["value"] - reference
                pair = {"network": name, "other_network": other}
                rows.append({**pair, **columns, "published": reference, "difference": difference})
    return csv_text(rows)


def scores_csv(scores: Scores) -> str:
    """One line a score and network.

    Example:
        >>> estimate = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> print(scores_csv({"reproducibility": {"vit": estimate}}), end="")
        score,network,value,low,high,level,items,item,runs,other_runs,note
        reproducibility,vit,0.8,0.7,0.9,0.95,500,planes,5,,
    """
    return csv_text(
        [
            {"score": score, "network": name, **estimate_columns(estimate)}
            for score, estimates in scores.items()
            for name, estimate in estimates.items()
        ]
    )


def matrix_latex(matrix: Matrix, names: Sequence[str], caption: str) -> str:
    r"""A booktabs table with intervals below the values; needs `\usepackage{booktabs}`.

    Example:
        >>> estimate = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> print(matrix_latex({("vit", "vit"): estimate}, ["vit"], "Reproducibility").splitlines()[6])
        vit & \shortstack{0.80 \\ {\tiny [0.70, 0.90]}} \\
    """
    cells = [[latex_cell(matrix.get((row, column))) for column in names] for row in names]
    return latex_table(cells, names, names, noted_caption(caption, matrix.values()))


def scores_latex(scores: Scores, names: Sequence[str], caption: str) -> str:
    r"""A booktabs table, one row a network and one column a score; needs `\usepackage{booktabs}`.

    Example:
        >>> estimate = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> print(scores_latex({"reproducibility": {"vit": estimate}}, ["vit"], "Scores").splitlines()[4])
         & reproducibility \\
    """
    cells = [[latex_cell(estimates.get(name)) for estimates in scores.values()] for name in names]
    estimates = [estimate for row in scores.values() for estimate in row.values()]
    return latex_table(cells, names, list(scores), noted_caption(caption, estimates))


def differences_latex(differences: Mapping[str, Matrix], caption: str) -> str:
    r"""A booktabs table, one row a pair of networks and one column a score; needs `\usepackage{booktabs}`.

    Example:
        >>> estimate = Estimate(value=0.1, low=0.05, high=0.15, items=500, runs=(5, 5))
        >>> print(differences_latex({"reproducibility": {("vit", "fcnet"): estimate}}, "Differences").splitlines()[6])
        vit $-$ fcnet & \shortstack{0.10 \\ {\tiny [0.05, 0.15]}} \\
    """
    pairs = list(dict.fromkeys(pair for matrix in differences.values() for pair in matrix))
    cells = [[latex_cell(matrix.get(pair)) for matrix in differences.values()] for pair in pairs]
    estimates = [estimate for matrix in differences.values() for estimate in matrix.values()]
    names = [f"{a} $-$ {b}" for a, b in pairs]
    return latex_table(cells, names, list(differences), noted_caption(caption, estimates))


def pairs_csv(tables: Mapping[str, Matrix]) -> str:
    """One line a score and pair of networks, each pair once.

    Example:
        >>> estimate = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5, 5))
        >>> print(pairs_csv({"kappa": {("vit", "fcnet"): estimate, ("fcnet", "vit"): estimate}}), end="")
        score,network,other_network,value,low,high,level,items,item,runs,other_runs,note
        kappa,vit,fcnet,0.8,0.7,0.9,0.95,500,planes,5,5,
    """
    return csv_text(
        [
            {"score": score, "network": a, "other_network": b, **estimate_columns(matrix[a, b])}
            for score, matrix in tables.items()
            for a, b in pairs_once(matrix)
        ]
    )


def pairs_once(matrix: Matrix) -> list[tuple[str, str]]:
    """Each pair of networks once, in the order of the estimate's runs.

    Example:
        >>> estimate = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5, 5))
        >>> pairs_once({("vit", "fcnet"): estimate, ("fcnet", "vit"): estimate})
        [('vit', 'fcnet')]
    """
    first: dict[frozenset[str], tuple[str, str]] = {}
    for pair in matrix:
        first.setdefault(frozenset(pair), pair)
    return list(first.values())


def difference_rows(differences: Mapping[str, Matrix]) -> list[list[str]]:
    """For each score and pair of networks the difference with its interval, and whether that excludes zero.

    Example:
        >>> estimate = Estimate(value=0.1, low=0.05, high=0.15, items=500, runs=(5, 5))
        >>> difference_rows({"reproducibility": {("vit", "fcnet"): estimate}})
        [['reproducibility', 'vit - fcnet', '0.10 [0.05, 0.15]', 'yes']]
    """
    return [
        [score, f"{a} - {b}", str(estimate), "yes" if estimate.low > 0 or estimate.high < 0 else "no"]
        for score, pairs in differences.items()
        for (a, b), estimate in pairs.items()
    ]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A CSV table with a heading; None is an empty cell, a float has six significant digits.

    Example:
        >>> print(csv_text([{"score": 0.123456789, "runs": 3}, {"score": None, "runs": None}]), end="")
        score,runs
        0.123457,3
        ,
    """
    frame = pd.DataFrame(list(rows))
    integers = {str(name): "Int64" for name in frame.columns if _INTEGERS.fullmatch(str(name))}
    return frame.astype(integers).to_csv(index=False, float_format="%.6g")


def latex_table(cells: Sequence[Sequence[str]], rows: Sequence[str], columns: Sequence[str], caption: str) -> str:
    r"""A booktabs table of LaTeX cells; names and caption may be plain text. Needs `\usepackage{booktabs}`."""
    index, header = (pd.Index([_escaped(name) for name in names]) for names in (rows, columns))
    frame = pd.DataFrame([list(row) for row in cells], index=index, columns=header)
    alignment = "l" + "c" * len(columns)
    return frame.style.to_latex(hrules=True, caption=_escaped(caption), column_format=alignment, position="tb")


def latex_cell(estimate: Estimate | None) -> str:
    """The value of an estimate with its interval below, and what that covers; empty where there is none."""
    if estimate is None:
        return ""
    covers = rf" \\ {{\tiny ({estimate.covers})}}" if estimate.covers else ""
    return rf"\shortstack{{{estimate.value_text} \\ {{\tiny {estimate.interval_text}}}{covers}}}"


def noted_caption(caption: str, estimates: Iterable[Estimate]) -> str:
    """The caption of a table or figure, with what the intervals that do not cover the runs cover.

    Example:
        >>> over_planes = Estimate(value=0.8, low=0.7, high=0.9, items=5, runs=(2,), note="over planes alone: 2 runs")
        >>> noted_caption("Reproducibility.", [over_planes])
        'Reproducibility. Intervals marked (planes only) do not show how runs vary.'
    """
    marks = dict.fromkeys(f"({estimate.covers})" for estimate in estimates if estimate.covers)
    return f"{caption} Intervals marked {' or '.join(marks)} do not show how runs vary." if marks else caption


def _escaped(text: str) -> str:
    """Text for LaTeX; what is escaped already stays as it is."""
    return re.sub(r"(?<!\\)([_%&#])", r"\\\1", text)
