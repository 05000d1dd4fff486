"""The networks that a command's options ask for: their specs, and their runs, trained now or found."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dbviz.cli.announcement import announce
from dbviz.cli.options import TrainingOptions
from dbviz.core.paths import output_directory
from dbviz.data import Images, load_images
from dbviz.runs import Run, store
from dbviz.runs.backbones import source_architecture
from dbviz.runs.fitting import fit_specs
from dbviz.runs.specs import default_preset, head_only_changes, make_specs, resolve_label_noise
from dbviz.scores import Estimate, image_scores
from dbviz.spec import RunSpec
from dbviz.spec.names import network_names
from dbviz.training import choose_device

__all__ = ["Wanted", "fit_wanted", "image_scores_of", "nudged", "wanted"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be trained, where, and on what."""

    specs: list[RunSpec]
    images: Images
    device: torch.device
    preset: str


def wanted(options: TrainingOptions) -> Wanted:
    """The networks asked for, each under every seed; nothing is trained yet.

    Raises:
        InputError: an option is out of range or names something unknown.
    """
    seeds, variants = options.run_seeds(), options.variants()
    device = choose_device(options.device)
    preset = options.preset or default_preset(device)
    images = load_images(options.dataset, options.data_dir)
    asked = {"images": images, "preset": preset, "device": device}
    archs, on = _on_backbone(variants[0], asked, options) if options.pretrained else (options.arch, {})
    specs = [
        spec
        for arch in archs
        for changes in variants
        for spec in make_specs([arch], seeds, **asked, **_resolved(changes, images, options) | on)
    ]
    return Wanted(specs=specs, images=images, device=device, preset=preset)


def fit_wanted(asked: Wanted, options: TrainingOptions, *, also: Sequence[RunSpec] = ()) -> list[Run]:
    """Says what will be done, then gives the runs, in the order of the specs and behind them those of `also`."""
    home = _home(options)
    specs = [*asked.specs, *also]
    seconds = announce(specs, asked.images, asked.device, home, asked.preset)
    return fit_specs(specs, asked.images, device=asked.device, home=home, seconds=seconds)


def nudged(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The same runs from beginnings with one weight multiplied by 1.001."""
    return [dataclasses.replace(spec, seeds=dataclasses.replace(spec.seeds, nudge=0)) for spec in specs]


def image_scores_of(runs: Sequence[Run], images: Images) -> dict[str, dict[str, Estimate]]:
    """Test accuracy, churn and divergence of each network, by the name of the score."""
    by_network: dict[str, list[Run]] = {}
    for name, run in zip(network_names([run.spec for run in runs]), runs, strict=True):
        by_network.setdefault(name, []).append(run)
    found: dict[str, dict[str, Estimate]] = {}
    for name, alike in by_network.items():
        logits = np.stack([run.test_logits().numpy() for run in alike])
        for score, estimate in image_scores(logits, images.test.labels).items():
            found.setdefault(score, {})[name] = estimate
    return found


def _resolved(changes: dict[str, Any], images: Images, options: TrainingOptions) -> dict[str, Any]:
    """The changes with what they name, a teacher or a file of labels, looked up."""
    found = dict(changes)
    if "teacher" in found:
        found["teacher"] = store.find_by_name(found["teacher"], _home(options)).spec.identity
    if "label_noise" in found:
        found["label_noise"] = resolve_label_noise(found["label_noise"], images.train, _home(options))
    return found


def _on_backbone(
    changes: dict[str, Any], asked: dict[str, Any], options: TrainingOptions
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The architecture of the network that --pretrained names, and the changes that train a new head on it alone."""
    source, home = options.pretrained or "", _home(options)
    named = source_architecture(source, home) if options.arch == TrainingOptions.arch else None
    archs = options.arch if named is None else (named[0],)
    return archs, head_only_changes(source, archs, home, _resolved(changes, asked["images"], options), **asked)


def _home(options: TrainingOptions) -> Path:
    return output_directory(store.home_directory(options.home))
