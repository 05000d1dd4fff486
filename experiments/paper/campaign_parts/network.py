"""One network of the campaign: trained, sampled, and written as an entry of the archive beside its run."""

import functools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import UInt8

from dbviz.core.errors import InputError
from dbviz.data import Images, load_images
from dbviz.label_maps import sample
from dbviz.label_maps.archive import NOT_TRAINED_ON, entry, load_archive, save_archive
from dbviz.planes import PlaneSet, draw_planes
from dbviz.runs import Run, store
from dbviz.runs.training_run import train_run, training_images
from dbviz.spec import RunSpec
from dbviz.training import choose_device, logits

__all__ = ["Network", "PlaneOptions", "images_and_planes"]


class TimeIsUp(Exception):
    """The deadline passed during a training, whose last checkpoint is kept."""


@dataclass(frozen=True, kw_only=True)
class PlaneOptions:
    """The planes of every network, through triplets of test images, and where the images are."""

    triplets: int = 200
    """How many planes."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    resolution: int = 50
    """Points on each side of a plane."""
    padding: float = 0.1
    """How far a plane reaches beyond its three images, as a share of their bounding box's side."""
    dataset: str = "cifar10"
    """cifar10, cifar100, svhn, or shapes (built in)."""
    data_dir: Path | None = None
    """Where datasets are or are downloaded to. Default: $DBVIZ_DATA, else the user's cache directory."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.triplets < 2:
            raise InputError(f"{self.triplets} planes: intervals need at least two (--triplets)")


@functools.lru_cache(maxsize=1)
def images_and_planes(options: PlaneOptions) -> tuple[Images, PlaneSet]:
    """The images and the planes, cached for a process's next network."""
    images = load_images(options.dataset, options.data_dir)
    return images, draw_planes(images.test, options.triplets, seed=options.triplet_seed)


@dataclass(frozen=True, kw_only=True)
class Network:
    """Trains and samples the network of a spec; the task can be sent to another process.

    What is not finished at the deadline stays in `home`, where the next call resumes: a checkpoint, or a trained
    network without label maps.
    """

    planes: PlaneOptions
    home: Path
    device: str
    deadline: float
    """Seconds since the epoch (`time.time`)."""
    sampling_seconds: float = 0.0
    """Estimate: with less time left, a network that was trained in this call is not sampled."""

    def __call__(self, spec: RunSpec) -> None:
        """Writes the entry of the network, if it is finished in time.

        Raises:
            TrainingDiverged: a loss is not finite.
        """
        if self.entry(spec) is not None or self._time_left() <= 0:
            return
        images, planes = images_and_planes(self.planes)
        trained_before = store.find(spec, self.home) is not None
        try:
            train_run(spec, images, device=choose_device(self.device), home=self.home, on_batch=self._check_time)
        except TimeIsUp:
            return
        run = store.find(spec, self.home)
        if run is not None and (trained_before or self._time_left() >= self.sampling_seconds):
            save_archive(self._sampled(run, images, planes), self.entry_path(spec))

    def entry(self, spec: RunSpec) -> xr.Dataset | None:
        """The entry that was written on this machine; None if there is none, or a damaged one."""
        try:
            return load_archive(self.entry_path(spec))
        except InputError:
            return None

    def entry_path(self, spec: RunSpec) -> Path:
        """The file of the entry, in the directory of the run."""
        planes = self.planes
        grid = f"{planes.triplets}-{planes.triplet_seed}-{planes.resolution}-{planes.padding:g}"
        return self.home / spec.name / f"entry-{grid}.nc"

    def _sampled(self, run: Run, images: Images, planes: PlaneSet) -> xr.Dataset:
        start = time.perf_counter()
        wrong = self._train_wrong(run, images)
        grid = {"resolution": self.planes.resolution, "padding": self.planes.padding}
        maps = sample(run, planes, **grid, device=self.device)
        return entry(run, maps, wrong, sampling_seconds=time.perf_counter() - start)

    def _train_wrong(self, run: Run, images: Images) -> UInt8[np.ndarray, " train_image"]:
        train, device = training_images(run.spec, images, self.home), choose_device(self.device)
        predicted = logits(run.model(device), train, device).argmax(1).cpu().numpy()
        wrong = np.full(len(images.train), NOT_TRAINED_ON, np.uint8)
        wrong[: len(train)] = predicted != train.labels
        return wrong

    def _check_time(self, _: int) -> None:
        if self._time_left() <= 0:
            raise TimeIsUp

    def _time_left(self) -> float:
        return self.deadline - time.time()
