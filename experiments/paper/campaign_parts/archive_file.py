"""The campaign's archive on disk: opened where its settings are those of the call, written after every network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from campaign_parts.network import PlaneOptions
from dbviz.core.errors import InputError
from dbviz.data import Images
from dbviz.label_maps.archive import LIMIT, archived_names, join, load_archive, save_archive
from dbviz.planes import PlaneSet
from dbviz.spec import RunSpec

__all__ = ["ArchiveFile"]

_BYTES_PER_POINT = 0.1
"""Of compressed label maps; .06 in those of reproducibility_matrix."""
_FIXED_BYTES = 500_000
"""Of coordinates, environments and specs in an archive that is begun."""


@dataclass
class ArchiveFile:
    """An archive and its file, which is replaced whenever a network is added."""

    path: Path
    preset: str
    contents: xr.Dataset | None = None
    size: int = 0
    """In bytes."""

    @classmethod
    def opened(cls, path: Path, planes: PlaneSet, options: PlaneOptions, preset: str) -> "ArchiveFile":
        """The archive at `path`; an empty one where there is none.

        Raises:
            InputError: it is damaged, no archive, or of other planes or another preset.
        """
        if not path.exists():
            return cls(path, preset)
        contents = load_archive(path)
        _check_settings(contents, path, planes, options, preset)
        return cls(path, preset, contents, path.stat().st_size)

    @property
    def names(self) -> set[str]:
        """Of the networks in it."""
        return archived_names(self.contents)

    def add(self, entry: xr.Dataset) -> None:
        """Adds a network and writes the file.

        Raises:
            InputError: the file would grow above its limit; it is left as it is.
        """
        contents = join([entry] if self.contents is None else [self.contents, entry]).assign_attrs(preset=self.preset)
        self.size = save_archive(contents, self.path)
        self.contents = contents

    def of(self, specs: Sequence[RunSpec]) -> xr.Dataset | None:
        """The networks of `specs` that are in it, in this order; None if there are none."""
        present = [spec.name for spec in specs if spec.name in self.names]
        return self.contents.sel(model=present) if self.contents is not None and present else None

    def check_room(self, missing: int, images: Images, options: PlaneOptions) -> None:
        """Refuses to begin what cannot be kept.

        Raises:
            InputError: with `missing` further networks the file would grow above its limit.
        """
        if self.contents is None:
            expected = _FIXED_BYTES + missing * _bytes_of_one(images, options)
        else:
            of_networks = self.size - _bytes_of_planes(self.contents)
            expected = self.size + missing * of_networks / len(self.names)
        if expected > LIMIT:
            raise InputError(
                f"{missing} more networks would make {self.path} about {expected / 2**20:.0f} MiB, above the limit of "
                f"{LIMIT / 2**20:g} MiB: give a new file (--archive), or fewer networks (--seeds, --widths, --runs)"
            )


def _check_settings(contents: xr.Dataset, path: Path, planes: PlaneSet, options: PlaneOptions, preset: str) -> None:
    stored = {
        "dataset": contents.attrs.get("dataset"),
        "preset": contents.attrs.get("preset"),
        "number of planes": contents.sizes["plane"],
        "resolution": contents.sizes["row"],
        "padding": contents.attrs.get("margin"),
        "planes": str(contents.attrs.get("planes"))[:10],
    }
    current = {
        "dataset": planes.dataset,
        "preset": preset,
        "number of planes": len(planes),
        "resolution": options.resolution,
        "padding": options.padding,
        "planes": planes.identity[:10],
    }
    for name, value in current.items():
        if stored[name] != value:
            raise InputError(
                f"{path} has {name} {stored[name]}, this call {value}: give the options that it was made with, or a "
                "new file (--archive)"
            )


def _bytes_of_planes(contents: xr.Dataset) -> int:
    """What does not grow with the number of networks: the coordinates of the planes."""
    return sum(coordinate.nbytes for coordinate in contents.coords.values() if "model" not in coordinate.dims)


def _bytes_of_one(images: Images, options: PlaneOptions) -> float:
    """An upper estimate: logits hardly compress, of labels and errors little remains."""
    logits = np.dtype(np.float16).itemsize * len(images.test) * len(images.class_names)
    return logits + _BYTES_PER_POINT * options.triplets * options.resolution**2 + len(images.train) / 8
