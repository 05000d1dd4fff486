"""What a sweep measures of each of its runs, and on what."""

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
    """What all runs of a sweep have in common; it can be sent to another process or machine."""

    dataset: str
    home: Path
    """Where runs and what is measured of them are kept; the processes of a cluster must share it."""
    data_dir: Path | None = None
    images: Images | None = field(default=None, compare=False, repr=False)
    """Images that have no name to be loaded by."""
    device: str = "auto"
    triplets: int = 12
    """How many planes, through triplets of test images, the same for every run."""
    triplet_seed: int = 0
    resolution: int = 50
    padding: float = 0.1
    margin_images: int = 0
    """On how many test images margins are measured; none is the quick choice."""
    directions: int = 10
    """Random directions of each of these images."""
    epochs: tuple[int, ...] = ()
    """Epochs after which a run is measured, besides its end."""

    def __post_init__(self) -> None:
        if self.triplets < 2:
            raise InputError(f"{self.triplets} triplets: intervals need at least two planes (--triplets)")
        check_grid(self.resolution, self.padding)
        if min((*self.epochs, 1)) < 1:
            raise InputError(f"epoch {min(self.epochs)}: epochs are counted from 1")
        if self.margin_images < 0:
            raise InputError(f"margin images are {self.margin_images}: give 0 for none, or a number of test images")

    def load_images(self) -> Images:
        """The images, as they are or by name."""
        return self.images or load_images(self.dataset, self.data_dir)

    def measured_after(self, spec: RunSpec) -> tuple[int, ...]:
        """The epochs after which a run of `spec` is measured, in order: the chosen ones, or its last.

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
        """Eight hexadecimal digits that stand for what is measured, whatever device or place it is measured in."""
        named = ("dataset", "triplets", "triplet_seed", "resolution", "margin_images", "directions")
        contents = {name: getattr(self, name) for name in named}
        contents["margin"] = self.padding  # the name under which it was hashed from the first release on
        return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:8]

    def on(self, device: str) -> "Study":
        """The same study on another device."""
        return dataclasses.replace(self, device=device)


Study.__init__ = renamed_parameter("margin", "padding")(Study.__init__)
