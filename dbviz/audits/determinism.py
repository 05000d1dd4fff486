"""Determinism: is a training the same twice, what makes it differ, and which settings change its bits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dbviz.audits.loaders import LoaderAudit, audit_loader
from dbviz.audits.nondeterministic import Used, used
from dbviz.audits.recording import Difference, first_difference
from dbviz.audits.settings import SETTINGS, Settings, check_settings, missing_for, varied
from dbviz.audits.training_setup import Outcome, Source, TrainingSetup, logits_of, train_steps
from dbviz.core.errors import InputError
from dbviz.spec import Recipe, Setting
from dbviz.training.forward_check import random_module
from dbviz.training.objectives import Objective

__all__ = ["DeterminismAudit", "Varied", "audit_determinism", "determinism", "estimate_seconds"]

_SHOWN_TWICE = 32
"""Images that are shown twice to a network in evaluation mode."""
_NOTED = 2.0
"""How much longer a step takes while every operation is noted, roughly."""
_COMPILE_SECONDS = 40.0
"""What compiling a network for training takes, roughly."""


@dataclass(frozen=True, kw_only=True)
class Varied:
    """What one setting does to a training, everything else equal."""

    setting: str
    before: str
    after: str
    lacks: str | None = None
    """What this machine lacks for it, such as `needs CUDA`; then nothing below was measured."""
    same_bits: bool | None = None
    """Whether every batch, loss, gradient, weight and logit is equal to the bit."""
    weights: float | None = None
    """Largest difference of a weight or buffer after the last step."""
    weights_relative: float | None = None
    """The largest over all tensors of: largest difference, divided by the tensor's largest absolute value."""
    logits: float | None = None
    """Largest difference of a logit."""
    logits_relative: float | None = None
    """Divided by the largest absolute logit."""
    labels_changed: float | None = None
    """Share of the images that are classified otherwise."""


@dataclass(frozen=True, kw_only=True)
class DeterminismAudit:
    """What an audit found."""

    steps: int
    settings: Settings
    first: Difference | None
    """Where two trainings part under these settings; None if they are equal to the bit."""
    random_in_evaluation: str | None
    """The module whose output differs when the same images are shown twice in evaluation mode."""
    nondeterministic: tuple[Used, ...]
    """Operations that torch calls nondeterministic, on this device or on a GPU."""
    varied: tuple[Varied, ...]
    loader: LoaderAudit | None
    """None where no loader was given."""

    @property
    def repeats(self) -> bool:
        """Whether the training and the evaluation are the same twice."""
        return self.first is None and self.random_in_evaluation is None


def determinism(
    make_model: Callable[[], nn.Module],
    make_batches: Callable[[], Source],
    images: Tensor,
    *,
    recipe: Recipe | None = None,
    objective: Objective | None = None,
    steps: int = 3,
    settings: Settings | None = None,
    vary: Sequence[Setting] | None = None,
    make_loader: Callable[[int], Any] | None = None,
    device: torch.device | str = "cpu",
) -> DeterminismAudit:
    """Trains a user's own network twice for a few steps, compares every bit, and varies one setting at a time.

    Args:
        make_model: gives the network before its first step; called anew for each training, so its initial weights are
            compared too.
        make_batches: gives what it is trained on: `Batches`, a DataLoader, or anything with (images, labels) in it.
        images: (n, c, h, w), shown to the trained networks to see how many labels change.
        recipe: optimizer, learning rate and so on; by default SGD at 0.01.
        settings: under which it is trained twice.
        vary: which settings are then changed, one at a time; by default all that this machine has.
        make_loader: from a number of workers to a DataLoader or `LoaderBatches`; audited by itself, and needed to vary
            the number of workers.

    Raises:
        InputError: `steps` is below 1, there are fewer batches, or this machine lacks what a setting asked for needs.
    """
    subject = TrainingSetup(
        make_model=make_model,
        make_batches=make_batches,
        images=images,
        recipe=recipe or Recipe(epochs=1, learning_rate=0.01, schedule="constant"),
        objective=objective,
        steps=steps,
        device=torch.device(device),
    )
    return audit_determinism(subject, settings or Settings(), vary=vary, make_loader=make_loader)


def audit_determinism(
    subject: TrainingSetup,
    settings: Settings,
    *,
    vary: Sequence[Setting] | None = None,
    make_loader: Callable[[int], Any] | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> DeterminismAudit:
    """The audit of a subject; see `determinism`. `advance` is told what is done next, once for each training."""
    check_settings(settings, subject.device, also=vary or ())
    if vary and "workers" in vary and make_loader is None:
        raise InputError("the number of data workers can only be varied with a loader: give make_loader")
    outcomes = []
    for _ in range(2):
        advance("training with every operation noted")
        outcomes.append(train_steps(subject, settings, operations=True))
    base, again = outcomes
    first = first_difference(base.trace, again.trace)
    found = [compared("nothing", "", "", base, again)]
    for setting in SETTINGS if vary is None else vary:
        if setting != "workers" or make_loader is not None:
            advance(f"varying {SETTINGS[setting]}")
            found.append(_varied(subject, settings, setting, base, make_loader))
    return DeterminismAudit(
        steps=subject.steps,
        settings=settings,
        first=first,
        random_in_evaluation=random_module(base.model, subject.images[:_SHOWN_TWICE].to(subject.device)),
        nondeterministic=used(base.trace, base.warned),
        varied=tuple(found),
        loader=None if make_loader is None else audit_loader(make_loader),
    )


def estimate_seconds(subject: TrainingSetup, settings: Settings, vary: Sequence[Setting] | None = None) -> float:
    """Estimated time of an audit on this machine, from a step behind one that warms up."""
    one = replace(subject, steps=1)
    train_steps(one, settings)
    began = time.perf_counter()
    train_steps(one, settings)
    step = time.perf_counter() - began
    chosen = [
        setting for setting in (SETTINGS if vary is None else vary) if missing_for(setting, subject.device) is None
    ]
    compiling = _COMPILE_SECONDS if "compile" in chosen or settings.compiled else 0.0
    return step * subject.steps * (2 * _NOTED + len(chosen)) + compiling


def compared(setting: str, before: str, after: str, one: Outcome, other: Outcome) -> Varied:
    """How far two outcomes lie apart."""
    weights = [
        _apart(mine, other.model.state_dict()[name])
        for name, mine in one.model.state_dict().items()
        if mine.is_floating_point()
    ]
    logits = _apart(one.logits, other.logits)
    equal = first_difference(one.trace, other.trace) is None and torch.equal(one.logits, other.logits)
    return Varied(
        setting=setting,
        before=before,
        after=after,
        same_bits=equal,
        weights=max((absolute for absolute, _ in weights), default=0.0),
        weights_relative=max((relative for _, relative in weights), default=0.0),
        logits=logits[0],
        logits_relative=logits[1],
        labels_changed=float((one.logits.argmax(1) != other.logits.argmax(1)).float().mean()),
    )


def _varied(
    subject: TrainingSetup,
    settings: Settings,
    setting: Setting,
    base: Outcome,
    make_loader: Callable[[int], Any] | None,
) -> Varied:
    changed = varied(settings, setting, subject.device)
    before, after = (each.value(setting, subject.device) for each in (settings, changed))
    if (lacks := missing_for(setting, subject.device)) is not None:
        return Varied(setting=SETTINGS[setting], before=before, after=after, lacks=lacks)
    if setting == "evaluation-batch":
        model = base.model
        other = Outcome(model, base.trace, logits_of(model, subject, changed), ())
        return compared(SETTINGS[setting], before, after, base, other)
    if setting == "workers" and make_loader is not None:
        base, other = (train_steps(_loaded(subject, make_loader, each.workers), each) for each in (settings, changed))
        return compared(SETTINGS[setting], before, after, base, other)
    return compared(SETTINGS[setting], before, after, base, train_steps(subject, changed))


def _loaded(subject: TrainingSetup, make_loader: Callable[[int], Any], workers: int) -> TrainingSetup:
    return replace(subject, make_batches=lambda: make_loader(workers))


def _apart(one: Tensor, other: Tensor) -> tuple[float, float]:
    """The largest difference, and the same divided by the largest absolute value."""
    if not one.numel():
        return 0.0, 0.0
    absolute = float((one.double() - other.double()).abs().max())
    return absolute, absolute / float(one.double().abs().max().clamp_min(1e-300)) if absolute else 0.0
