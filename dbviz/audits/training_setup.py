"""The training that a determinism audit repeats, and a few of its steps under given settings."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from dbviz.audits.recording import Event, Recorder
from dbviz.audits.settings import Settings, apply_settings
from dbviz.core.errors import InputError
from dbviz.core.seeding import globally_seeded
from dbviz.core.streams import numpy_stream
from dbviz.data import Batches, DeviceBatches, Images
from dbviz.models import build
from dbviz.spec import Recipe, RunSpec
from dbviz.training.device import evaluation_batch
from dbviz.training.evaluation import eval_mode
from dbviz.training.loop import training_step
from dbviz.training.objectives import Objective, make_objective, plain_objective
from dbviz.training.optimizers import learning_rate, make_optimizer

__all__ = ["Source", "TrainedSteps", "TrainingSetup", "evaluate_logits", "train_steps", "training_setup_of"]

Batch = tuple[Tensor, Tensor]
Source = Batches | Iterable[Batch]
_TORCH_WARNING = "does not have a deterministic implementation"


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """A training that can be repeated.

    Raises:
        InputError: `steps` is below 1, or the network is fitted in closed form.
    """

    make_model: Callable[[], nn.Module]
    """Makes the network before its first step; called once for each training."""
    make_batches: Callable[[], Source]
    """Makes the training data: `Batches`, a DataLoader, or any iterable of (images, labels)."""
    images: Tensor
    """The images that the trained network is evaluated on, (n, c, h, w)."""
    recipe: Recipe
    objective: Objective | None = None
    """The objective; None is the cross-entropy of the unchanged images."""
    steps: int
    schedule_steps: int | None = None
    """The number of steps of the recipe's learning-rate schedule; None is `steps`."""
    device: torch.device

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}: an audit trains at least 1")
        if self.recipe.optimizer == "least-squares":
            raise InputError("a network that is fitted in closed form takes no steps: audit one that is trained")


def training_setup_of(
    spec: RunSpec,
    images: Images,
    device: torch.device,
    *,
    steps: int,
    test_images: int,
    teacher: nn.Module | None = None,
) -> TrainingSetup:
    """The first steps of a run, as `dbviz.fit` takes them.

    Args:
        test_images: the number of test images that the trained network is evaluated on.
        teacher: the network to be distilled, where the recipe distils one.

    Raises:
        InputError: `steps` is below 1, or there are fewer images.
    """
    recipe, train = spec.recipe, images.train.first(spec.train_size)
    few = train.first(min(len(train), max(1, steps) * recipe.batch_size))
    return TrainingSetup(
        make_model=lambda: build(
            spec.arch, len(images.class_names), spec.width, spec.seeds.init, image_shape=images.image_shape
        ),
        make_batches=lambda: DeviceBatches.of(few, recipe, spec.seeds, device),
        images=images.test.normalized(np.arange(len(images.test.first(test_images)))),
        recipe=recipe,
        objective=make_objective(recipe, images.train, teacher),
        steps=steps,
        schedule_steps=recipe.epochs * -(-len(train) // recipe.batch_size),
        device=device,
    )


@dataclass(frozen=True, eq=False)
class TrainedSteps:
    """A network after a few training steps, with the trace of these."""

    model: nn.Module
    trace: list[Event]
    logits: Float32[Tensor, "n k"]
    """Of the setup's images, computed in plain fp32, on the CPU."""
    warned: tuple[str, ...]
    """Operations of which torch warned, when it ran them, that they have no deterministic implementation."""


def train_steps(setup: TrainingSetup, settings: Settings, *, operations: bool = False) -> TrainedSteps:
    """Trains the setup from its start, with every global generator in the same state at each call.

    Args:
        operations: record operations too; not available for a compiled network.
    """
    warned: list[str] = []
    with apply_settings(settings), globally_seeded(0, "audit"), _collect_torch_warnings(warned):
        model = setup.make_model().to(setup.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        recorder = Recorder(model, operations=operations and not settings.compiled)
        forward: Any = torch.compile(model) if settings.compiled else model
        _record_state(recorder, "initial ")
        with recorder.watching():
            _train(forward, setup, settings, recorder)
        logits = evaluate_logits(model, setup, settings)
    return TrainedSteps(model, recorder.events, logits, tuple(warned))


def evaluate_logits(model: nn.Module, setup: TrainingSetup, settings: Settings) -> Float32[Tensor, "n k"]:
    """The logits of the setup's images in plain fp32, evaluated in batches of the size in the settings."""
    size = settings.evaluation_batch or evaluation_batch(setup.device)
    with eval_mode(model):
        batches = (batch.to(setup.device, memory_format=torch.channels_last) for batch in setup.images.split(size))
        return torch.cat([model(batch).float() for batch in batches]).cpu()


def _train(model: nn.Module, setup: TrainingSetup, settings: Settings, recorder: Recorder) -> None:
    recipe = replace(setup.recipe, precision=settings.precision, deterministic=settings.deterministic)
    optimizer, objective = make_optimizer(model, recipe), setup.objective or plain_objective(recipe)
    rng, total = numpy_stream(0, "audit", "mode"), setup.schedule_steps or setup.steps

    def recorded_loss(logits: Tensor, targets: Tensor) -> Tensor:
        loss = objective.loss(logits, targets)
        recorder.record("loss", loss)
        return loss

    model.train()
    batches = _batches(setup)
    for step in range(1, setup.steps + 1):
        recorder.begin_step(step)
        images, labels = next(batches)
        recorder.record("input images", images)
        recorder.record("labels", labels)
        recorder.begin_loss()
        images, targets = objective.prepare(model, images, labels, rng)
        rate = learning_rate(recipe, min(step - 1, total), total)
        training_step(model, optimizer, recorded_loss, images, targets, recipe, rate)
        _record_state(recorder)


def _batches(setup: TrainingSetup) -> Iterator[Batch]:
    """The first batches, on the device; several passes where one has fewer batches than there are steps."""
    source = setup.make_batches()
    count = 0
    for epoch in itertools.count():
        before = count
        batches = source.epoch(epoch) if isinstance(source, Batches) else iter(source)
        for images, labels in itertools.islice(batches, setup.steps - count):
            count += 1
            images = images.to(setup.device, memory_format=torch.channels_last)
            yield images, labels.to(setup.device)
        if count == setup.steps:
            return
        if count == before:
            raise InputError(f"there are only {count} batches for {setup.steps} steps: give more, or fewer --steps")


def _record_state(recorder: Recorder, prefix: str = "") -> None:
    for name, parameter in recorder.model.named_parameters():
        recorder.record(f"{prefix}weight {name}", parameter)
    for name, buffer in recorder.model.named_buffers():
        recorder.record(f"{prefix}buffer {name}", buffer)


class _collect_torch_warnings(warnings.catch_warnings):
    """Within the block, the operations of torch's warnings that they have no deterministic implementation are appended
    to `operations`; other warnings are issued again after the block."""

    def __init__(self, operations: list[str]) -> None:
        super().__init__(record=True)
        self.operations = operations

    def __enter__(self) -> Any:
        self.caught = super().__enter__()
        warnings.simplefilter("always")
        return self.caught

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        for warning in self.caught or ():
            text = str(warning.message)
            if _TORCH_WARNING in text:
                self.operations.append(text.split()[0])
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
