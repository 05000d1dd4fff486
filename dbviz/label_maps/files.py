"""Label maps in one compressed, self-describing netCDF file, checked on reading."""

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dbviz.core.errors import InputError
from dbviz.core.files import atomic_write
from dbviz.label_maps.layout import FORMAT, REQUIRED
from dbviz.label_maps.provenance import combined_environments

__all__ = ["combine", "load", "load_if_equal", "save"]

_BY_MODEL = ("specs", "weights", "evaluation")
"""Attributes that hold a JSON object with an entry for each model."""


def save(maps: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Writes label maps to a compressed netCDF file, atomically; returns its path.

    The digest of the content follows it at the end of the file, where netCDF readers do not look.

    Args:
        maps: from `sample`, `from_array`, `combine` or `load`, or a selection of these.

    Raises:
        OSError: the path cannot be written to.

    Example:
        >>> import tempfile
        >>> from dbviz.label_maps import from_array
        >>> maps = from_array(np.zeros((2, 1, 4, 4), np.uint8))
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = save(maps, Path(directory) / "maps.nc")
        ...     load(path).identical(maps)
        True
    """
    path = Path(path)
    compression = {"zlib": True, "complevel": 5, "shuffle": True}
    encoding = {name: compression for name in ("labels", "confidence") if name in maps}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".maps-", dir=path.parent) as directory:
        maps.to_netcdf(Path(directory) / "maps.nc", engine="h5netcdf", encoding=encoding)
        content = (Path(directory) / "maps.nc").read_bytes()
    atomic_write(path, content + _seal(content))
    return path


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Reads label maps from a file into memory.

    Raises:
        InputError: the file is absent, truncated, damaged or of a newer format, or does not hold label maps.

    Example:
        >>> import tempfile
        >>> from dbviz.label_maps import from_array
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = save(from_array(np.zeros((2, 1, 4, 4), np.uint8)), Path(directory) / "maps.nc")
        ...     maps = load(path)
        >>> maps.labels.shape
        (2, 1, 4, 4)
    """
    path = Path(path)
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    content = whole[:-_SEAL_LENGTH]
    if whole[-_SEAL_LENGTH:] != _seal(content):  # checked first, so that a damaged file never reaches the HDF5 library
        raise InputError(
            f"{path} is damaged, or not written by dbviz.label_maps.save: get an intact copy or sample again"
        )
    with xr.open_dataset(io.BytesIO(content), engine="h5netcdf") as file:
        maps = file.load()
    maps.attrs = {name: v.item() if isinstance(v, np.generic) else v for name, v in maps.attrs.items()}
    version = maps.attrs.get("format")
    if not isinstance(version, int) or any(name not in maps or maps[name].dims != d for name, d in REQUIRED.items()):
        raise InputError(f"{path} does not hold label maps: {', '.join(REQUIRED)} or the format is missing")
    if version > FORMAT:
        raise InputError(f"{path} is of format {version}, this dbviz reads up to {FORMAT}: install a newer dbviz")
    return maps


def combine(maps: Sequence[xr.Dataset]) -> xr.Dataset:
    """Label maps of several files as one, concatenated along `model`.

    Raises:
        InputError: the files differ in dataset, classes, planes or grid, or a model is in two of them.

    Example:
        >>> from dbviz.label_maps import from_array
        >>> ours, theirs = (from_array(np.zeros((1, 2, 4, 4), np.uint8), models=[name]) for name in ("ours", "theirs"))
        >>> combine([ours, theirs]).model.values.tolist()
        ['ours', 'theirs']
    """
    first = maps[0]
    for number, other in enumerate(maps[1:], 2):
        for name in ("dataset", "split", "class_names", "planes", "resolution", "margin"):
            if first.attrs.get(name) != other.attrs.get(name):
                shown = [_short(m.attrs.get(name)) for m in (first, other)]
                what = "padding" if name == "margin" else name
                raise InputError(
                    f"file 1 and file {number} differ in {what} ({shown[0]} and {shown[1]}): "
                    "combine maps of the same planes on the same grid, drawn and sampled with the same --dataset, "
                    "--split, --triplets, --triplet-seed, --resolution and --padding"
                )
    names = [str(name) for part in maps for name in part.model.values]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"model {repeated[0]} is in two of the files: give each model once; two trainings of the same spec need "
            "names of their own, such as maps.assign_coords(model=...), or other seeds"
        )
    merged = {name: _merged(maps, name) for name in _BY_MODEL}
    if any("default_seeds" in part.attrs for part in maps):
        merged["default_seeds"] = _merged(maps, "default_seeds")
    combined = xr.concat(
        list(maps), dim="model", data_vars="minimal", coords="minimal", compat="override", join="override"
    )
    combined = combined.drop_encoding()  # that of the first file, to whose names' length all would be cut
    return combined.assign_attrs(first.attrs | merged | {"environments": combined_environments(maps)})


def _merged(maps: Sequence[xr.Dataset], name: str) -> str:
    """An attribute that is a JSON object by model, of the models of all maps."""
    return json.dumps({k: v for m in maps for k, v in json.loads(m.attrs.get(name, "{}")).items()})


def load_if_equal(path: Path, provenance: dict[str, Any], *, confidence: bool) -> xr.Dataset | None:
    """The label maps at `path` if they are intact and of this provenance, else None.

    Maps of a plain function never match: what it computes is not known.

    Args:
        provenance: see `dbviz.label_maps.provenance.provenance`.
        confidence: whether they must hold confidences.
    """
    try:
        maps = load(path)
    except InputError:
        return None
    known = None not in json.loads(provenance["weights"]).values()
    equal = all(maps.attrs.get(name) == value for name, value in provenance.items())
    return maps if known and equal and (not confidence or "confidence" in maps) else None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _seal(content: bytes) -> bytes:
    return b"dbviz sha256 " + hashlib.sha256(content).hexdigest().encode()


_SEAL_LENGTH = len(_seal(b""))
