"""The seeds of a training run, one for each separate stream of randomness."""

import dataclasses
from dataclasses import dataclass

from dbviz.spec.fields import require, short_repr

__all__ = ["Seeds"]


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """One seed for each separate stream of randomness in a training run.

    Example:
        >>> Seeds.all(3)
        Seeds(init=3, order=3, augment=3)
        >>> str(Seeds.all(3)), str(Seeds(init=1))
        ('3', '1.0.0')
    """

    init: int = 0
    """Initial weights; one stream per parameter."""
    order: int = 0
    """The order of the training images; one stream per epoch."""
    augment: int = 0
    """Crops, flips, mixing and dropout; one stream per epoch."""
    nudge: int | None = None
    """Selects one initial weight that is multiplied by 1.001 (Summers & Dinneen 2021); None changes none."""
    noise: int = 0
    """Which training images are mislabelled, and as what: the same in every run unless it is set."""
    repeat: int = 0
    """Draws nothing: distinguishes repeated trainings of one spec without deterministic algorithms."""

    def __post_init__(self) -> None:
        for name, seed in dataclasses.asdict(self).items():
            require(seed is None or seed >= 0, f"seeds.{name}", seed, "a whole number of at least 0")

    @classmethod
    def all(cls, seed: int) -> "Seeds":
        """The same seed for init, order and augment, as `--seeds` sets them."""
        return cls(init=seed, order=seed, augment=seed)

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        equal = self.init == self.order == self.augment
        text = str(self.init) if equal else f"{self.init}.{self.order}.{self.augment}"
        text = text if self.nudge is None else f"{text}-nudge{self.nudge}"
        text = f"{text}-noise{self.noise}" if self.noise else text
        return f"{text}-repeat{self.repeat}" if self.repeat else text
