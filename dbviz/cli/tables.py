"""What the tables of several commands have in common."""

import json

import numpy as np
import xarray as xr

from dbviz.models import ARCHITECTURES
from dbviz.spec import RunSpec

__all__ = ["width_of", "widths_of"]


def widths_of(maps: xr.Dataset) -> list[str]:
    """`width_of` each model of label maps; empty for one without a spec."""
    specs = json.loads(maps.attrs.get("specs", "{}"))
    names = [str(name) for name in np.atleast_1d(maps.model.values)]
    return [width_of(RunSpec.from_dict(specs[name])) if name in specs else "" for name in names]


def width_of(spec: RunSpec) -> str:
    """The network's width, and the published one where that is another: `16 (published 64)`; empty if it has none."""
    architecture = ARCHITECTURES.get(spec.arch)
    if architecture is None:
        return "" if spec.width is None else str(spec.width)
    if spec.width in (None, architecture.width):
        return str(architecture.width)
    return f"{spec.width} (published {architecture.width})"
