"""The training loop: every epoch ends in a checkpoint from which training resumes with bitwise identical results."""

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dbviz.core.errors import TrainingDiverged
from dbviz.core.streams import numpy_stream, torch_seeded
from dbviz.data.device_batches import Batches
from dbviz.spec import Recipe, Seeds
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.objectives import Objective, plain_objective
from dbviz.training.optimizers import learning_rate, make_optimizer, sam_ascent

__all__ = ["Checkpoint", "EpochMetrics", "train"]


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """Metrics of one epoch.

    Example:
        >>> metrics = EpochMetrics(epoch=1, train_loss=2.3, train_accuracy=0.1, test_accuracy=0.2, learning_rate=0.1,
        ...                        seconds=8.0)
        >>> metrics.test_accuracy
        0.2
    """

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean of the epoch's steps, weighted by their numbers of images, before each update of the weights."""
    train_accuracy: float
    """Of the same outputs: augmented images, training mode."""
    test_accuracy: float
    """After the epoch, in the recipe's precision; NaN for an epoch without a test."""
    learning_rate: float
    """Of the epoch's last step."""
    seconds: float
    """Without the test."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EpochMetrics) and self.to_dict() == other.to_dict()  # NaN equals NaN

    def to_dict(self) -> dict[str, int | float | None]:
        """JSON values, null for NaN; `EpochMetrics.from_dict` reads them back.

        Example:
            >>> rest = {"train_loss": 2.3, "train_accuracy": 0.1, "learning_rate": 0.1, "seconds": 8.0}
            >>> metrics = EpochMetrics(epoch=1, test_accuracy=math.nan, **rest)
            >>> metrics.to_dict()["test_accuracy"], EpochMetrics.from_dict(metrics.to_dict()).test_accuracy
            (None, nan)
        """
        return {name: None if math.isnan(value) else value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "EpochMetrics":
        """The metrics that `to_dict` returned."""
        known: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a training between two epochs.

    The tensors are not copies: copy or write them before the next epoch.

    Example:
        >>> from dbviz.data import DeviceBatches, shapes
        >>> from dbviz.models import build
        >>> recipe, network = Recipe(epochs=2, learning_rate=0.01), build("fcnet", width=16)
        >>> batches = DeviceBatches.of(shapes(64), recipe, Seeds(), torch.device("cpu"))
        >>> checkpoint = next(train(network, batches, recipe, Seeds()))
        >>> resumed = train(network, batches, recipe, Seeds(), start=checkpoint)
        >>> [checkpoint.metrics.epoch for checkpoint in resumed]
        [2]
    """

    metrics: EpochMetrics
    tensors: dict[str, Tensor]
    """`model.NAME` and `optimizer.NAME.STATE`."""


def train(
    model: nn.Module,
    batches: Batches,
    recipe: Recipe,
    seeds: Seeds,
    *,
    objective: Objective | None = None,
    start: Checkpoint | None = None,
    test: Callable[[nn.Module], float] = lambda _: math.nan,
    tested: Collection[int] | None = None,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Iterator[Checkpoint]:
    """Trains `model` in place, on its device, and yields a checkpoint after every epoch.

    The host never waits for the device within an epoch. Random numbers that layers draw themselves (dropout) come
    from the augment stream of the epoch.

    Args:
        objective: what is minimised; by default the cross-entropy of the unmodified images.
        start: the checkpoint to resume after.
        test: computes the accuracy to record after an epoch; it has no influence on the training.
        tested: the epochs, counted from 1, after which `test` is called; by default after each.
        on_batch: called after each step with the number of images in it.

    Raises:
        TrainingDiverged: an epoch's loss is not finite.

    Example:
        >>> from dbviz.data import DeviceBatches, shapes
        >>> from dbviz.models import build
        >>> recipe, seeds = Recipe(epochs=2, learning_rate=0.01), Seeds.all(3)
        >>> batches = DeviceBatches.of(shapes(64), recipe, seeds, torch.device("cpu"))
        >>> network = build("fcnet", width=16, seed=seeds.init)
        >>> [checkpoint.metrics.epoch for checkpoint in train(network, batches, recipe, seeds)]
        [1, 2]
    """
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, recipe)
    objective = objective or plain_objective(recipe)
    first_epoch = 0
    if start is not None:
        first_epoch = start.metrics.epoch
        _restore(model, optimizer, start.tensors)
    for epoch in range(first_epoch, recipe.epochs):
        with (
            torch_seeded(seeds.augment, "dropout", epoch),
            deterministic_algorithms(recipe.deterministic),
            full_precision(recipe.precision == "fp32"),
        ):
            rng = numpy_stream(seeds.augment, "mode", epoch)
            metrics = _epoch(model, optimizer, objective, batches, recipe, epoch, rng, device, on_batch)
        if not math.isfinite(metrics.train_loss):
            raise TrainingDiverged(
                f"training diverged in epoch {epoch + 1} of {recipe.epochs} (loss {metrics.train_loss}): "
                f"lower the learning rate ({recipe.learning_rate:g}) or set clip_norm"
            )
        if tested is None or metrics.epoch in tested:
            metrics = dataclasses.replace(metrics, test_accuracy=test(model))
        yield Checkpoint(metrics=metrics, tensors=_tensors(model, optimizer))


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    batches: Batches,
    recipe: Recipe,
    epoch: int,
    rng: np.random.Generator,
    device: torch.device,
    on_batch: Callable[[int], None],
) -> EpochMetrics:
    start, steps = time.perf_counter(), len(batches)
    model.train()
    loss_sum, correct, seen, rate = torch.zeros((), device=device), torch.zeros((), device=device), 0, 0.0
    for index, (images, labels) in enumerate(batches.epoch(epoch)):
        rate = learning_rate(recipe, epoch * steps + index, recipe.epochs * steps)
        images, targets = objective.prepare(model, images, labels, rng)
        loss, logits = training_step(model, optimizer, objective.loss, images, targets, recipe, rate)
        loss_sum += loss * len(labels)
        correct += (logits.argmax(1) == labels).sum()
        seen += len(labels)
        on_batch(len(labels))
    return EpochMetrics(
        epoch=epoch + 1,
        train_loss=float(loss_sum) / seen,
        train_accuracy=float(correct) / seen,
        test_accuracy=math.nan,
        learning_rate=rate,
        seconds=time.perf_counter() - start,
    )


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    targets: Tensor,
    recipe: Recipe,
    rate: float,
) -> tuple[Tensor, Tensor]:
    """Makes one step at learning rate `rate`.

    Returns:
        The loss () and the logits (b, k) before the step, both detached.

    Example:
        >>> model, recipe = nn.Linear(2, 3), Recipe(epochs=1, learning_rate=0.1)
        >>> loss_of, images, labels = nn.functional.cross_entropy, torch.ones(4, 2), torch.tensor([0, 1, 2, 0])
        >>> loss, logits = training_step(model, make_optimizer(model, recipe), loss_of, images, labels, recipe, 0.1)
        >>> bool(nn.functional.cross_entropy(model(images), labels) < loss)
        True
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss, logits = _gradient(model, optimizer, loss_of, images, targets, recipe)
    if recipe.optimizer == "sam":
        with sam_ascent(model, recipe.sam_radius):
            _gradient(model, optimizer, loss_of, images, targets, recipe)
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    optimizer.step()
    return loss, logits


def _gradient(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    targets: Tensor,
    recipe: Recipe,
) -> tuple[Tensor, Tensor]:
    """Replaces the parameters' gradients by those of the loss; returns the loss and the logits, detached."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        logits = model(images)
    logits = logits.float()
    loss = loss_of(logits, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    return loss.detach(), logits.detach()


def _tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for parameter, state in optimizer.state.items():
        tensors |= {f"optimizer.{names[parameter]}.{key}": value for key, value in state.items() if value is not None}
    return tensors


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restores model and optimizer from a checkpoint; strides too: the layout of a momentum selects its kernel.

    Every tensor of the optimizer is on its parameter's device, also Adam's number of steps, as fused kernels need.
    """
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    for name, parameter in model.named_parameters():
        prefix = f"optimizer.{name}."
        for key, value in tensors.items():
            if key.startswith(prefix) and "." not in key.removeprefix(prefix):
                like = parameter if value.shape == parameter.shape else value
                restored = torch.empty_like(like, dtype=value.dtype, device=parameter.device).copy_(value)
                optimizer.state[parameter][key.removeprefix(prefix)] = restored
