"""Label maps from a few of their points: a quadtree that is refined only where a boundary may be.

It starts from a coarse lattice. A cell is filled with the label of its corners if the corners agree and the gap between
their logit and every other is large against the variation of that gap from corner to corner: the gap of a smooth
function would have to bend sharply inside the cell to change its sign there. Every other cell is split at its middle.
A filled cell is split after all when a point evaluated later on its rim has another label.

Axes: k classes; a cell is (plane, top, bottom, left, right), the rows and columns of its rim.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

__all__ = ["CAUTION", "Refined", "refined"]

Evaluate = Callable[[Int64[np.ndarray, " n"]], Float32[np.ndarray, "n k"]]
"""Returns the logits at points, numbered plane by plane and row by row, in rising order."""

CAUTION = 0.25
"""How large the logit gap must be, as a share of its variation over a cell's corners. Larger is safer and slower."""
_STRIDE = 16
"""Points from one line of the first lattice to the next."""

Cells = Int64[np.ndarray, "_ 5"]


@dataclass(frozen=True, eq=False)
class Refined:
    """Labels of every point of some planes, and which of them were evaluated."""

    labels: UInt8[np.ndarray, "plane row column"]
    evaluated: Bool[np.ndarray, "plane row column"]


def refined(
    evaluate: Evaluate, planes: int, resolution: int, *, caution: float = CAUTION, stride: int = _STRIDE
) -> Refined:
    """The label maps of `planes` planes, all refined together, level by level.

    No point is evaluated twice. An evaluated point has the label of its largest logit; with an infinite `caution` every
    point is evaluated.
    """
    logits = _CachedLogits(evaluate, planes * resolution**2)
    labels = np.zeros((planes, resolution, resolution), np.uint8)
    evaluated = np.zeros(labels.shape, bool)
    filled, cells = np.empty((0, 5), np.int64), _lattice(planes, resolution, stride)
    while len(cells):
        corners = _corners(cells, resolution)
        values = logits.at(corners)
        evaluated.reshape(-1)[corners] = True
        labels.reshape(-1)[corners] = values.argmax(2)
        uniform = _is_uniform(values, caution)
        _fill(labels, evaluated, cells[uniform])
        filled = np.concatenate([filled, cells[uniform]])
        cells = _split(cells[~uniform])
        if not len(cells):
            contradicted = _is_contradicted(labels, evaluated, filled)
            filled, cells = filled[~contradicted], _split(filled[contradicted])
    return Refined(labels, evaluated)


class _CachedLogits:
    """Logits by point, each evaluated once."""

    def __init__(self, evaluate: Evaluate, points: int) -> None:
        self.evaluate = evaluate
        self.place = np.full(points, -1, np.int64)
        """The row of each point's logits; -1 where they are not evaluated yet."""
        self.rows: list[np.ndarray] = []

    def at(self, points: Int64[np.ndarray, "n corner"]) -> Float32[np.ndarray, "n corner k"]:
        """The logits at the points; those not cached are evaluated together."""
        new = np.unique(points[self.place[points] < 0])
        if len(new):
            known = sum(map(len, self.rows))
            self.place[new] = np.arange(known, known + len(new))
            self.rows = [np.concatenate([*self.rows, self.evaluate(new)])]
        return self.rows[0][self.place[points]]


def _lattice(planes: int, resolution: int, stride: int) -> Cells:
    """Cells of `stride` points a side; those at the end are smaller where the stride does not divide the grid."""
    lines = np.append(np.arange(0, resolution - 1, stride), resolution - 1)
    plane, row, column = np.indices((planes, len(lines) - 1, len(lines) - 1)).reshape(3, -1)
    return np.stack([plane, lines[row], lines[row + 1], lines[column], lines[column + 1]], 1)


def _corners(cells: Cells, resolution: int) -> Int64[np.ndarray, "n 4"]:
    """The numbers of each cell's four corner points."""
    plane, top, bottom, left, right = cells.T
    rows = (plane[:, None] * resolution + np.stack([top, top, bottom, bottom], 1)) * resolution
    return rows + np.stack([left, right, left, right], 1)


def _is_uniform(logits: Float32[np.ndarray, "n 4 k"], caution: float) -> Bool[np.ndarray, " n"]:
    """Whether a cell's corners agree, and the gap of their logit to every other outweighs the gap's variation."""
    label = logits.argmax(2)
    agree = (label == label[:, :1]).all(1)
    first = label[:, 0]
    gap = np.take_along_axis(logits, first[:, None, None], 2) - logits
    least, most = gap.min(1), gap.max(1)
    with np.errstate(invalid="ignore"):  # an infinite caution times no variation
        outweighs = least > caution * (most - least)
    outweighs[np.arange(len(outweighs)), first] = True
    return agree & outweighs.all(1)


def _fill(labels: UInt8[np.ndarray, "p r c"], evaluated: Bool[np.ndarray, "p r c"], cells: Cells) -> None:
    """Sets the points of each cell that were not evaluated to the label of its first corner."""
    for same_size, points in _by_size(cells):
        plane, top, _, left, _ = cells[same_size].T
        inside = labels[points]
        labels[points] = np.where(evaluated[points], inside, labels[plane, top, left][:, None, None])


def _is_contradicted(
    labels: UInt8[np.ndarray, "p r c"], evaluated: Bool[np.ndarray, "p r c"], cells: Cells
) -> Bool[np.ndarray, " n"]:
    """Whether an evaluated point of a cell has another label than its first corner."""
    contradicted = np.zeros(len(cells), bool)
    for same_size, points in _by_size(cells):
        plane, top, _, left, _ = cells[same_size].T
        differs = labels[points] != labels[plane, top, left][:, None, None]
        contradicted[same_size] = (differs & evaluated[points]).any((1, 2))
    return contradicted


def _by_size(cells: Cells) -> Iterator[tuple[Int64[np.ndarray, " m"], tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """The cells of each height and width, with the (plane, row, column) of all their points, rim included."""
    sizes = cells[:, [2, 4]] - cells[:, [1, 3]]
    for size in np.unique(sizes, axis=0):
        same_size = np.flatnonzero((sizes == size).all(1))
        plane, top, _, left, _ = cells[same_size].T[:, :, None, None]
        row, column = np.arange(size[0] + 1)[:, None], np.arange(size[1] + 1)
        yield same_size, (plane, top + row, left + column)


def _split(cells: Cells) -> Cells:
    """The halves or quarters of each cell; none of a cell whose only points are its corners."""
    larger = (cells[:, [2, 4]] - cells[:, [1, 3]] > 1).any(1)
    return _halved(_halved(cells[larger], 1, 2), 3, 4)


def _halved(cells: Cells, low: int, high: int) -> Cells:
    """The cells cut in two at the middle of their sides from `low` to `high`; sides of one step are kept."""
    middle = (cells[:, low] + cells[:, high]) // 2
    cut = middle > cells[:, low]
    first, second = cells.copy(), cells[cut].copy()
    first[cut, high] = middle[cut]
    second[:, low] = middle[cut]
    return np.concatenate([first, second])
