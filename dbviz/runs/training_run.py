"""Training one run: from its spec to the files in the store, resumed from the checkpoint of an interrupted process."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dbviz.core import files
from dbviz.core.errors import InputError
from dbviz.core.threads import using_threads
from dbviz.data import DeviceBatches, DeviceImages, Images, ImageSet, mislabelled, noisy_labels
from dbviz.models.build import build
from dbviz.models.nudge import nudge
from dbviz.runs import store
from dbviz.runs.backbones import backbone_features, build_with_new_head
from dbviz.runs.checkpoint_writer import CheckpointWriter, snapshot
from dbviz.spec import Precision, RunSpec
from dbviz.training import Checkpoint, EpochMetrics, accuracy, logits, train
from dbviz.training.device import deterministic_algorithms
from dbviz.training.device_errors import explained_device_errors
from dbviz.training.forward_check import check_deterministic_forward
from dbviz.training.heads import FeatureBatches, head_logits
from dbviz.training.least_squares import least_squares
from dbviz.training.objectives import make_objective
from dbviz.training.schedule import epochs_to_test

__all__ = ["is_complete", "missing_epochs", "train_run", "training_images"]


def train_run(
    spec: RunSpec,
    images: Images,
    *,
    device: torch.device,
    home: Path,
    keep: Collection[int] = (),
    threads: int | None = None,
    on_batch: Callable[[int], None] = lambda _: None,
) -> None:
    """Trains the run of `spec` if it is not in the store, from its last checkpoint if there is one.

    If another process is training the run, this one waits until it is finished.

    Args:
        home: the directory of all runs.
        keep: epochs whose weights are stored too. A finished run without them is trained again, with bitwise identical
            results.
        threads: torch's threads; by default those with which the run was started, else the current number.
        on_batch: called after each step with the number of images in it.

    Raises:
        InputError: the network is random in evaluation mode, a run trained with --fast lacks an epoch of `keep`, or
            cuDNN has no algorithm in the recipe's precision.
        DeviceOutOfMemory: the GPU has too little memory.
        TrainingDiverged: a loss is not finite.

    Example:
        >>> import tempfile
        >>> from dbviz.data import shapes
        >>> from dbviz.spec import Recipe
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> spec = RunSpec(dataset="shapes", arch="fcnet", width=16, recipe=Recipe(epochs=2, learning_rate=0.1))
        >>> with tempfile.TemporaryDirectory() as home:
        ...     train_run(spec, images, device=torch.device("cpu"), home=Path(home), keep=[1])
        ...     sorted(path.name for path in Path(home, spec.name).glob("weights*"))
        ['weights-epoch-1.safetensors', 'weights.safetensors']
    """
    with store.locked(spec, home), explained_device_errors(spec):
        if not is_complete(spec, home, keep):
            with using_threads(threads or store.started_with_threads(spec, home)):
                _train(spec, images, device, home, keep, on_batch)


def is_complete(spec: RunSpec, home: Path, keep: Collection[int] = ()) -> bool:
    """Whether the finished run of `spec` is in the store, with its weights after the epochs `keep`.

    Raises:
        InputError: the run has fewer epochs, or its files are damaged.
    """
    return store.find(spec, home) is not None and not missing_epochs(spec, home, keep)


def missing_epochs(spec: RunSpec, home: Path, keep: Collection[int]) -> list[int]:
    """The epochs among `keep` whose weights are not in the store yet.

    Raises:
        InputError: the run has fewer epochs.
    """
    if keep and max(keep) > spec.recipe.epochs:
        epochs = spec.recipe.epochs
        raise InputError(f"epoch {max(keep)} requested, but {spec.name} has {epochs}: request at most that many")
    return [epoch for epoch in keep if not store.has_epoch_weights(spec, home, epoch)]


def training_images(spec: RunSpec, images: Images, home: Path) -> ImageSet:
    """The images that `spec` is trained on, with the labels it is trained on.

    Raises:
        InputError: labels that were read from a file are not in `home`.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.spec import LabelNoise, Recipe
        >>> images = Images(train=shapes(100), test=shapes(20, split="test"))
        >>> recipe, noise = Recipe(epochs=1, learning_rate=0.1), LabelNoise(rate=0.2)
        >>> spec = RunSpec(dataset="shapes", arch="vit", train_size=50, label_noise=noise, recipe=recipe)
        >>> train_set = training_images(spec, images, Path("runs"))
        >>> int(mislabelled(images.train.first(50), train_set.labels).sum())
        10
    """
    train, noise = images.train.first(spec.train_size), spec.label_noise
    file_labels = store.load_label_file(home, noise.labels).numpy() if noise is not None and noise.labels else None
    return dataclasses.replace(train, labels=noisy_labels(train, noise, spec.seeds.noise, file_labels))


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

    training, test = _training_and_test(spec, model, head, images, train_set, device, home)
    schedule = epochs_to_test(spec.recipe.epochs, len(train_set), len(images.test))
    test_accuracy = partial(test.accuracy, precision=spec.recipe.precision)
    with CheckpointWriter() as writer:
        for checkpoint in training(start=start, test=test_accuracy, tested=schedule, on_batch=on_batch):
            epochs.append(checkpoint.metrics)
            if checkpoint.metrics.epoch in keep:
                store.save_epoch_weights(spec, home, model, checkpoint.metrics.epoch)
            if checkpoint.metrics.epoch < spec.recipe.epochs:  # after the last epoch the finished run is written
                writer.submit(partial(store.save_checkpoint, spec, home, snapshot(checkpoint), list(epochs)))
    outputs = test.outputs_in_fp32(spec.recipe.precision)
    store.finish(
        spec,
        home,
        model,
        epochs,
        test_accuracy=accuracy(outputs, images.test),
        test_logits=outputs,
        class_count=len(images.class_names),
        image_shape=images.image_shape,
        initial_fingerprint=initial_fingerprint,
    )


@dataclass
class _Test:
    """The test after an epoch; its last outputs are cached."""

    images: ImageSet
    evaluate: Callable[..., Tensor]
    """Logits (n, k) of the test images; takes `precision`."""
    outputs: Tensor | None = None

    def accuracy(self, _: nn.Module, *, precision: Precision) -> float:
        self.outputs = self.evaluate(precision=precision)
        return accuracy(self.outputs, self.images)

    def outputs_in_fp32(self, precision: Precision) -> Tensor:
        """The outputs after the last epoch, re-evaluated if its test was in another `precision`."""
        return self.outputs if self.outputs is not None and precision == "fp32" else self.evaluate()


def _training_and_test(
    spec: RunSpec,
    model: nn.Module,
    head: nn.Module | None,
    images: Images,
    train_set: ImageSet,
    device: torch.device,
    home: Path,
) -> tuple[Callable[..., Iterator[Checkpoint]], _Test]:
    """The training and its test, both of the head if there is one.

    The training is a function of `start`, `test`, `tested` and `on_batch`, as `train` has them.
    """
    if head is not None:
        features = backbone_features(spec, model, head, images, device)
        batches = FeatureBatches(features.train, torch.from_numpy(train_set.labels).to(device), spec.recipe, spec.seeds)
        training = partial(train, head, batches, spec.recipe, spec.seeds)
        return training, _Test(images.test, partial(head_logits, head, features.test))
    test = _Test(images.test, partial(logits, model, DeviceImages.of(images.test, device), device))
    if spec.recipe.optimizer == "least-squares":
        solve = partial(least_squares, model, train_set, device)
        return lambda *, test, on_batch, **_: solve(test=test, on_batch=on_batch), test
    teacher = store.find_by_identity(spec.teacher, home).model(device) if spec.teacher else None
    objective = make_objective(spec.recipe, images.train, teacher)
    batches = DeviceBatches.of(train_set, spec.recipe, spec.seeds, device)
    return partial(train, model, batches, spec.recipe, spec.seeds, objective=objective), test


def _check_repeatable(spec: RunSpec, home: Path, keep: Collection[int]) -> None:
    """Refuses to train a finished run again, for the weights of other epochs, if its results could differ."""
    if store.find(spec, home) is not None and not spec.recipe.deterministic:
        raise InputError(
            f"{home / spec.name} has no weights of epochs {sorted(keep)} and was trained with --fast, "
            "so it cannot be trained again with bitwise identical results: delete it"
        )


def _last_checkpoint(spec: RunSpec, home: Path, keep: Collection[int]) -> tuple[Checkpoint | None, list[EpochMetrics]]:
    """The checkpoint to resume from and the metrics up to it; none if weights of an earlier epoch are to be stored."""
    start, epochs = store.last_checkpoint(spec, home) or (None, [])
    too_late = start is not None and any(epoch <= start.metrics.epoch for epoch in missing_epochs(spec, home, keep))
    if too_late or spec.recipe.optimizer == "least-squares":
        return None, []
    return start, epochs


def _labelled(spec: RunSpec, images: Images, home: Path) -> ImageSet:
    """The images trained on; with label noise, their labels are stored in the run's directory."""
    train_set = training_images(spec, images, home)
    if spec.label_noise is not None:
        wrong = mislabelled(images.train.first(spec.train_size), train_set.labels)
        store.save_labels(spec, home, torch.from_numpy(train_set.labels), torch.from_numpy(wrong))
    return train_set


def _check_forward(model: nn.Module, images: Images, device: torch.device, name: str) -> None:
    """Refuses a network that is random in evaluation mode, before time is spent on its training."""
    indices = list(range(min(8, len(images.test))))
    with deterministic_algorithms():
        check_deterministic_forward(model, images.test.normalized(indices).to(device), name)


def _initial(spec: RunSpec, images: Images, home: Path) -> tuple[nn.Module, nn.Module | None]:
    """The network before its first step, and its head if only that is trained."""
    head = None
    if spec.pretrained is not None:
        model, head = build_with_new_head(spec, images, home)
    else:
        model = build(spec.arch, len(images.class_names), spec.width, spec.seeds.init, image_shape=images.image_shape)
    if spec.seeds.nudge is not None:
        nudge(head or model, spec.seeds.nudge)
    return model, head
