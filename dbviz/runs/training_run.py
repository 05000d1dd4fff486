"""Training one run: from its spec to the files in the store, resumed where an earlier process was stopped."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dbviz.core import files
from dbviz.core.errors import InputError
from dbviz.data import DeviceBatches, Images, ImageSet, mislabelled, noisy_labels
from dbviz.models.build import build
from dbviz.models.nudge import nudge
from dbviz.runs import store
from dbviz.runs.backbones import Features, features_of, headed
from dbviz.spec import RunSpec
from dbviz.training import Checkpoint, EpochMetrics, accuracy, logits, train
from dbviz.training.device import deterministic_algorithms
from dbviz.training.forward_check import check_deterministic_forward
from dbviz.training.heads import FeatureBatches, head_logits
from dbviz.training.least_squares import least_squares
from dbviz.training.objectives import make_objective

__all__ = ["epochs_to_keep", "is_complete", "train_run", "training_images"]


def train_run(
    spec: RunSpec,
    images: Images,
    *,
    device: torch.device,
    home: Path,
    keep: Collection[int] = (),
    on_batch: Callable[[int], None] = lambda _: None,
) -> None:
    """Trains the run of `spec` if the store does not have it, from its last checkpoint if there is one.

    If another process is training the run, this one waits until it is finished.

    Args:
        home: the directory of all runs.
        keep: epochs whose weights are kept too. A finished run without them is trained again, with bitwise identical
            results.
        on_batch: called after each step with the number of images in it.

    Raises:
        InputError: the network is random in evaluation mode, or a run trained with --fast lacks an epoch of `keep`.
        TrainingDiverged: a loss is not finite.
    """
    with store.locked(spec, home):
        if not is_complete(spec, home, keep):
            _train(spec, images, device, home, keep, on_batch)


def is_complete(spec: RunSpec, home: Path, keep: Collection[int] = ()) -> bool:
    """Whether the store has the finished run of `spec`, with its weights after the epochs `keep`.

    Raises:
        InputError: the run has fewer epochs, or its files are damaged.
    """
    return store.find(spec, home) is not None and not epochs_to_keep(spec, home, keep)


def epochs_to_keep(spec: RunSpec, home: Path, keep: Collection[int]) -> list[int]:
    """The epochs among `keep` whose weights are not in the store yet.

    Raises:
        InputError: the run has fewer epochs.
    """
    if keep and max(keep) > spec.recipe.epochs:
        raise InputError(f"epoch {max(keep)} asked for, but {spec.name} has {spec.recipe.epochs}: ask for at most that")
    return [epoch for epoch in keep if not store.has_epoch_weights(spec, home, epoch)]


def training_images(spec: RunSpec, images: Images, home: Path) -> ImageSet:
    """The images that `spec` is trained on, with the labels it is trained on.

    Raises:
        InputError: labels that came in a file are not in `home`.
    """
    train, noise = images.train.first(spec.train_size), spec.label_noise
    given = store.load_label_file(home, noise.labels).numpy() if noise is not None and noise.labels else None
    return dataclasses.replace(train, labels=noisy_labels(train, noise, spec.seeds.noise, given))


def _train(
    spec: RunSpec,
    images: Images,
    device: torch.device,
    home: Path,
    keep: Collection[int],
    on_batch: Callable[[int], None],
) -> None:
    _check_repeatable(spec, home, keep)
    store.begin(spec, home, device)
    model, head = _initial(spec, images, home)
    initial_fingerprint = files.digest(model.state_dict())
    model.to(device)
    if spec.recipe.deterministic:
        _check_forward(model, images, device, spec.arch)
    train_set = _labelled(spec, images, home)
    start, epochs = _last_checkpoint(spec, home, keep)
    if start is not None:
        on_batch(start.metrics.epoch * len(train_set))

    features = None if head is None else features_of(spec, model, head, images, device)
    if head is None or features is None:
        test = _Test(images.test, partial(logits, model, images.test, device))
    else:
        test = _Test(images.test, partial(head_logits, head, features.test))
    steps = {"start": start, "test": partial(test.accuracy, precision=spec.recipe.precision), "on_batch": on_batch}
    if head is not None and features is not None:
        checkpoints = _train_head(spec, head, features, train_set, device, **steps)
    else:
        checkpoints = _train_network(spec, model, images, train_set, device, home, **steps)
    for checkpoint in checkpoints:
        epochs.append(checkpoint.metrics)
        if checkpoint.metrics.epoch in keep:
            store.save_epoch_weights(spec, home, model, checkpoint.metrics.epoch)
        store.save_checkpoint(spec, home, checkpoint, epochs)
    # the test after the last epoch was in fp32 already, unless the recipe's precision is another
    tested = test.outputs if test.outputs is not None and spec.recipe.precision == "fp32" else test.evaluate()
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


@dataclass
class _Test:
    """The test after each epoch; its last outputs are kept."""

    images: ImageSet
    evaluate: Callable[..., Tensor]
    """Logits (n, k) of the test images; takes `precision`."""
    outputs: Tensor | None = None

    def accuracy(self, _: nn.Module, *, precision: str) -> float:
        self.outputs = self.evaluate(precision=precision)
        return accuracy(self.outputs, self.images)


def _train_network(
    spec: RunSpec,
    model: nn.Module,
    images: Images,
    train_set: ImageSet,
    device: torch.device,
    home: Path,
    *,
    start: Checkpoint | None,
    test: Callable[[nn.Module], float],
    on_batch: Callable[[int], None],
) -> Iterator[Checkpoint]:
    if spec.recipe.optimizer == "least-squares":
        return least_squares(model, train_set, device, test=test, on_batch=on_batch)
    teacher = store.find_by_identity(spec.teacher, home).model(device) if spec.teacher else None
    objective = make_objective(spec.recipe, images.train, teacher)
    batches = DeviceBatches.of(train_set, spec.recipe, spec.seeds, device)
    steps = {"start": start, "test": test, "on_batch": on_batch}
    return train(model, batches, spec.recipe, spec.seeds, objective=objective, **steps)


def _train_head(
    spec: RunSpec,
    head: nn.Module,
    features: Features,
    train_set: ImageSet,
    device: torch.device,
    *,
    start: Checkpoint | None,
    test: Callable[[nn.Module], float],
    on_batch: Callable[[int], None],
) -> Iterator[Checkpoint]:
    labels = torch.from_numpy(train_set.labels).to(device)
    batches = FeatureBatches(features.train, labels, spec.recipe, spec.seeds)
    return train(head, batches, spec.recipe, spec.seeds, start=start, test=test, on_batch=on_batch)


def _check_repeatable(spec: RunSpec, home: Path, keep: Collection[int]) -> None:
    """A finished run is only trained again, for the epochs to be kept, where the result will be bitwise identical."""
    if store.find(spec, home) is not None and not spec.recipe.deterministic:
        raise InputError(
            f"{home / spec.name} kept no weights of epochs {sorted(keep)} and was trained with --fast, "
            "so it cannot be trained to the same bits again: delete it"
        )


def _last_checkpoint(spec: RunSpec, home: Path, keep: Collection[int]) -> tuple[Checkpoint | None, list[EpochMetrics]]:
    """The checkpoint to resume from and the metrics up to there; none if weights to be kept lie before it."""
    start, epochs = store.last_checkpoint(spec, home) or (None, [])
    if start is not None and any(epoch <= start.metrics.epoch for epoch in epochs_to_keep(spec, home, keep)):
        return None, []
    return start, epochs


def _labelled(spec: RunSpec, images: Images, home: Path) -> ImageSet:
    """The images trained on; where labels are wrong on purpose, these are kept with the run."""
    train_set = training_images(spec, images, home)
    if spec.label_noise is not None:
        wrong = mislabelled(images.train.first(spec.train_size), train_set.labels)
        store.save_labels(spec, home, torch.from_numpy(train_set.labels), torch.from_numpy(wrong))
    return train_set


def _check_forward(model: nn.Module, images: Images, device: torch.device, name: str) -> None:
    """Before time is spent on it: a network that is random in evaluation mode would have no labels."""
    few = list(range(min(8, len(images.test))))
    with deterministic_algorithms():
        check_deterministic_forward(model, images.test.normalized(few).to(device), name)


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
