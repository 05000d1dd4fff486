"""Trained networks: loaded from the store, or trained now."""

import dataclasses
import os
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dbviz.core.progress import Advance, progress_bar
from dbviz.data import Images, load_images
from dbviz.runs import store
from dbviz.runs.run import Run
from dbviz.runs.specs import Arch, head_changes, label_noise, make_specs
from dbviz.runs.training_run import is_complete, train_run
from dbviz.spec import RunSpec, Seeds
from dbviz.training import choose_device
from dbviz.training.time_estimate import seconds_of_features, seconds_per_run

__all__ = ["estimate_seconds", "fit", "fit_specs", "unfinished"]


def fit(
    arch: Arch | Sequence[Arch],
    *,
    seeds: Iterable[int | Seeds] = (0,),
    dataset: str | Images = "cifar10",
    preset: str | None = None,
    device: str = "auto",
    home: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **changes: Any,
) -> list[Run]:
    """Runs of every architecture under every seed, trained now or loaded where they exist.

    Args:
        arch: a name that `dbviz.models.build` knows, or a user's own module class or function that makes one, defined
            in a file or a notebook cell; or several.
        seeds: one for all streams of randomness, or a `Seeds` for each apart.
        dataset: a name that `dbviz.load_images` knows, or `Images` made from a user's arrays.
        preset: quick, standard or paper; by default quick on a CPU and standard on a GPU.
        changes: fields of `RunSpec` (`width`, `train_size`, `label_noise`, `teacher`) or `Recipe` (`epochs`,
            `learning_rate`, ...) that differ from the preset; another `optimizer` brings its own learning rate and
            decay; a `label_noise` may be text as for `--label-noise`; `pretrained`, as for `--pretrained`, names a
            network of which only a new head is trained.

    Returns:
        All runs, architecture by architecture and, in each, seed by seed.

    Raises:
        InputError: any of these is unknown or out of range.
        TrainingDiverged: a loss became infinite or no number.
    """
    chosen = choose_device(device)
    images = load_images(dataset, data_dir) if isinstance(dataset, str) else dataset
    archs = [arch] if isinstance(arch, str) or callable(arch) else list(arch)
    if isinstance(noise := changes.get("label_noise"), str | float):
        changes["label_noise"] = label_noise(str(noise), images.train, store.home_directory(home))
    if source := changes.get("pretrained"):
        asked = {"images": images, "preset": preset, "device": chosen}
        changes |= head_changes(source, archs, store.home_directory(home), changes, **asked)
    specs = make_specs(archs, seeds, images=images, preset=preset, device=chosen, **changes)
    return fit_specs(specs, images, device=chosen, home=store.home_directory(home), progress=progress)


def unfinished(specs: Iterable[RunSpec], home: Path, keep: Collection[int] = ()) -> list[RunSpec]:
    """The specs whose runs, or whose weights after the epochs `keep`, are not in the store yet."""
    return [spec for spec in specs if not is_complete(spec, home, keep)]


def estimate_seconds(specs: Iterable[RunSpec], images: Images, device: torch.device) -> dict[RunSpec, float]:
    """Estimated training time of each spec on this machine; runs that differ in their seeds alone are timed once.

    Of several heads on one backbone the first bears the time that the features take.
    """
    timed: dict[RunSpec, float] = {}
    found = {}
    for spec in specs:
        seedless, shared = dataclasses.replace(spec, seeds=Seeds()), 0.0
        if seedless not in timed:
            timed[seedless] = seconds_per_run(spec, images, device)
            shared = seconds_of_features(spec, images, device) if spec.pretrained else 0.0
        found[spec] = timed[seedless] + shared
    return found


def fit_specs(
    specs: Sequence[RunSpec],
    images: Images,
    *,
    device: torch.device,
    home: Path,
    progress: bool = True,
    seconds: dict[RunSpec, float] | None = None,
    keep: Collection[int] = (),
) -> list[Run]:
    """The run of each spec, trained where the store has none; see `train_run`.

    Args:
        seconds: estimated time of each missing run, by which the progress bar weighs them; by default measured now.
        keep: epochs whose weights are kept too, for `Run.at`.

    Raises:
        InputError: a run has fewer epochs, or cannot be trained with bitwise identical results again.
    """
    missing = unfinished(specs, home, keep)
    if missing:
        seconds = seconds or estimate_seconds(missing, images, device)
        with progress_bar(sum(seconds[spec] for spec in missing), show=progress) as advance:
            for number, spec in enumerate(missing, 1):
                share = seconds[spec] / (spec.recipe.epochs * len(images.train.first(spec.train_size)))
                title = f"training {number}/{len(missing)}: {spec.arch} seed {spec.seeds}"
                on_batch = partial(_advance, advance, share, title)
                train_run(spec, images, device=device, home=home, keep=keep, on_batch=on_batch)
    runs = [store.find(spec, home) for spec in specs]
    return [run for run in runs if run is not None]


def _advance(advance: Advance, share: float, title: str, count: int) -> None:
    advance(count * share, title)
