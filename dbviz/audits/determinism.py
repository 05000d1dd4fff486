"""Determinism: are two trainings bitwise identical, what makes them differ, and which settings change the results?"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dbviz.audits.loaders import LoaderAudit, audit_loader
from dbviz.audits.nondeterministic import NondeterministicOperation, nondeterministic_operations
from dbviz.audits.recording import Difference, first_difference
from dbviz.audits.settings import SETTINGS, Settings, check_settings, missing_requirement, with_changed
from dbviz.audits.training_setup import Source, TrainedSteps, TrainingSetup, evaluate_logits, train_steps
from dbviz.core.errors import InputError
from dbviz.spec import Recipe, Setting
from dbviz.training.forward_check import random_module
from dbviz.training.objectives import Objective

__all__ = ["DeterminismAudit", "SettingEffect", "audit_determinism", "determinism", "estimate_seconds"]

_EVALUATED_TWICE = 32
"""The number of images on which a network is evaluated twice."""
_RECORDING_SLOWDOWN = 2.0
"""Approximate factor by which recording every operation slows a step down."""
_COMPILE_SECONDS = 40.0
"""Approximate time of compiling a network for training."""


@dataclass(frozen=True, kw_only=True)
class SettingEffect:
    """How one setting changes a training, everything else equal.

    Example:
        >>> effect = SettingEffect(setting="bf16", before="fp32", after="bf16", same_bits=False, weights=1e-3)
        >>> effect.same_bits
        False
    """

    setting: str
    before: str
    after: str
    lacks: str | None = None
    """What this machine lacks for it, such as `needs CUDA`; then all fields below are None."""
    same_bits: bool | None = None
    """Whether every batch, loss, gradient, weight and logit is bitwise identical."""
    weights: float | None = None
    """Largest absolute difference of a weight or buffer after the last step."""
    weights_relative: float | None = None
    """The maximum over tensors of: largest absolute difference, divided by the tensor's largest absolute value."""
    logits: float | None = None
    """Largest absolute difference of a logit."""
    logits_relative: float | None = None
    """The same divided by the largest absolute logit."""
    labels_changed: float | None = None
    """The fraction of images whose predicted label changes, in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class DeterminismAudit:
    """The result of `determinism`.

    Example:
        >>> audit = DeterminismAudit(
        ...     steps=3, settings=Settings(), first=None, random_in_evaluation="3 (Dropout)",
        ...     nondeterministic=(), varied=(), loader=None,
        ... )
        >>> audit.training_repeats, audit.repeats
        (True, False)
    """

    steps: int
    settings: Settings
    first: Difference | None
    """The first difference of two trainings under these settings; None if they are bitwise identical."""
    random_in_evaluation: str | None
    """The first module whose output differs when the same images are evaluated twice in evaluation mode."""
    nondeterministic: tuple[NondeterministicOperation, ...]
    """The operations that torch calls nondeterministic, on this device or on a GPU."""
    varied: tuple[SettingEffect, ...]
    """Two trainings under equal settings first, then one with each setting changed."""
    loader: LoaderAudit | None
    """None where no loader was given."""

    @property
    def training_repeats(self) -> bool:
        """Whether two trainings under equal settings are bitwise identical."""
        return self.first is None

    @property
    def repeats(self) -> bool:
        """Whether two trainings under equal settings, and two evaluations of one network, are bitwise identical."""
        return self.training_repeats and self.random_in_evaluation is None


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
    """Trains a network twice for a few steps, compares every tensor bitwise, and changes one setting at a time.

    Args:
        make_model: makes the network before its first step; called once for each training, so that its initial weights
            are compared too.
        make_batches: makes the training data: `Batches`, a DataLoader, or any iterable of (images, labels).
        images: (n, c, h, w); the trained networks are evaluated on them.
        recipe: optimizer, learning rate and so on; by default SGD with a constant learning rate of 0.01.
        settings: the settings under which the network is trained twice.
        vary: the settings that are then changed, one at a time; by default all that this machine supports.
        make_loader: maps a number of workers to a DataLoader or `LoaderBatches`; it is audited on its own, and needed
            to vary the number of workers.

    Raises:
        InputError: `steps` is below 1, there are fewer batches, or this machine lacks what a requested setting needs.

    Example:
        >>> images, labels = torch.randn(8, 1, 4, 4), torch.arange(8) % 2
        >>> def make_model():
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> audit = determinism(make_model, lambda: [(images, labels)], images, steps=2, vary=["evaluation-batch"])
        >>> assert audit.repeats
        >>> [effect.setting for effect in audit.varied]
        ['nothing', 'batch size of evaluation']
    """
    setup = TrainingSetup(
        make_model=make_model,
        make_batches=make_batches,
        images=images,
        recipe=recipe or Recipe(epochs=1, learning_rate=0.01, schedule="constant"),
        objective=objective,
        steps=steps,
        device=torch.device(device),
    )
    return audit_determinism(setup, settings or Settings(), vary=vary, make_loader=make_loader)


def audit_determinism(
    setup: TrainingSetup,
    settings: Settings,
    *,
    vary: Sequence[Setting] | None = None,
    make_loader: Callable[[int], Any] | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> DeterminismAudit:
    """The audit of a setup; see `determinism`. `advance` is called before each training with what is done next."""
    check_settings(settings, setup.device, also=vary or ())
    if vary and "workers" in vary and make_loader is None:
        raise InputError("the number of data workers can only be varied with a loader: give make_loader")
    trained = []
    for _ in range(2):
        advance("training with every operation recorded")
        trained.append(train_steps(setup, settings, operations=True))
    base, repeated = trained
    effects = [compare_trainings("nothing", "", "", base, repeated)]
    for setting in SETTINGS if vary is None else vary:
        if setting != "workers" or make_loader is not None:
            advance(f"varying {SETTINGS[setting]}")
            effects.append(_vary_setting(setup, settings, setting, base, make_loader))
    return DeterminismAudit(
        steps=setup.steps,
        settings=settings,
        first=first_difference(base.trace, repeated.trace),
        random_in_evaluation=random_module(base.model, setup.images[:_EVALUATED_TWICE].to(setup.device)),
        nondeterministic=nondeterministic_operations(base.trace, base.warned),
        varied=tuple(effects),
        loader=None if make_loader is None else audit_loader(make_loader),
    )


def estimate_seconds(setup: TrainingSetup, settings: Settings, vary: Sequence[Setting] | None = None) -> float:
    """Estimated seconds of an audit on this machine, from timing one step after a warm-up step."""
    single_step = replace(setup, steps=1)
    train_steps(single_step, settings)
    began = time.perf_counter()
    train_steps(single_step, settings)
    seconds = time.perf_counter() - began
    candidates = SETTINGS if vary is None else vary
    supported = [setting for setting in candidates if missing_requirement(setting, setup.device) is None]
    compiling = _COMPILE_SECONDS if "compile" in supported or settings.compiled else 0.0
    return seconds * setup.steps * (2 * _RECORDING_SLOWDOWN + len(supported)) + compiling


def compare_trainings(setting: str, before: str, after: str, base: TrainedSteps, other: TrainedSteps) -> SettingEffect:
    """How much two trainings differ; relative differences are relative to `base`."""
    other_state = other.model.state_dict()
    weights = [
        _largest_difference(tensor, other_state[name])
        for name, tensor in base.model.state_dict().items()
        if tensor.is_floating_point()
    ]
    logits, logits_relative = _largest_difference(base.logits, other.logits)
    identical = first_difference(base.trace, other.trace) is None and torch.equal(base.logits, other.logits)
    return SettingEffect(
        setting=setting,
        before=before,
        after=after,
        same_bits=identical,
        weights=max((absolute for absolute, _ in weights), default=0.0),
        weights_relative=max((relative for _, relative in weights), default=0.0),
        logits=logits,
        logits_relative=logits_relative,
        labels_changed=float((base.logits.argmax(1) != other.logits.argmax(1)).float().mean()),
    )


def _vary_setting(
    setup: TrainingSetup,
    settings: Settings,
    setting: Setting,
    base: TrainedSteps,
    make_loader: Callable[[int], Any] | None,
) -> SettingEffect:
    changed, name = with_changed(settings, setting, setup.device), SETTINGS[setting]
    before, after = settings.value(setting, setup.device), changed.value(setting, setup.device)
    if (lacks := missing_requirement(setting, setup.device)) is not None:
        return SettingEffect(setting=name, before=before, after=after, lacks=lacks)
    if setting == "evaluation-batch":
        other = TrainedSteps(base.model, base.trace, evaluate_logits(base.model, setup, changed), ())
    elif setting == "workers" and make_loader is not None:
        base = train_steps(_with_loader(setup, make_loader, settings.workers), settings)
        other = train_steps(_with_loader(setup, make_loader, changed.workers), changed)
    else:
        other = train_steps(setup, changed)
    return compare_trainings(name, before, after, base, other)


def _with_loader(setup: TrainingSetup, make_loader: Callable[[int], Any], workers: int) -> TrainingSetup:
    return replace(setup, make_batches=lambda: make_loader(workers))


def _largest_difference(base: Tensor, other: Tensor) -> tuple[float, float]:
    """The largest absolute difference, and the same divided by the largest absolute value of `base`."""
    if not base.numel():
        return 0.0, 0.0
    absolute = float((base.double() - other.double()).abs().max())
    return absolute, absolute / float(base.double().abs().max().clamp_min(1e-300)) if absolute else 0.0
