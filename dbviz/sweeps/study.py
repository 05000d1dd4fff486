"""The study of a sweep: what is measured of each of its runs, on which images and planes."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.errors import InputError
from dbviz.data import Images, load_images
from dbviz.planes.plane import check_grid
from dbviz.spec import RunSpec

__all__ = ["Study"]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all runs of a sweep have in common; it can be pickled for another process or machine.

    Raises:
        InputError: there are fewer than two triplets, an epoch is below 1, or a size is out of range.

    Example:
        >>> study = Study(dataset="cifar10", home=Path("runs"), triplets=12, margin_images=30)
        >>> study.resolution, study.directions
        (50, 10)
    """

    dataset: str
    home: Path
    """The directory of the runs and their measurements; the processes of a cluster must share it."""
    data_dir: Path | None = None
    images: Images | None = field(default=None, compare=False, repr=False)
    """Images that cannot be loaded by the name of their dataset."""
    device: str = "auto"
    triplets: int = 12
    """The number of planes, each through a triplet of test images, the same for every run."""
    triplet_seed: int = 0
    resolution: int = 50
    """Points on each side of a plane's grid."""
    padding: float = 0.1
    """How far the grid extends beyond the three images, as a fraction of their bounding box's side."""
    margin_images: int = 0
    """The number of test images at which margins are measured; 0 is the quick choice."""
    directions: int = 10
    """The number of random directions from each of these images."""
    epochs: tuple[int, ...] = ()
    """The epochs after which a run is measured; by default its last."""
    threads: int | None = None
    """torch's threads for training, instead of those with which a run was started or, if it is new, those of the
    executor."""

    def __post_init__(self) -> None:
        if self.triplets < 2:
            raise InputError(f"{self.triplets} triplets: intervals need at least two planes (--triplets)")
        check_grid(self.resolution, self.padding)
        if min((*self.epochs, 1)) < 1:
            raise InputError(f"epoch {min(self.epochs)}: epochs are counted from 1")
        if self.margin_images < 0:
            raise InputError(f"margin images are {self.margin_images}: give 0 for none, or a number of test images")

    def load_images(self) -> Images:
        """The given images, or those of the dataset."""
        return self.images or load_images(self.dataset, self.data_dir)

    def measured_after(self, spec: RunSpec) -> tuple[int, ...]:
        """The epochs after which a run of `spec` is measured, in ascending order: the chosen ones, or its last.

        Raises:
            InputError: the run has fewer epochs.
        """
        if self.epochs and max(self.epochs) > spec.recipe.epochs:
            raise InputError(
                f"epoch {max(self.epochs)} is to be measured, but {spec.arch} is trained for {spec.recipe.epochs}: "
                "choose earlier ones, or raise --epochs"
            )
        return tuple(sorted(set(self.epochs))) or (spec.recipe.epochs,)

    @property
    def identity(self) -> str:
        """Eight hexadecimal digits of a hash of what is measured, independent of the device and the directory."""
        named = ("dataset", "triplets", "triplet_seed", "resolution", "margin_images", "directions")
        contents = {name: getattr(self, name) for name in named}
        contents["margin"] = self.padding  # hashed under this name since the first release
        return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:8]

    def on(self, device: str) -> "Study":
        """The same study on another device."""
        return dataclasses.replace(self, device=device)


Study.__init__ = renamed_parameter("margin", "padding")(Study.__init__)
