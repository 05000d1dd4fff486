"""Everything that determines a training run, as one frozen dataclass with an identity."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from dbviz.spec.fields import from_fields, require, short_repr, without_defaults
from dbviz.spec.label_noise import LabelNoise
from dbviz.spec.recipe import OPTIMIZERS, Recipe
from dbviz.spec.seeds import Seeds

__all__ = ["RunSpec"]


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run: training it twice on the same device has bitwise identical results.

    Its repr shows the fields that differ from their default.

    Raises:
        InputError: a value is out of range, or two contradict each other.

    Example:
        >>> spec = RunSpec(dataset="cifar10", arch="resnet18", recipe=Recipe(epochs=30, learning_rate=0.1))
        >>> spec
        RunSpec(dataset='cifar10', arch='resnet18', recipe=Recipe(epochs=30, learning_rate=0.1))
        >>> spec.name
        'cifar10-resnet18-e30-s0-ff57e2cc35'
        >>> RunSpec.from_dict(spec.to_dict()) == spec
        True
    """

    dataset: str
    """A name that `dbviz.load_images` knows, or NAME@FINGERPRINT for images made from arrays."""
    arch: str
    """A name that `dbviz.models.build` knows."""
    width: int | None = None
    """What it counts depends on the architecture; None is the published one."""
    definition: str | None = None
    """Fingerprint of the source of a user's own module, so that an edited one is another run."""
    train_size: int | None = None
    """Train on the first `train_size` training images; None is all of them."""
    label_noise: LabelNoise | None = None
    """Wrong labels among them; None leaves all labels unchanged."""
    teacher: str | None = None
    """Identity of the run whose network is the teacher of a distillation."""
    pretrained: str | None = None
    """Digest of the weights, stored in the runs directory, of a frozen network of which only a new linear head is
    trained; None trains the whole network."""
    recipe: Recipe
    seeds: Seeds = field(default_factory=Seeds)

    def __post_init__(self) -> None:
        require(self.width is None or self.width >= 1, "width", self.width, "a whole number of at least 1")
        require(
            self.train_size is None or self.train_size >= 1,
            "train_size",
            self.train_size,
            "a whole number of at least 1",
        )
        closed_form = self.recipe.optimizer == "least-squares"
        no_nudge = "None under least-squares, which has no initial weights"
        require(not closed_form or self.seeds.nudge is None, "seeds.nudge", self.seeds.nudge, no_nudge)
        no_repeat = "0 where recipe.deterministic is set: a repetition would be bitwise identical"
        require(not self.recipe.deterministic or not self.seeds.repeat, "seeds.repeat", self.seeds.repeat, no_repeat)
        if self.pretrained is not None:
            steps = f"one of {', '.join(name for name in OPTIMIZERS if name != 'least-squares')} {_ON_FEATURES}"
            require(not closed_form, "recipe.optimizer", self.recipe.optimizer, steps)
            for name, required in _FEATURES.items():
                value = getattr(self.recipe, name)
                require(value == required, f"recipe.{name}", value, f"{required!r} {_ON_FEATURES}")

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def identity(self) -> str:
        """Hash of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def name(self) -> str:
        """A readable and unique name: that of the run's directory."""
        parts = [
            _file_safe(self.dataset.partition("@")[0]),
            _file_safe(self.arch),
            *([f"w{self.width}"] if self.width is not None else []),
            *(["head"] if self.pretrained is not None else []),
            *([f"n{self.train_size}"] if self.train_size is not None else []),
            *([_file_safe(f"noise {self.label_noise}")] if self.label_noise is not None else []),
            f"e{self.recipe.epochs}",
            f"s{self.seeds}",
        ]
        return "-".join([*parts, self.identity[:10]])

    def canonical(self) -> str:
        """Canonical JSON: sorted, without blanks, and without the fields that have their default.

        Leaving defaults out keeps the identity of stored runs when a field is added later
        whose default describes what was done before.
        """
        return json.dumps(without_defaults(self), sort_keys=True, separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """Every field, as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "RunSpec":
        """The spec written by `to_dict`.

        Raises:
            InputError: a field is unknown (a newer dbviz wrote it), missing or out of range.
        """
        return from_fields(cls, fields)


def _file_safe(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


_FEATURES = {"mode": "plain", "augmentation": "none"}
"""The values that `pretrained` requires of the recipe."""
_ON_FEATURES = "under pretrained, whose features are computed once"
