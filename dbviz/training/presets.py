"""Presets: recipes of every architecture for a first look, for results, and as published."""

from dataclasses import dataclass, replace
from typing import Unpack

from dbviz.core.errors import unknown_name
from dbviz.spec import Optimizer, Precision, Recipe, RecipeChanges, RunSpec, Seeds

__all__ = ["PRESETS", "Preset", "preset_spec"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe with the width and the number of training images that it is meant for.

    None is the published width, and all training images.

    Example:
        >>> PRESETS["quick"]["resnet18"].width, PRESETS["paper"]["resnet18"].recipe.epochs
        (16, 100)
    """

    recipe: Recipe
    width: int | None = None
    train_size: int | None = None


def _quick(learning_rate: float, width: int, /, **changes: Unpack[RecipeChanges]) -> Preset:
    recipe = Recipe(epochs=5, learning_rate=learning_rate, label_smoothing=0.05, batch_size=64)
    return Preset(recipe=replace(recipe, **changes), width=width, train_size=16_000)


def _quick_adam(learning_rate: float, width: int, /) -> Preset:
    return _quick(learning_rate, width, optimizer="adam", weight_decay=0.01, clip_norm=1.0)


def _standard(learning_rate: float, /, **changes: Unpack[RecipeChanges]) -> Preset:
    recipe = Recipe(epochs=30, learning_rate=learning_rate, batch_size=256)
    return Preset(recipe=replace(recipe, **changes))


def _standard_adam(learning_rate: float, /) -> Preset:
    return _standard(learning_rate, epochs=100, optimizer="adam", weight_decay=0.05, clip_norm=1.0)


def _paper(learning_rate: float, /, **changes: Unpack[RecipeChanges]) -> Preset:
    return Preset(recipe=replace(Recipe(epochs=100, learning_rate=learning_rate, schedule="steps"), **changes))


def _with(preset: Preset, /, **changes: Unpack[RecipeChanges]) -> Preset:
    return replace(preset, recipe=replace(preset.recipe, **changes))


_LEAST_SQUARES = Recipe(
    epochs=1, learning_rate=1.0, optimizer="least-squares", augmentation="none", weight_decay=0.0, schedule="constant"
)
"""Solved in closed form: learning rate, decay and schedule have no influence."""

_INTERPOLATING = RecipeChanges(optimizer="adam", weight_decay=0.0, label_smoothing=0.0, augmentation="none")
"""No regularisation, so that a network can fit all labels, including wrong ones."""

_NAKKIRAN = RecipeChanges(optimizer="adam", weight_decay=0.0, schedule="constant")
"""Nakkiran et al. 2019."""

PRESETS: dict[str, dict[str, Preset]] = {
    # Small widths and 16,000 images, for two CPU cores; rates from a small search on CIFAR-10 test accuracy of seed 0.
    "quick": {
        "fcnet": replace(_quick(0.02, 512, epochs=12), train_size=20_000),
        "vgg19": _quick(0.05, 16),
        "resnet18": _quick(0.1, 16),
        "densenet121": replace(_quick(0.1, 8, epochs=4), train_size=10_000),
        "wideresnet28_10": _quick(0.1, 1),
        "wideresnet28_20": replace(_quick(0.1, 2), train_size=8_000),
        "wideresnet28_30": replace(_quick(0.1, 3), train_size=5_000),
        "vit": _quick_adam(2e-3, 64),
        "mlp_mixer": _quick_adam(2e-3, 64),
        "resnet18k": _quick(0.1, 16),
        # long enough on few enough images to fit them all, as its sweep over widths needs
        "mlp": replace(_with(_quick(2e-3, 128, epochs=25, batch_size=16), **_INTERPOLATING), train_size=1_000),
        "random_features": Preset(recipe=_LEAST_SQUARES, width=1000, train_size=1000),
    },
    # Published widths, all images, one-cycle: for one modern GPU. Not measured on one yet.
    "standard": {
        "fcnet": _standard(0.05),
        "vgg19": _standard(0.05),
        "resnet18": _standard(0.2),
        "densenet121": _standard(0.2),
        "wideresnet28_10": _standard(0.1),
        "wideresnet28_20": _standard(0.1),
        "wideresnet28_30": _standard(0.1),
        "vit": _standard_adam(5e-4),
        "mlp_mixer": _standard_adam(5e-4),
        "resnet18k": _with(_standard(1e-3, **_NAKKIRAN), epochs=200, batch_size=128, schedule="one-cycle"),
        "mlp": _standard(0.05, augmentation="none"),
        "random_features": Preset(recipe=_LEAST_SQUARES, width=4000, train_size=4000),
    },
    # Somepalli et al. 2022 (rates from the grid they searched; those of their Table 1 where it names them) and,
    # for resnet18k, Nakkiran et al. 2019.
    "paper": {
        "fcnet": _paper(0.01),
        "vgg19": _paper(0.005),
        "resnet18": _paper(0.05),
        "densenet121": _paper(0.05),
        "wideresnet28_10": _paper(0.05),
        "wideresnet28_20": _paper(0.05),
        "wideresnet28_30": _paper(0.05),
        "vit": _paper(0.02),
        "mlp_mixer": _paper(0.02),
        "resnet18k": _with(_paper(1e-4, **_NAKKIRAN), epochs=4000),
        "mlp": _paper(0.01, augmentation="none"),
        "random_features": Preset(recipe=_LEAST_SQUARES, width=10_000, train_size=10_000),
    },
}
"""For each preset, by its name: the preset of each registered architecture."""

_ADAM_RATES = {
    "quick": {},
    "standard": {"vit": 5e-4, "mlp_mixer": 5e-4},
    "paper": {"vgg19": 2e-3},  # Somepalli et al. 2022, Table 1; .001 for the others
}
_ADAM_RATE = {"quick": 2e-3, "standard": 1e-3, "paper": 1e-3}
_ADAM_DECAY = {"quick": 0.01, "standard": 0.05, "paper": 5e-4}
_SGD_RATES = {
    "quick": {"vit": 0.05, "mlp_mixer": 0.05},
    "standard": {"vit": 0.05, "mlp_mixer": 0.05},
    "paper": {},
}
_SGD_RATE = {"quick": 0.05, "standard": 0.1, "paper": 0.05}
"""Learning rates of the optimizers that a preset does not use for an architecture: by architecture, else by preset."""

_UNREGISTERED = {"quick": _quick(0.05, 1), "standard": _standard(0.1), "paper": _paper(0.05)}
"""For `timm:NAME`, `torchvision:NAME` and users' own networks, which have no width."""


def preset_spec(
    preset: str,
    arch: str,
    *,
    dataset: str,
    seeds: Seeds,
    precision: Precision,
    definition: str | None = None,
    optimizer: Optimizer | None = None,
) -> RunSpec:
    """The spec of `arch` under `preset`.

    Args:
        dataset: its name; on users' own datasets all training images are used.
        definition: fingerprint of a user's own network; see `dbviz.models.definition_of`.
        optimizer: replaces the preset's, with a learning rate and a decay that suit it.

    Raises:
        InputError: preset or architecture is unknown.

    Example:
        >>> spec = preset_spec("paper", "vgg19", dataset="cifar10", seeds=Seeds.all(3), precision="fp32")
        >>> spec.recipe.epochs, spec.recipe.learning_rate
        (100, 0.005)
    """
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    registered = PRESETS[preset].get(arch)
    if registered is None and ":" not in arch:
        patterns = ["timm:NAME", "torchvision:NAME", "package.module:Factory"]
        raise unknown_name("architecture", arch, [*PRESETS[preset], *patterns])
    selected = registered or replace(_UNREGISTERED[preset], width=None)
    if dataset.partition("@")[0] not in ("cifar10", "cifar100", "svhn", "shapes"):
        selected = replace(selected, train_size=None)
    recipe = _with_optimizer(selected.recipe, optimizer, preset, arch)
    return RunSpec(
        dataset=dataset,
        arch=arch,
        width=selected.width,
        definition=definition,
        train_size=selected.train_size,
        recipe=recipe if recipe.optimizer == "least-squares" else replace(recipe, precision=precision),
        seeds=seeds,
    )


def _with_optimizer(recipe: Recipe, optimizer: Optimizer | None, preset: str, arch: str) -> Recipe:
    """The recipe with another optimizer; SGD and SAM share their learning rates, since SAM makes steps of SGD."""
    if optimizer is None or optimizer == recipe.optimizer:
        return recipe
    if optimizer == "adam":
        rate, decay = _ADAM_RATES[preset].get(arch, _ADAM_RATE[preset]), _ADAM_DECAY[preset]
    elif recipe.optimizer in ("adam", "least-squares"):
        rate, decay = _SGD_RATES[preset].get(arch, _SGD_RATE[preset]), 5e-4
    else:
        rate, decay = recipe.learning_rate, recipe.weight_decay
    return replace(recipe, optimizer=optimizer, learning_rate=rate, weight_decay=decay)
