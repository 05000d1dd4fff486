"""From what a user asks for to specs: architectures, seeds, a preset, and the fields that differ from it."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dbviz.core.errors import InputError, unknown_name
from dbviz.data import Images, ImageSet, labels_digest, noisy_labels, parse_noise, read_labels
from dbviz.models.build import arch_name, definition_of
from dbviz.runs import store
from dbviz.runs.backbones import named_network, save_backbone
from dbviz.spec import OPTIMIZERS, LabelNoise, RunSpec, Seeds
from dbviz.training import default_precision, preset_spec

__all__ = ["Arch", "default_preset", "head_changes", "label_noise", "make_specs"]

Arch = str | Callable[..., nn.Module]


def make_specs(
    archs: Iterable[Arch],
    seeds: Iterable[int | Seeds],
    *,
    images: Images,
    preset: str | None,
    device: torch.device,
    **changes: Any,
) -> list[RunSpec]:
    """The spec of every architecture under every seed; the arguments are those of `fit`."""
    preset = preset or default_preset(device)
    seeds = list(seeds)
    named = [arch if isinstance(arch, str) else arch_name(arch) for arch in archs]
    optimizer = changes.pop("optimizer", None)
    if optimizer not in (None, *OPTIMIZERS):
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
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
            changes,
        )
        for name in named
        for seed in seeds
    ]


def label_noise(text: str, train: ImageSet, home: Path) -> LabelNoise | None:
    """The noise that `text` stands for: see `parse_noise`; the labels of a file are kept in `home`.

    Raises:
        InputError: a rate is out of range, or the file's labels cannot be used.
    """
    found = parse_noise(text)
    if not isinstance(found, Path):
        noisy_labels(train, found, seed=0)  # raises where it is not defined for these classes
        return found
    labels = read_labels(text, train)
    name = labels_digest(labels)
    store.save_label_file(home, name, torch.from_numpy(labels))
    return LabelNoise(kind="file", labels=name)


def head_changes(
    source: str, archs: Sequence[Arch], home: Path, changes: dict[str, Any], **asked: Any
) -> dict[str, Any]:
    """The changes that make `make_specs` train a new head alone, on the network that `source` names.

    Its weights are kept in `home`.

    Args:
        changes, asked: the other arguments of `make_specs`.

    Raises:
        InputError: there is not one architecture, it is not that of `source`, or the weights cannot be used: see
            `save_backbone`.
    """
    if len(archs) != 1:
        raise InputError(f"--pretrained goes with one architecture, {len(archs)} are given")
    (spec,) = make_specs(archs, [0], **{**changes, "pretrained": None}, **asked)
    arch, width = named_network(source, home) or (spec.arch, spec.width)
    if arch != spec.arch:
        raise InputError(f"pretrained {source} is a {arch}, not the {spec.arch} asked for: leave --arch out")
    return {"pretrained": save_backbone(source, arch, width, asked["images"], home), "width": width}


def default_preset(device: torch.device) -> str:
    """quick on a CPU, standard on a GPU."""
    return "quick" if device.type == "cpu" else "standard"


def _changed(spec: RunSpec, train: ImageSet, changes: dict[str, Any]) -> RunSpec:
    """The spec with the fields named in `changes`, its own or its recipe's, set anew."""
    recipe_fields = {field.name for field in dataclasses.fields(spec.recipe)}
    spec_fields = {"width", "train_size", "label_noise", "teacher", "pretrained"}
    if changes.get("pretrained"):
        changes = {"augmentation": "none"} | changes
    if unknown := changes.keys() - recipe_fields - spec_fields:
        known = sorted(recipe_fields | spec_fields)
        raise InputError(f"unknown setting {min(unknown)!r}: choose among {', '.join(known)}")
    recipe = dataclasses.replace(spec.recipe, **{k: v for k, v in changes.items() if k in recipe_fields})
    spec = dataclasses.replace(spec, recipe=recipe, **{k: v for k, v in changes.items() if k in spec_fields})
    train.first(spec.train_size)  # raises where there are fewer images
    return spec
