"""Archives: the label maps of runs, and what else remains of these without their weights.

An archive is a file of label maps (`dbviz.label_maps.layout`), read as such by every command and function, with further
variables:

    logits: float16 (model, image, class), for every test image. The predictions are those of the fp32 logits.
    train_wrong: uint8 (model, train_image), 1 where the prediction differs from the label that was trained on, 0 where
        it does not, 255 for an image that was not trained on.
    training: float64 (model, epoch, metric), the metrics of every epoch; NaN after the run's last.
    sampling_seconds: float64 (model), what training errors and label maps took.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float, Float16, Int64, UInt8

from dbviz.core.errors import InputError
from dbviz.core.terminal import counted
from dbviz.label_maps.files import combine, load, save
from dbviz.runs import Run
from dbviz.training import EpochMetrics

__all__ = [
    "LIMIT",
    "NOT_TRAINED_ON",
    "archived_names",
    "entry",
    "half",
    "join",
    "load_archive",
    "predictions",
    "save_archive",
]

LIMIT = 16 * 2**20
"""Bytes up to which an archive grows by default."""

NOT_TRAINED_ON = 255
"""`train_wrong` of an image that the run was not trained on."""

_MAXIMUM = 65504.0
"""The largest float16."""
_REQUIRED = {
    "logits": ("model", "image", "class"),
    "train_wrong": ("model", "train_image"),
    "training": ("model", "epoch", "metric"),
}
_METRICS = tuple(field.name for field in dataclasses.fields(EpochMetrics) if field.name != "epoch")


def half(logits: Float[np.ndarray, "image class"]) -> Float16[np.ndarray, "image class"]:
    """Logits in half the bytes, of relative error 2^-11, with bitwise the same predictions.

    Where rounding makes the largest logit of an image equal to others, those are lowered by one unit in the last place.

    Example:
        >>> logits = np.array([[1.0, 1.0001, 0.5]], np.float32)
        >>> logits.astype(np.float16).argmax(axis=1), half(logits).argmax(axis=1)
        (array([0]), array([1]))
    """
    rounded = np.clip(logits, -_MAXIMUM, _MAXIMUM).astype(np.float16)
    top = logits.argmax(axis=1)[:, None]
    equal = rounded == np.take_along_axis(rounded, top, axis=1)
    np.put_along_axis(equal, top, False, axis=1)
    rounded[equal] = np.nextafter(rounded[equal], np.float16(-np.inf))
    return rounded


def entry(
    run: Run, maps: xr.Dataset, train_wrong: UInt8[np.ndarray, " train_image"], *, sampling_seconds: float = np.nan
) -> xr.Dataset:
    """An archive of one run.

    Args:
        maps: its label maps, of this model alone.
        train_wrong: see the module.
        sampling_seconds: see the module.

    Example:
        >>> import tempfile, dbviz
        >>> from dbviz.data import Images, shapes
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "progress": False}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     (run,) = dbviz.fit("fcnet", dataset=images, home=home, **tiny)
        ...     maps = dbviz.sample(run, dbviz.draw_planes(images.test, 2), resolution=5)
        ...     archive = entry(run, maps, np.zeros(64, np.uint8))
        >>> archive.logits.shape, archive.training.sel(metric="train_loss").shape
        ((1, 20, 10), (1, 1))
    """
    metrics = [[getattr(epoch, name) for name in _METRICS] for epoch in run.epochs]
    variables = {
        "logits": (_REQUIRED["logits"], half(run.test_logits().numpy())[None]),
        "train_wrong": (_REQUIRED["train_wrong"], train_wrong[None]),
        "training": (_REQUIRED["training"], np.array([metrics], np.float64)),
        "sampling_seconds": ("model", [sampling_seconds]),
    }
    coordinates = {"epoch": np.arange(1, len(metrics) + 1), "metric": list(_METRICS)}
    return maps.assign(variables).assign_coords(coordinates)


def join(archives: Sequence[xr.Dataset]) -> xr.Dataset:
    """Several archives as one, along `model`; runs of fewer epochs are filled with NaN.

    Raises:
        InputError: they differ in dataset, planes or grid, or share a model.

    Example:
        >>> from dbviz.label_maps import from_array
        >>> short, long = (
        ...     from_array(np.zeros((1, 2, 4, 4), np.uint8), models=[f"trained for {epochs}"])
        ...     .assign(training=(("model", "epoch", "metric"), np.full((1, epochs, 1), 9.0)))
        ...     .assign_coords(epoch=np.arange(1, epochs + 1), metric=["seconds"])
        ...     for epochs in (1, 3)
        ... )
        >>> join([short, long]).training.sel(metric="seconds").values.tolist()
        [[9.0, nan, nan], [9.0, 9.0, 9.0]]
    """
    epochs = np.arange(1, max(archive.sizes["epoch"] for archive in archives) + 1)
    metrics = list(dict.fromkeys(name for archive in archives for name in archive.metric.values.tolist()))
    return combine([archive.reindex(epoch=epochs, metric=metrics) for archive in archives])


def archived_names(archive: xr.Dataset | None) -> set[str]:
    """The names of the runs in an archive; none if it is None.

    Example:
        >>> archived_names(None)
        set()
    """
    return set() if archive is None else {str(name) for name in archive.model.values}


def load_archive(path: str | os.PathLike[str]) -> xr.Dataset:
    """Reads an archive into memory.

    Raises:
        InputError: it is absent or damaged, or holds label maps alone.
    """
    archive = load(path)
    if missing := [name for name, dims in _REQUIRED.items() if name not in archive or archive[name].dims != dims]:
        raise InputError(
            f"{path} holds label maps without {', '.join(missing)}, so it is no archive: give another file (--archive)"
        )
    return archive


def save_archive(archive: xr.Dataset, path: str | os.PathLike[str], *, limit: int = LIMIT) -> int:
    """Writes an archive atomically and returns its size in bytes.

    Raises:
        InputError: it would be larger than `limit` bytes; the file at `path` is left as it is.
        OSError: the path cannot be written to.

    Example:
        >>> import tempfile
        >>> from dbviz.label_maps import from_array
        >>> archive = from_array(np.zeros((1, 2, 4, 4), np.uint8), models=["a"]).assign(
        ...     logits=(("model", "image", "class"), np.zeros((1, 5, 10), np.float16)),
        ...     train_wrong=(("model", "train_image"), np.zeros((1, 5), np.uint8)),
        ...     training=(("model", "epoch", "metric"), np.zeros((1, 1, 1))),
        ... )
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory, "campaign.nc")
        ...     save_archive(archive, path) == path.stat().st_size, archived_names(load_archive(path))
        (True, {'a'})
    """
    path = Path(path)
    larger = path.with_name(f".{path.name}.{os.getpid()}.larger")
    archive = archive.copy()
    for name, dims in _REQUIRED.items():
        sizes = {"model": 1} | {dim: archive.sizes[dim] for dim in dims[1:]}
        archive[name].encoding = {"zlib": True, "complevel": 5, "shuffle": True, "chunksizes": tuple(sizes.values())}
    try:
        size = save(archive, larger).stat().st_size
        if size > limit:
            raise InputError(
                f"{path} would grow to {size / 2**20:.1f} MiB, above its limit of {limit / 2**20:g} MiB: it is left "
                f"as it is, with {counted(_models(path), 'network')}; give a new file (--archive)"
            )
        larger.replace(path)
    finally:
        larger.unlink(missing_ok=True)
    return size


def predictions(archive: xr.Dataset) -> Int64[np.ndarray, "model image"]:
    """The predicted class of every test image.

    Example:
        >>> logits = np.array([[[0.1, 0.9], [0.8, 0.2]]], np.float16)
        >>> predictions(xr.Dataset({"logits": (("model", "image", "class"), logits)}))
        array([[1, 0]])
    """
    return archive.logits.values.argmax(axis=2)


def _models(path: Path) -> int:
    return load(path).sizes["model"] if path.exists() else 0
