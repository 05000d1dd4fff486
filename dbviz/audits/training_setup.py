"""What a determinism audit trains, and a few of its steps under given settings."""

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
from dbviz.audits.settings import Settings, applied
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

__all__ = ["Outcome", "Source", "TrainingSetup", "logits_of", "train_steps", "training_setup_of"]

Batch = tuple[Tensor, Tensor]
Source = Batches | Iterable[Batch]
_SAID_BY_TORCH = "does not have a deterministic implementation"


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """A training to be repeated."""

    make_model: Callable[[], nn.Module]
    """The network before its first step; called anew for each training."""
    make_batches: Callable[[], Source]
    """What it is trained on: `Batches`, a DataLoader, or anything that gives (images, labels)."""
    images: Tensor
    """What it is then asked about, (n, c, h, w)."""
    recipe: Recipe
    objective: Objective | None = None
    """What is minimised; None: the cross-entropy of the images as they come."""
    steps: int
    of_steps: int | None = None
    """Over how many steps the recipe's learning rate is scheduled; None: over `steps`."""
    device: torch.device

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}: an audit trains at least 1")
        if self.recipe.optimizer == "least-squares":
            raise InputError("a network that is solved in closed form takes no steps: audit one that is trained")


def training_setup_of(
    spec: RunSpec,
    images: Images,
    device: torch.device,
    *,
    steps: int,
    shown: int,
    teacher: nn.Module | None = None,
) -> TrainingSetup:
    """The first steps of a run, as `dbviz.fit` takes them.

    Args:
        shown: how many test images the networks are then asked about.

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
        images=images.test.normalized(np.arange(len(images.test.first(shown)))),
        recipe=recipe,
        objective=make_objective(recipe, images.train, teacher),
        steps=steps,
        of_steps=recipe.epochs * -(-len(train) // recipe.batch_size),
        device=device,
    )


@dataclass(frozen=True, eq=False)
class Outcome:
    """A few steps."""

    model: nn.Module
    trace: list[Event]
    logits: Float32[Tensor, "n k"]
    """For the subject's images, in plain fp32, on the CPU."""
    warned: tuple[str, ...]
    """Operations of which torch said, while it ran them, that they have no deterministic form."""


def train_steps(subject: TrainingSetup, settings: Settings, *, operations: bool = False) -> Outcome:
    """Trains the subject from its beginning, every global generator at the same place whenever this is called.

    Args:
        operations: note operations too; a network that is compiled runs without.
    """
    said: list[str] = []
    with applied(settings), globally_seeded(0, "audit"), _collected(said):
        model = subject.make_model().to(subject.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        recorder = Recorder(model, operations=operations and not settings.compiled)
        forward: Any = torch.compile(model) if settings.compiled else model
        _record_state(recorder, "initial ")
        with recorder.watching():
            _train(forward, subject, settings, recorder)
        logits = logits_of(model, subject, settings)
    return Outcome(model, recorder.events, logits, tuple(said))


def logits_of(model: nn.Module, subject: TrainingSetup, settings: Settings) -> Float32[Tensor, "n k"]:
    """What the model says of the subject's images in plain fp32, so many at once as the settings say."""
    size = settings.evaluation_batch or evaluation_batch(subject.device)
    with eval_mode(model):
        shown = (part.to(subject.device, memory_format=torch.channels_last) for part in subject.images.split(size))
        return torch.cat([model(part).float() for part in shown]).cpu()


def _train(model: nn.Module, subject: TrainingSetup, settings: Settings, recorder: Recorder) -> None:
    recipe = replace(subject.recipe, precision=settings.precision, deterministic=settings.deterministic)
    optimizer, objective = make_optimizer(model, recipe), subject.objective or plain_objective(recipe)
    rng, total = numpy_stream(0, "audit", "mode"), subject.of_steps or subject.steps

    def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
        loss = objective.loss(logits, targets)
        recorder.record("loss", loss)
        return loss

    model.train()
    batches = _batches(subject)
    for step in range(1, subject.steps + 1):
        recorder.begin_step(step)
        images, labels = next(batches)
        recorder.record("input images", images)
        recorder.record("labels", labels)
        recorder.begin_loss()
        images, targets = objective.prepare(model, images, labels, rng)
        rate = learning_rate(recipe, min(step - 1, total), total)
        training_step(model, optimizer, loss_of, images, targets, recipe, rate)
        _record_state(recorder)


def _batches(subject: TrainingSetup) -> Iterator[Batch]:
    """The first batches, on the device; pass after pass over them where one is too short."""
    source = subject.make_batches()
    made = 0
    for number in itertools.count():
        before = made
        batches = source.epoch(number) if isinstance(source, Batches) else iter(source)
        for images, labels in itertools.islice(batches, subject.steps - made):
            made += 1
            images = images.to(subject.device, memory_format=torch.channels_last)
            yield images, labels.to(subject.device)
        if made == subject.steps:
            return
        if made == before:
            raise InputError(f"there are only {made} batches for {subject.steps} steps: give more, or fewer --steps")


def _record_state(recorder: Recorder, when: str = "") -> None:
    for name, parameter in recorder.model.named_parameters():
        recorder.record(f"{when}weight {name}", parameter)
    for name, buffer in recorder.model.named_buffers():
        recorder.record(f"{when}buffer {name}", buffer)


class _collected(warnings.catch_warnings):
    """Within the block torch's warnings about operations without a deterministic form are collected; others are given
    on behind it."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(record=True)
        self.said = said

    def __enter__(self) -> Any:
        self.caught = super().__enter__()
        warnings.simplefilter("always")
        return self.caught

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        for each in self.caught or ():
            text = str(each.message)
            if _SAID_BY_TORCH in text:
                self.said.append(text.split()[0])
            else:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
