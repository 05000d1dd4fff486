"""Trained networks: found in the store or trained now."""

import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dbviz import sealed, store
from dbviz.backbones import features_of, headed, keep_backbone, named_network
from dbviz.errors import InputError, unknown_name
from dbviz.images import (
    DeviceBatches,
    Images,
    ImageSet,
    labels_digest,
    load_images,
    mislabelled,
    noisy_labels,
    parse_noise,
    read_labels,
)
from dbviz.models.build import arch_name, build, definition_of
from dbviz.models.nudge import nudge
from dbviz.progress import Advance, progress_bar
from dbviz.spec import OPTIMIZERS, LabelNoise, RunSpec, Seeds
from dbviz.store import Run
from dbviz.training import accuracy, choose_device, default_precision, logits, preset_spec, train
from dbviz.training.device import kernels
from dbviz.training.head import FeatureBatches, head_logits
from dbviz.training.least_squares import least_squares
from dbviz.training.objective import make_objective
from dbviz.training.pilot import seconds_of_features, seconds_per_run
from dbviz.training.random_forward import check_forward_repeats

__all__ = [
    "estimate_seconds",
    "fit",
    "fit_specs",
    "label_noise",
    "make_specs",
    "on_backbone",
    "training_images",
    "unfinished",
]

Arch = str | Callable[..., nn.Module]


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
        changes |= on_backbone(source, archs, store.home_directory(home), changes, **asked)
    specs = make_specs(archs, seeds, images=images, preset=preset, device=chosen, **changes)
    return fit_specs(specs, images, device=chosen, home=store.home_directory(home), progress=progress)


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
    store.keep_labels(home, name, torch.from_numpy(labels))
    return LabelNoise(kind="file", labels=name)


def on_backbone(
    source: str, archs: Sequence[Arch], home: Path, changes: dict[str, Any], **asked: Any
) -> dict[str, Any]:
    """The changes that make `make_specs` train a new head alone, on the network that `source` names.

    Its weights are kept in `home`.

    Args:
        changes, asked: the other arguments of `make_specs`.

    Raises:
        InputError: there is not one architecture, it is not that of `source`, or the weights cannot be used: see
            `keep_backbone`.
    """
    if len(archs) != 1:
        raise InputError(f"--pretrained goes with one architecture, {len(archs)} are given")
    (spec,) = make_specs(archs, [0], **{**changes, "pretrained": None}, **asked)
    arch, width = named_network(source, home) or (spec.arch, spec.width)
    if arch != spec.arch:
        raise InputError(f"pretrained {source} is a {arch}, not the {spec.arch} asked for: leave --arch out")
    return {"pretrained": keep_backbone(source, arch, width, asked["images"], home), "width": width}


def training_images(spec: RunSpec, images: Images, home: Path) -> ImageSet:
    """The images that `spec` is trained on, with the labels it is trained on.

    Raises:
        InputError: labels that came in a file are not in `home`.
    """
    train, noise = images.train.first(spec.train_size), spec.label_noise
    given = store.kept_labels(home, noise.labels).numpy() if noise is not None and noise.labels else None
    return dataclasses.replace(train, labels=noisy_labels(train, noise, spec.seeds.noise, given))


def default_preset(device: torch.device) -> str:
    """quick on a CPU, standard on a GPU."""
    return "quick" if device.type == "cpu" else "standard"


def unfinished(specs: Iterable[RunSpec], home: Path, keep: Collection[int] = ()) -> list[RunSpec]:
    """The specs whose runs, or whose weights after the epochs `keep`, are not in the store yet."""
    return [spec for spec in specs if store.find(spec, home) is None or _not_kept(spec, home, keep)]


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
    """The run of each spec, trained where the store has none; `seconds` weighs them in the progress bar.

    A run that another process is training is waited for and then loaded.

    Args:
        keep: epochs whose weights are kept too, for `Run.at`; a finished run that has not kept them is trained again,
            to the same bits.

    Raises:
        InputError: a run has fewer epochs, or cannot be trained to the same bits again.
    """
    missing = unfinished(specs, home, keep)
    if missing:
        seconds = seconds or estimate_seconds(missing, images, device)
        with progress_bar(sum(seconds[spec] for spec in missing), show=progress) as advance:
            for number, spec in enumerate(missing, 1):
                share = seconds[spec] / (spec.recipe.epochs * len(images.train.first(spec.train_size)))
                title = f"training {number}/{len(missing)}: {spec.arch} seed {spec.seeds}"
                on_batch = partial(_advance, advance, share, title)
                with store.locked(spec, home):
                    if unfinished([spec], home, keep):  # no other process finished it while this one waited
                        _train(spec, images, device, home, on_batch, keep)
    runs = [store.find(spec, home) for spec in specs]
    return [run for run in runs if run is not None]


def _advance(advance: Advance, share: float, title: str, count: int) -> None:
    advance(count * share, title)


def _not_kept(spec: RunSpec, home: Path, keep: Collection[int]) -> list[int]:
    if keep and max(keep) > spec.recipe.epochs:
        raise InputError(f"epoch {max(keep)} asked for, but {spec.name} has {spec.recipe.epochs}: ask for at most that")
    return [epoch for epoch in keep if not store.kept(spec, home, epoch)]


def _train(
    spec: RunSpec,
    images: Images,
    device: torch.device,
    home: Path,
    on_batch: Callable[[int], None],
    keep: Collection[int],
) -> None:
    if store.find(spec, home) is not None and not spec.recipe.deterministic:
        raise InputError(
            f"{home / spec.name} kept no weights of epochs {sorted(keep)} and was trained with --fast, "
            "so it cannot be trained to the same bits again: delete it"
        )
    store.begin(spec, home, device)
    model, head = _initial(spec, images, home)
    initial_fingerprint = sealed.digest(model.state_dict())
    model.to(device)
    if spec.recipe.deterministic:
        _check_repeats(model, images, device, spec.arch)
    trained_on = training_images(spec, images, home)
    if spec.label_noise is not None:
        wrong = mislabelled(images.train.first(spec.train_size), trained_on.labels)
        store.save_labels(spec, home, torch.from_numpy(trained_on.labels), torch.from_numpy(wrong))
    start, epochs = store.last_checkpoint(spec, home) or (None, [])
    if start is not None and any(epoch <= start.metrics.epoch for epoch in _not_kept(spec, home, keep)):
        start, epochs = None, []  # an interrupted training that was not asked to keep them
    if start is not None:
        on_batch(start.metrics.epoch * len(trained_on))

    features, evaluate = None, partial(logits, model, images.test, device)
    if head is not None:
        features = features_of(spec, model, head, images, device)
        evaluate = partial(head_logits, head, features.test)
    said: list[Tensor] = []

    def test(_: nn.Module) -> float:
        said[:] = [evaluate(precision=spec.recipe.precision)]
        return accuracy(said[0], images.test)

    teacher = store.find_by_identity(spec.teacher, home).model(device) if spec.teacher else None
    watched = {"test": test, "on_batch": on_batch}
    if spec.recipe.optimizer == "least-squares":
        checkpoints = least_squares(model, trained_on, device, **watched)
    elif head is not None and features is not None:
        labels = torch.from_numpy(trained_on.labels).to(device)
        batches = FeatureBatches(features.train, labels, spec.recipe, spec.seeds)
        checkpoints = train(head, batches, spec.recipe, spec.seeds, start=start, **watched)
    else:
        batches = DeviceBatches.of(trained_on, spec.recipe, spec.seeds, device)
        objective = make_objective(spec.recipe, images.train, teacher)
        checkpoints = train(model, batches, spec.recipe, spec.seeds, objective=objective, start=start, **watched)
    for checkpoint in checkpoints:
        epochs.append(checkpoint.metrics)
        if checkpoint.metrics.epoch in keep:
            store.keep_epoch(spec, home, model, checkpoint.metrics.epoch)
        store.save_checkpoint(spec, home, checkpoint, epochs)
    tested = said[0] if said and spec.recipe.precision == "fp32" else evaluate()
    store.finish(
        spec,
        home,
        model,
        epochs,
        test_accuracy=accuracy(tested, images.test),
        test_logits=tested,
        class_count=len(images.class_names),
        image_shape=images.image_shape,
        initial_fingerprint=initial_fingerprint,
    )


def _check_repeats(model: nn.Module, images: Images, device: torch.device, name: str) -> None:
    """Before time is spent on it: a network that is random in evaluation mode would have no labels."""
    few = list(range(min(8, len(images.test))))
    with kernels(deterministic=True):
        check_forward_repeats(model, images.test.normalized(few).to(device), name)


def _initial(spec: RunSpec, images: Images, home: Path) -> tuple[nn.Module, nn.Module | None]:
    """The network before its first step, and its head where that alone is trained."""
    head = None
    if spec.pretrained is not None:
        model, head = headed(spec, images, home)
    else:
        model = build(spec.arch, len(images.class_names), spec.width, spec.seeds.init, image_shape=images.image_shape)
    if spec.seeds.nudge is not None:
        nudge(head or model, spec.seeds.nudge)
    return model, head


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
