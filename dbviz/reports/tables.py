"""Scores as tables: for the terminal, CSV and LaTeX."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dbviz.reports.published import published
from dbviz.scores.estimate import Estimate

__all__ = [
    "estimate_fields",
    "frame_rows",
    "matrix_csv",
    "matrix_frame",
    "matrix_latex",
    "scores_csv",
    "scores_frame",
    "scores_latex",
]

Matrix = dict[tuple[str, str], Estimate]
Scores = Mapping[str, Mapping[str, Estimate]]
"""By the name of the score, and in it by network."""


def matrix_frame(matrix: Matrix, names: Sequence[str]) -> pd.DataFrame:
    """`0.83 [0.82, 0.84]` for each pair of networks; empty where a network has a single run."""
    cells = [[str(matrix[one, other]) if (one, other) in matrix else "" for other in names] for one in names]
    return pd.DataFrame(cells, index=pd.Index(names), columns=pd.Index(names))


def scores_frame(scores: Scores, names: Sequence[str]) -> pd.DataFrame:
    """`0.83 [0.82, 0.84]` for each score (rows) of each network (columns); empty where it has none."""
    cells = [[str(found[name]) if name in found else "" for name in names] for found in scores.values()]
    return pd.DataFrame(cells, index=pd.Index(list(scores)), columns=pd.Index(names))


def frame_rows(frame: pd.DataFrame) -> list[list[str]]:
    """The rows of a table of texts, each behind its name."""
    return [[str(name), *row] for name, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)]


def matrix_csv(matrix: Matrix, names: Sequence[str], dataset: str) -> str:
    """One line a pair: value, interval, how many triplets and runs, the published value and the difference from it."""
    rows = []
    for i, one in enumerate(names):
        for other in names[i:]:
            if (one, other) in matrix:
                theirs = published(dataset, one, other)
                difference = matrix[one, other].value - theirs if theirs is not None else None
                fields = estimate_fields(matrix[one, other])
                rows.append({"one": one, "other": other, **fields, "published": theirs, "difference": difference})
    return _csv(rows)


def scores_csv(scores: Scores) -> str:
    """One line a score and network: value, interval, how many triplets and runs."""
    return _csv(
        [
            {"score": score, "network": name, **estimate_fields(estimate)}
            for score, found in scores.items()
            for name, estimate in found.items()
        ]
    )


def matrix_latex(matrix: Matrix, names: Sequence[str], caption: str) -> str:
    r"""A booktabs table, intervals below the values; needs `\usepackage{booktabs}`."""
    cells = [[_latex_cell(matrix.get((one, other))) for other in names] for one in names]
    return _latex(cells, names, names, caption)


def scores_latex(scores: Scores, names: Sequence[str], caption: str) -> str:
    r"""A booktabs table, a network a row and a score a column; needs `\usepackage{booktabs}`."""
    cells = [[_latex_cell(found.get(name)) for found in scores.values()] for name in names]
    return _latex(cells, names, list(scores), caption)


def estimate_fields(estimate: Estimate) -> dict[str, Any]:
    """An estimate as plain values; None where it has no bound."""
    bounds = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {
        **{name: value if math.isfinite(value) else None for name, value in bounds.items()},
        "level": estimate.level,
        "triplets": estimate.triplets,
        "runs": " x ".join(map(str, estimate.runs)),
        "note": estimate.note,
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.6g")


def _latex(cells: list[list[str]], rows: Sequence[str], columns: Sequence[str], caption: str) -> str:
    index, header = (pd.Index([name.replace("_", r"\_") for name in names]) for names in (rows, columns))
    frame = pd.DataFrame(cells, index=index, columns=header)
    return frame.style.to_latex(hrules=True, caption=caption, column_format="l" + "c" * len(columns), position="tb")


def _latex_cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value, _, interval = str(estimate).partition(" ")
    return rf"\shortstack{{{value} \\ {{\tiny {interval}}}}}"
