"""Matrices of scores as tables: for the terminal, CSV and LaTeX."""

from collections.abc import Sequence

import pandas as pd

from dbviz.scores.estimate import Estimate
from dbviz.scores.published import published

__all__ = ["estimate_fields", "matrix_csv", "matrix_frame", "matrix_latex"]

Matrix = dict[tuple[str, str], Estimate]


def matrix_frame(matrix: Matrix, archs: Sequence[str]) -> pd.DataFrame:
    """`0.83 [0.82, 0.84]` for each pair of architectures; empty where an architecture has a single run."""
    cells = [[str(matrix[one, other]) if (one, other) in matrix else "" for other in archs] for one in archs]
    return pd.DataFrame(cells, index=pd.Index(archs), columns=pd.Index(archs))


def matrix_csv(matrix: Matrix, archs: Sequence[str], dataset: str) -> str:
    """One line a pair: value, interval, how many triplets and runs, the published value and the difference from it."""
    return _long_frame(matrix, archs, dataset).to_csv(index=False, float_format="%.6g")


def matrix_latex(matrix: Matrix, archs: Sequence[str], caption: str) -> str:
    r"""A booktabs table, intervals below the values; needs `\usepackage{booktabs}`."""
    cells = [[_latex_cell(matrix[one, other]) if (one, other) in matrix else "" for other in archs] for one in archs]
    names = [arch.replace("_", r"\_") for arch in archs]
    frame = pd.DataFrame(cells, index=pd.Index(names), columns=pd.Index(names))
    return frame.style.to_latex(hrules=True, caption=caption, column_format="l" + "c" * len(archs), position="tb")


def estimate_fields(estimate: Estimate) -> dict[str, float | str | tuple[int, ...]]:
    """An estimate as plain values."""
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "triplets": estimate.triplets,
        "runs": " x ".join(map(str, estimate.runs)),
        "note": estimate.note,
    }


def _long_frame(matrix: Matrix, archs: Sequence[str], dataset: str) -> pd.DataFrame:
    rows = []
    for i, one in enumerate(archs):
        for other in archs[i:]:
            if (one, other) in matrix:
                theirs = published(dataset, one, other)
                difference = matrix[one, other].value - theirs if theirs is not None else None
                fields = estimate_fields(matrix[one, other])
                rows.append({"one": one, "other": other, **fields, "published": theirs, "difference": difference})
    return pd.DataFrame(rows)


def _latex_cell(estimate: Estimate) -> str:
    value, _, interval = str(estimate).partition(" ")
    return rf"\shortstack{{{value} \\ {{\tiny {interval}}}}}"
