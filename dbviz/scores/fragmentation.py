"""Into how many pieces a plane is cut, how large they are, and how long the cuts."""

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from scipy import ndimage

from dbviz.errors import InputError

__all__ = ["boundary_length", "class_areas", "class_skips", "fragments"]

_TOGETHER = 2**20
"""Points labelled in one call; each takes some ten bytes meanwhile."""
_STRUCTURES = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def fragments(
    labels: UInt8[np.ndarray, "*maps row column"], connectivity: int = 8, *, minimum_area: int = 1
) -> Int64[np.ndarray, "*maps"]:
    """The number of connected components of equal label of each map, summed over the labels.

    Somepalli et al. 2022, section 5, with 8-connectivity as released. A checkerboard of two classes counts 2 with
    8-connectivity, as many as it has points with 4.

    Args:
        connectivity: whether points that touch at a corner are connected (8) or not (4).
        minimum_area: components of fewer points are not counted.

    Raises:
        InputError: connectivity is neither 4 nor 8, or the minimum area is below 1.

    Example:
        >>> int(fragments(np.array([[0, 1], [1, 0]], np.uint8), connectivity=4))
        4
    """
    if connectivity not in _STRUCTURES:
        raise InputError(f"connectivity is {connectivity!r}: choose 4 or 8")
    if minimum_area < 1:
        raise InputError(f"minimum_area is {minimum_area}: it must be at least 1 point")
    stack = labels.reshape(-1, *labels.shape[-2:])
    together = max(1, _TOGETHER // max(1, stack[0].size)) if len(stack) else 1
    parts = [stack[start : start + together] for start in range(0, len(stack), together)]
    counts = [_fragments_of_stack(part, connectivity, minimum_area) for part in parts]
    return np.concatenate([*counts, np.empty(0, np.int64)]).reshape(labels.shape[:-2])


def class_areas(labels: UInt8[np.ndarray, "*maps row column"], classes: int) -> Float64[np.ndarray, "*maps classes"]:
    """The share of each map's points that each class holds; the shares of a map sum to 1."""
    return np.stack([(labels == label).mean(axis=(-2, -1)) for label in range(classes)], axis=-1)


def boundary_length(
    labels: UInt8[np.ndarray, "*maps row column"], a_step: float = 1.0, b_step: float = 1.0
) -> Float64[np.ndarray, "*maps"]:
    """Length of the boundary between labels along the edges of the grid's cells, in units of the axes' steps.

    Two neighbours in a row that differ have an edge of `b_step` between them, two in a column one of `a_step`. A
    slanted boundary is a staircase, up to sqrt(2) longer than the line through it.
    """
    beside = (labels[..., :, 1:] != labels[..., :, :-1]).sum(axis=(-2, -1))
    above = (labels[..., 1:, :] != labels[..., :-1, :]).sum(axis=(-2, -1))
    return np.asarray(beside * float(b_step) + above * float(a_step))


def class_skips(labels: UInt8[np.ndarray, "*segments point"]) -> Int64[np.ndarray, "*segments"]:
    """The number of label changes along each segment (defined in the code of Somepalli et al. 2022)."""
    return (labels[..., 1:] != labels[..., :-1]).sum(axis=-1)


def _fragments_of_stack(
    stack: UInt8[np.ndarray, "map row column"], connectivity: int, minimum_area: int
) -> Int64[np.ndarray, " map"]:
    """The fragments of each map, all maps labelled in one call: its structure connects nothing across maps."""
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = _STRUCTURES[connectivity]
    counts = np.zeros(len(stack), np.int64)
    for label in np.unique(stack):
        components = np.empty(stack.shape, np.int32)
        count = ndimage.label(stack == label, structure, output=components)
        counts += _components_of_each(components, int(count), minimum_area)  # pyright: ignore[reportArgumentType]
    return counts


def _components_of_each(components: np.ndarray, count: int, minimum_area: int) -> Int64[np.ndarray, " map"]:
    """How many of the components lie in each map of the stack."""
    areas = np.bincount(components.ravel(), minlength=count + 1)[1:]
    # ndimage.label counts along the stack, so a map's components end where the largest number seen so far stands
    last = np.maximum.accumulate(components.reshape(len(components), -1).max(axis=1))
    kept = np.concatenate([[0], np.cumsum(areas >= minimum_area)])
    return np.diff(kept[last], prepend=0).astype(np.int64)
