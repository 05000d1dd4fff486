"""A digest of what label maps show, whoever computed them, when and at what cost."""

import hashlib
import json

import numpy as np
import xarray as xr

__all__ = ["content_digest"]

_COST = ("evaluated", "reevaluated")
"""The variables that depend on how the labels were computed."""


def content_digest(maps: xr.Dataset) -> str:
    """SHA-256 of the labels, the coordinates and, where there is one, the confidence of label maps.

    Two computations of the same maps have the same digest exactly where these are bitwise identical. Date, environment,
    the other attributes and the number of evaluations are left out.

    Args:
        maps: from `sample`, `load` or `combine`.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> from dbviz.label_maps import from_array
        >>> maps = from_array(np.zeros((2, 1, 4, 4), np.uint8))
        >>> later = maps.assign(evaluated=maps.evaluated + 1).assign_attrs(date="2030-01-01")
        >>> content_digest(maps) == content_digest(later)
        True
        >>> content_digest(maps) == content_digest(maps.assign(labels=maps.labels + 1))
        False
    """
    sha = hashlib.sha256()
    for name in sorted(map(str, maps.variables)):
        if name not in _COST:
            variable = maps[name]
            sha.update(json.dumps([name, variable.dims, variable.shape]).encode())
            sha.update(_content(variable.values))
    return sha.hexdigest()


def _content(values: np.ndarray) -> bytes:
    """The bits of an array of numbers, or its texts, whose type in memory changes when they are stored and read."""
    if values.dtype.kind in "biuf":
        return str(values.dtype).encode() + np.ascontiguousarray(values).tobytes()
    return json.dumps([str(value) for value in values.ravel()]).encode()
