"""Specs from what a user requests: architectures, seeds, a preset, and the fields that differ from it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import nn

from dbviz.core.errors import InputError, unknown_name
from dbviz.data import Images, ImageSet, labels_digest, noisy_labels, parse_noise, read_labels
from dbviz.models.build import arch_name, definition_of
from dbviz.runs import store
from dbviz.runs.backbones import save_backbone, source_architecture
from dbviz.spec import OPTIMIZERS, LabelNoise, RecipeChanges, RunSpec, Seeds, SpecChanges
from dbviz.training import default_precision, preset_spec

__all__ = ["Arch", "default_preset", "head_only_changes", "make_specs", "resolve_label_noise"]

Arch = str | Callable[..., nn.Module]
"""The name of an architecture, or a user's own class or function that makes a network."""


def make_specs(
    archs: Iterable[Arch],
    seeds: Iterable[int | Seeds],
    *,
    images: Images,
    preset: str | None,
    device: torch.device,
    label_noise: LabelNoise | None = None,
    pretrained: str | None = None,
    **changes: Unpack[SpecChanges],
) -> list[RunSpec]:
    """The spec of every architecture under every seed.

    Args:
        preset: None is `default_preset(device)`.
        pretrained: the digest of stored weights: see `save_backbone`.
        changes: fields that differ from the preset, as for `fit`.

    Raises:
        InputError: an argument is unknown or out of range.

    Example:
        >>> from dbviz.data import shapes
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> setting = {"images": images, "preset": "quick", "device": torch.device("cpu")}
        >>> [spec.name[:22] for spec in make_specs(["vit", "fcnet"], [0, 1], **setting, train_size=64, width=16)]
        ['shapes-vit-w16-n64-e5-', 'shapes-vit-w16-n64-e5-', 'shapes-fcnet-w16-n64-e', 'shapes-fcnet-w16-n64-e']
    """
    preset = preset or default_preset(device)
    seeds = list(seeds)
    names = [arch if isinstance(arch, str) else arch_name(arch) for arch in archs]
    optimizer = changes.pop("optimizer", None)
    if optimizer not in (None, *OPTIMIZERS):
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    changed = {**changes, "label_noise": label_noise, "pretrained": pretrained}
    return [
        _changed(
            preset_spec(
                preset,
                name,
                dataset=images.name,
                seeds=seed if isinstance(seed, Seeds) else Seeds.all(int(seed)),
                precision=default_precision(device),
                definition=definition_of(name),
                optimizer=optimizer,
            ),
            images.train,
            changed,
        )
        for name in names
        for seed in seeds
    ]


def resolve_label_noise(text: str, train: ImageSet, home: Path) -> LabelNoise | None:
    """The label noise that `text` describes (see `parse_noise`); the labels of a file are stored in `home`.

    Raises:
        InputError: a rate is out of range, or the file's labels cannot be used.

    Example:
        >>> from dbviz.data import shapes
        >>> resolve_label_noise("0.2", shapes(20), Path("runs"))
        LabelNoise(rate=0.2)
    """
    noise = parse_noise(text)
    if not isinstance(noise, Path):
        noisy_labels(train, noise, seed=0)  # raises if it is not defined for these classes
        return noise
    labels = read_labels(text, train)
    name = labels_digest(labels)
    store.save_label_file(home, name, torch.from_numpy(labels))
    return LabelNoise(kind="file", labels=name)


def head_only_changes(
    source: str,
    archs: Sequence[Arch],
    home: Path,
    changes: Mapping[str, Any],
    *,
    images: Images,
    preset: str | None,
    device: torch.device,
) -> dict[str, Any]:
    """The changes by which `make_specs` specifies the training of a new head on the frozen network `source`.

    The weights of the network are stored in `home`.

    Args:
        source: see `save_backbone`.
        changes: those of `make_specs`.

    Returns:
        `pretrained` and `width`.

    Raises:
        InputError: there is more than one architecture, it is not that of `source`, or the weights cannot be used: see
            `save_backbone`.
    """
    if len(archs) != 1:
        raise InputError(f"--pretrained goes with one architecture, {len(archs)} are given")
    plain: dict[str, Any] = {**changes, "pretrained": None}
    (spec,) = make_specs(archs, [0], images=images, preset=preset, device=device, **plain)
    arch, width = source_architecture(source, home) or (spec.arch, spec.width)
    if arch != spec.arch:
        raise InputError(f"pretrained {source} is a {arch}, not the {spec.arch} requested: leave --arch out")
    return {"pretrained": save_backbone(source, arch, width, images, home), "width": width}


def default_preset(device: torch.device) -> str:
    """quick on a CPU, standard on a GPU.

    Example:
        >>> default_preset(torch.device("cpu"))
        'quick'
    """
    return "quick" if device.type == "cpu" else "standard"


_SPEC_FIELDS = SpecChanges.__annotations__.keys() - RecipeChanges.__annotations__.keys() | {"label_noise", "pretrained"}


def _changed(spec: RunSpec, train: ImageSet, changes: Mapping[str, Any]) -> RunSpec:
    """The spec with other values of the fields, its own or its recipe's, that `changes` names."""
    recipe_fields = RecipeChanges.__annotations__.keys()
    if changes.get("pretrained"):
        changes = {"augmentation": "none", **changes}
    if unknown := changes.keys() - recipe_fields - _SPEC_FIELDS:
        known = sorted(recipe_fields | _SPEC_FIELDS)
        raise InputError(f"unknown setting {min(unknown)!r}: choose among {', '.join(known)}")
    recipe = dataclasses.replace(spec.recipe, **{k: v for k, v in changes.items() if k in recipe_fields})
    spec = dataclasses.replace(spec, recipe=recipe, **{k: v for k, v in changes.items() if k in _SPEC_FIELDS})
    train.first(spec.train_size)  # raises if there are fewer images
    return spec
