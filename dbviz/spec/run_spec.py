"""Everything that determines a training run, as one frozen value with an identity."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from dbviz.spec.fields import from_fields, require, without_defaults
from dbviz.spec.label_noise import LabelNoise
from dbviz.spec.recipe import OPTIMIZERS, Recipe
from dbviz.spec.seeds import Seeds

__all__ = ["RunSpec"]


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run, whole: the same spec on the same device gives the same bits."""

    dataset: str
    """A name that `dbviz.load_images` knows, or NAME@FINGERPRINT for images handed over in Python."""
    arch: str
    """A name that `dbviz.models.build` knows."""
    width: int | None = None
    """The architecture's own meaning of width; None is the published one."""
    definition: str | None = None
    """Fingerprint of the source of a user's own module, so that an edited one is another run."""
    train_size: int | None = None
    """Only the first so many training images; None is all of them."""
    label_noise: LabelNoise | None = None
    """Wrong labels among them; None leaves all labels as they are."""
    teacher: str | None = None
    """Identity of the run that a distillation learns from."""
    pretrained: str | None = None
    """Digest of the weights of a network that stays as it is but for a new linear head, by which the runs directory
    keeps them; None trains the whole network."""
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
        solved, said = self.recipe.optimizer == "least-squares", "None under least-squares, which begins from nothing"
        require(not solved or self.seeds.nudge is None, "seeds.nudge", self.seeds.nudge, said)
        repeats = "0 where recipe.deterministic is set: a repetition would give the same bits"
        require(not self.recipe.deterministic or not self.seeds.repeat, "seeds.repeat", self.seeds.repeat, repeats)
        if self.pretrained is not None:
            steps = [name for name in OPTIMIZERS if name != "least-squares"]
            require(not solved, "recipe.optimizer", self.recipe.optimizer, f"one of {', '.join(steps)} {_ON_FEATURES}")
            for name, only in _FEATURES.items():
                value = getattr(self.recipe, name)
                require(value == only, f"recipe.{name}", value, f"{only!r} {_ON_FEATURES}")

    @property
    def identity(self) -> str:
        """Hash of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def name(self) -> str:
        """A readable and unique name: what a run's directory is called."""
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
        """Canonical JSON: sorted, without blanks, and without the fields that stand at their default.

        Leaving defaults out keeps the identity of stored runs when a field is added later
        whose default says what was done before.
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
"""What a recipe must say where a head is trained on features that were computed once."""
_ON_FEATURES = "under pretrained, whose features are computed once"
