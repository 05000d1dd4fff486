"""Where the numbers of a result come from: networks, planes and grid, as fields of its file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from dbviz.spec import RunSpec

__all__ = ["label_map_fields", "spec_fields"]


def label_map_fields(maps: xr.Dataset, path: Path | None = None) -> dict[str, Any]:
    """Dataset, grid and triplets of label maps, and the full specs of their runs, as plain values.

    Args:
        path: the file of the label maps, which is named too.
    """
    return {
        **({} if path is None else {"label_maps": path.name}),
        "dataset": str(maps.attrs.get("dataset", "")),
        "split": str(maps.attrs.get("split", "")),
        "resolution": int(maps.sizes["row"]),
        "padding": float(maps.attrs["margin"]) if "margin" in maps.attrs else None,
        "planes": int(maps.sizes["plane"]),
        "planes_identity": str(maps.attrs.get("planes", "")),
        "triplets": maps.triplet.values.tolist() if "triplet" in maps.coords else None,
        "specs": spec_fields(json.loads(maps.attrs.get("specs", "{}"))),
    }


def spec_fields(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every field of each spec, those at their default too, by the run's name."""
    return {name: RunSpec.from_dict(dict(fields)).to_dict() for name, fields in specs.items()}
