"""What to compute: everything that determines a training run, as frozen values with an identity.

Nothing here imports torch, so a command can parse and check its arguments before the heavy libraries load.
"""

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from dbviz.errors import InputError

__all__ = [
    "MODES",
    "OPTIMIZERS",
    "LabelNoise",
    "Mode",
    "NoiseKind",
    "Optimizer",
    "Recipe",
    "RunSpec",
    "Seeds",
    "Setting",
]

Optimizer = Literal["sgd", "adam", "sam", "least-squares"]
Schedule = Literal["constant", "steps", "one-cycle"]
Augmentation = Literal["none", "crop-flip"]
Mode = Literal["plain", "mixup", "cutmix", "adversarial", "distil-soft", "distil-hard"]
Precision = Literal["fp32", "bf16"]
NoiseKind = Literal["symmetric", "asymmetric", "file"]
Setting = Literal[
    "deterministic", "cudnn-benchmark", "tf32", "bf16", "compile", "threads", "evaluation-batch", "workers"
]
"""What is no part of a spec, or ought to be none, and may change the bits that it gives: see `dbviz.audits`."""
OPTIMIZERS: tuple[Optimizer, ...] = typing.get_args(Optimizer)
MODES: tuple[Mode, ...] = typing.get_args(Mode)


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """One seed for each separate stream of randomness in a training run."""

    init: int = 0
    """Initial weights, a stream a parameter."""
    order: int = 0
    """The order of the training images, a stream an epoch."""
    augment: int = 0
    """Crops, flips and dropout, a stream an epoch."""
    nudge: int | None = None
    """Chooses one initial weight that is multiplied by 1.001 (Summers & Dinneen 2021); None leaves all as they are."""
    noise: int = 0
    """Which training images are mislabelled, and as what: the same in every run unless it is set."""
    repeat: int = 0
    """Draws nothing: tells apart trainings of one spec whose kernels do not give the same bits every time."""

    def __post_init__(self) -> None:
        for name, seed in dataclasses.asdict(self).items():
            _require(seed is None or seed >= 0, f"seeds.{name}", seed, "a whole number of at least 0")

    @classmethod
    def all(cls, seed: int) -> "Seeds":
        """The same seed for init, order and augment, as `--seeds` sets them."""
        return cls(init=seed, order=seed, augment=seed)

    def __str__(self) -> str:
        one = self.init == self.order == self.augment
        text = str(self.init) if one else f"{self.init}.{self.order}.{self.augment}"
        text = text if self.nudge is None else f"{text}-nudge{self.nudge}"
        text = f"{text}-noise{self.noise}" if self.noise else text
        return f"{text}-repeat{self.repeat}" if self.repeat else text


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """Wrong labels on some training images; which ones is drawn from the noise stream."""

    kind: NoiseKind = "symmetric"
    """symmetric: a uniformly chosen wrong label; asymmetric: the class it is taken for (CIFAR-10's usual pairs);
    file: labels as they stand in a file."""
    rate: float | None = None
    """Share of the images of each class (asymmetric: of each class that has a pair), in (0, 1); not for a file."""
    labels: str | None = None
    """Digest of a file's labels, by which the runs directory keeps them."""

    def __post_init__(self) -> None:
        _require(self.kind in typing.get_args(NoiseKind), "label_noise.kind", self.kind, "symmetric, asymmetric, file")
        if self.kind == "file":
            _require(self.rate is None, "label_noise.rate", self.rate, "left out for a file")
            _require(self.labels is not None, "label_noise.labels", self.labels, "the digest of a file's labels")
        else:
            in_range = self.rate is not None and 0 < self.rate < 1
            _require(in_range, "label_noise.rate", self.rate, "in (0, 1); leave the noise out for none")
            _require(self.labels is None, "label_noise.labels", self.labels, f"left out for {self.kind} noise")

    def __str__(self) -> str:
        if self.rate is None:
            return f"file {(self.labels or '')[:6]}"
        return f"{self.rate:g}" if self.kind == "symmetric" else f"{self.kind} {self.rate:g}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. Defaults are frozen: they are part of what a stored run's identity means."""

    epochs: int
    """Passes over the training images."""
    learning_rate: float
    """The peak of the schedule."""
    optimizer: Optimizer = "sgd"
    """least-squares: no steps, but the linear head of least norm that fits best, in closed form (random_features)."""
    momentum: float = 0.9
    """SGD's, and that of SAM's steps; Adam ignores it."""
    weight_decay: float = 5e-4
    """L2 penalty for SGD, decoupled decay for Adam (AdamW); on every parameter."""
    batch_size: int = 128
    schedule: Schedule = "one-cycle"
    """constant; steps: x0.1 at 37, 62 and 87 % (Somepalli et al. 2022); one-cycle: up over 25 %, down to 0."""
    augmentation: Augmentation = "crop-flip"
    """crop-flip: random crop after zero padding by an eighth of the side, and random mirroring."""
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    """Largest norm of the gradient; longer ones are scaled down to it."""
    mode: Mode = "plain"
    """mixup, cutmix; adversarial: PGD of radius 8/255; distil-soft, distil-hard: on what a teacher says."""
    temperature: float = 30.0
    """Softens teacher and student in distil-soft."""
    sam_radius: float = 0.01
    """How far SAM climbs before it takes the gradient."""
    precision: Precision = "fp32"
    """bf16: forward and backward under autocast, weights and optimizer in fp32."""
    deterministic: bool = True
    """Only kernels that give the same bits every time."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(Recipe).items():  # 1 and 1.0 are one value: they must hash alike
            value = getattr(self, name)
            if _allows_float(hint) and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, name, float(value))
        _require(self.epochs >= 1, "recipe.epochs", self.epochs, "at least 1")
        _require(self.learning_rate > 0, "recipe.learning_rate", self.learning_rate, "above 0")
        _require(0 <= self.momentum < 1, "recipe.momentum", self.momentum, "in [0, 1)")
        _require(self.weight_decay >= 0, "recipe.weight_decay", self.weight_decay, "at least 0")
        _require(self.batch_size >= 1, "recipe.batch_size", self.batch_size, "at least 1")
        _require(0 <= self.label_smoothing < 1, "recipe.label_smoothing", self.label_smoothing, "in [0, 1)")
        _require(self.temperature > 0, "recipe.temperature", self.temperature, "above 0")
        _require(self.sam_radius > 0, "recipe.sam_radius", self.sam_radius, "above 0")
        _require(self.clip_norm is None or self.clip_norm > 0, "recipe.clip_norm", self.clip_norm, "above 0")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            _require(value in choices, f"recipe.{name}", value, f"one of {', '.join(choices)}")
        if self.optimizer == "least-squares":
            for name, only in _CLOSED_FORM.items():
                value, said = getattr(self, name), f"{only!r} under least-squares, which takes no steps"
                _require(value == only, f"recipe.{name}", value, said)


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
        _require(self.width is None or self.width >= 1, "width", self.width, "a whole number of at least 1")
        _require(
            self.train_size is None or self.train_size >= 1,
            "train_size",
            self.train_size,
            "a whole number of at least 1",
        )
        solved, said = self.recipe.optimizer == "least-squares", "None under least-squares, which begins from nothing"
        _require(not solved or self.seeds.nudge is None, "seeds.nudge", self.seeds.nudge, said)
        repeats = "0 where recipe.deterministic is set: a repetition would give the same bits"
        _require(not self.recipe.deterministic or not self.seeds.repeat, "seeds.repeat", self.seeds.repeat, repeats)
        if self.pretrained is not None:
            steps = [name for name in OPTIMIZERS if name != "least-squares"]
            _require(not solved, "recipe.optimizer", self.recipe.optimizer, f"one of {', '.join(steps)} {_ON_FEATURES}")
            for name, only in _FEATURES.items():
                value = getattr(self.recipe, name)
                _require(value == only, f"recipe.{name}", value, f"{only!r} {_ON_FEATURES}")

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
        return json.dumps(_without_defaults(self), sort_keys=True, separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """Every field, as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "RunSpec":
        """The spec written by `to_dict`.

        Raises:
            InputError: a field is unknown (a newer dbviz wrote it), missing or out of range.
        """
        return _build(cls, fields)


def _file_safe(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{name} is {value!r}: it must be {expected}")


def _allows_float(hint: Any) -> bool:
    return float in (hint, *typing.get_args(hint))


def _without_defaults(value: Any) -> Any:
    if not dataclasses.is_dataclass(value):
        return value
    kept = {}
    for f in dataclasses.fields(value):
        present = getattr(value, f.name)
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        if present != default:
            kept[f.name] = _without_defaults(present)
    return kept


def _build(cls: Any, fields: Any) -> Any:
    if not isinstance(fields, dict):
        raise InputError(f"{cls.__name__}: expected a JSON object, got {type(fields).__name__}")
    hints = typing.get_type_hints(cls)
    if unknown := sorted(set(fields) - set(hints)):
        raise InputError(f"{cls.__name__} has no field {unknown[0]!r}: was it written by a newer dbviz?")
    nested = {
        name: _build(part, value) if (part := _dataclass_in(hints[name], value)) else value
        for name, value in fields.items()
    }
    for name, value in nested.items():
        if not _fits(value, hints[name]):
            raise InputError(f"{cls.__name__}.{name} is {value!r}: expected {hints[name]}")
        if _allows_float(hints[name]) and isinstance(value, int):
            nested[name] = float(value)
    try:
        return cls(**nested)
    except TypeError as error:
        raise InputError(f"{cls.__name__}: {error}") from None


def _dataclass_in(hint: Any, value: Any) -> Any:
    """The dataclass that `value` must be the fields of, if the annotation allows one and not the value itself."""
    options = typing.get_args(hint) if value is not None else ()
    return next((option for option in (hint, *options) if dataclasses.is_dataclass(option)), None)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the type of the annotation; keeps a damaged file from becoming a strange spec."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return value in typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


_CHOICES = {
    name: typing.get_args(hint)
    for name, hint in typing.get_type_hints(Recipe).items()
    if typing.get_origin(hint) is Literal
}
_CLOSED_FORM = {"epochs": 1, "mode": "plain", "augmentation": "none", "precision": "fp32"}
"""What a recipe must say where nothing is trained step by step."""
_FEATURES = {"mode": "plain", "augmentation": "none"}
"""What a recipe must say where a head is trained on features that were computed once."""
_ON_FEATURES = "under pretrained, whose features are computed once"
