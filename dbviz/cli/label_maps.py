"""Label maps that an equal command has written before, or that are sampled now and written for the next."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from dbviz.core.paths import file_name
from dbviz.core.terminal import say
from dbviz.label_maps import sample, save
from dbviz.label_maps.files import load_if_equal
from dbviz.label_maps.provenance import provenance, short_identity
from dbviz.label_maps.sampling import cost
from dbviz.planes import PlaneSet

__all__ = ["load_or_sample"]


def load_or_sample(
    models: Mapping[str, Any],
    planes: PlaneSet,
    out: Path,
    name_parts: Sequence[str],
    *,
    resolution: int,
    padding: float,
    confidence: bool = False,
    refine: bool = False,
    device: str = "auto",
) -> tuple[xr.Dataset, Path]:
    """The label maps of `models` on `planes`, and their file in `out`.

    The file's name is `name_parts` and eight digits of a hash of everything that determines the maps.

    Args:
        models: as for `dbviz.sample`, by name.

    Raises:
        InputError: as `dbviz.sample`.
    """
    source = provenance(models, planes, resolution, padding)
    path = out / f"{file_name([*name_parts, short_identity(source)])}.nc"
    cached = load_if_equal(path, source, confidence=confidence)
    if cached is not None and (refine or _is_dense(cached)):
        say(f"Label maps of the same networks on the same planes are in {path}: not sampled again.")
        return cached, path
    where = "one plane" if len(planes) == 1 else f"{len(planes)} planes"
    say(f"Sampling {len(models)} networks on {where} of {resolution} x {resolution} points.")
    grid = {"resolution": resolution, "padding": padding, "confidence": confidence, "refine": refine}
    maps = sample(models, planes, **grid, device=device, progress=True)
    say(f"Sampled: {cost(maps)}.")
    save(maps, path)
    return maps, path


def _is_dense(maps: xr.Dataset) -> bool:
    """Whether every point was evaluated, and no label inferred from its neighbours'."""
    return bool((maps.evaluated >= maps.sizes["row"] * maps.sizes["column"]).all())
