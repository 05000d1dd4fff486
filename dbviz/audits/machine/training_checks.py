"""Is a training the same twice, and when it was killed and resumed?"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from dbviz.audits.determinism import audit_determinism
from dbviz.audits.machine.findings import Finding
from dbviz.audits.machine.isolation import KILLED, ProcessEnded, isolated
from dbviz.audits.machine.networks import AuditedNetwork
from dbviz.audits.settings import Settings
from dbviz.audits.training_setup import training_setup_of
from dbviz.core.files import load_tensors
from dbviz.runs import Run, store
from dbviz.runs.training_run import train_run
from dbviz.spec import Optimizer, RunSpec

__all__ = ["check_repeats", "check_resumes", "first_difference_of_runs", "killed_training"]

_RECORDED_STEPS = 3
_INTERRUPTED = "killed"
"""The directory of the runs that were killed."""
_CHECKPOINT_SECONDS = 60.0
"""How long a training is kept waiting for its first epoch's checkpoint, which may be written beside it."""
_KILL_SECONDS = 3600.0
"""The limit of the process that is killed; that of the whole part is shorter."""

Interrupt = Callable[[AuditedNetwork], None]


def check_repeats(network: AuditedNetwork) -> Finding:
    """Trains twice by SGD; if the results differ, the first operation is looked for whose result does."""
    first = network.trained(network.spec())
    network.forget("repeated")
    second = network.trained(network.spec(), "repeated")
    if (difference := first_difference_of_runs(first, second)) is None:
        return Finding(passed=True, detail=f"two trainings are bitwise identical ({first.fingerprint[:10]})")
    return Finding(passed=False, detail=f"two trainings differ: {difference}{_first_operation(network)}")


def check_resumes(network: AuditedNetwork, optimizer: Optimizer, interrupt: Interrupt | None = None) -> Finding:
    """Kills a training (SIGKILL) in its second epoch, resumes it in this process, and compares it with one in one go.

    Args:
        interrupt: interrupts trainings of the network by both optimizers, after the checkpoint of the first epoch; by
            default in a process that is killed.
    """
    if not network.takes_steps:
        return Finding(passed=True, detail="solved in closed form: nothing to resume")
    spec, home = network.spec(optimizer), network.home / _INTERRUPTED
    if store.last_checkpoint(spec, home) is None:
        (interrupt or _kill_in_other_process)(network)
    interrupted = store.last_checkpoint(spec, home)
    if interrupted is None:
        return Finding(passed=False, detail="no checkpoint of the first epoch was there when the training was killed")
    epoch = interrupted[0].metrics.epoch
    difference = first_difference_of_runs(network.trained(spec), network.trained(spec, _INTERRUPTED))
    network.forget(f"{_INTERRUPTED}/{spec.name}")
    if difference is not None:
        return Finding(passed=False, detail=f"killed and resumed after epoch {epoch}, it differs: {difference}")
    return Finding(passed=True, detail=f"killed and resumed after epoch {epoch}: bitwise identical")


def killed_training(network: AuditedNetwork, kill: Callable[[], None] | None = None) -> Iterator[None]:
    """Trains by SGD and, in its second epoch, by Adam, in whose second epoch the process is killed by SIGKILL.

    So it dies in the middle of two trainings, of each of which the checkpoint of the first epoch is kept.

    Args:
        kill: called instead of killing this process.
    """
    home, images = network.home / _INTERRUPTED, network.images
    sgd, adam = network.spec("sgd"), network.spec("adam")

    def train_until_second_epoch(spec: RunSpec, act: Callable[[], None]) -> None:
        hook = _second_epoch(spec, home, len(images.train), act)
        train_run(spec, images, device=network.device, home=home, on_batch=hook)

    train_until_second_epoch(sgd, lambda: train_until_second_epoch(adam, kill or _kill_this_process))
    yield


def first_difference_of_runs(first: Run, second: Run) -> str | None:
    """The first thing in which two runs of a spec differ: metrics of an epoch, a tensor, or the test's outputs."""
    for one, other in zip(first.epochs, second.epochs, strict=True):
        if repr(one.train_loss) != repr(other.train_loss):
            return f"the loss of epoch {one.epoch}, {one.train_loss!r} and {other.train_loss!r}"
    tensors, others = (load_tensors(run.weights)[0] for run in (first, second))
    for name, tensor in tensors.items():
        if not torch.equal(tensor, others[name]):
            return f"{name} by up to {float((tensor.double() - others[name].double()).abs().max()):.1e}"
    logits, other_logits = first.test_logits(), second.test_logits()
    if not torch.equal(logits, other_logits):
        return f"test logits by up to {float((logits - other_logits).abs().max()):.1e}, of equal weights"
    return None


def _first_operation(network: AuditedNetwork) -> str:
    """The end of a sentence that names the first operation whose result differs in a few recorded steps."""
    spec = network.spec()
    if not network.takes_steps:
        return ""
    setup = training_setup_of(
        spec, network.images, network.device, steps=_RECORDED_STEPS, test_images=len(network.images.test)
    )
    settings = Settings(deterministic=spec.recipe.deterministic, precision=spec.recipe.precision)
    audit = audit_determinism(setup, settings, vary=())
    return f"; with operations recorded: {audit.first or f'none in {_RECORDED_STEPS} steps'}"


def _kill_in_other_process(network: AuditedNetwork) -> None:
    """Trains in a process that kills itself.

    Raises:
        ProcessEnded: it ended otherwise.
    """
    try:
        list(isolated(killed_training, network, seconds=_KILL_SECONDS))
    except ProcessEnded as error:
        if str(error) != KILLED:
            raise


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _second_epoch(spec: RunSpec, home: Path, images: int, act: Callable[[], None]) -> Callable[[int], None]:
    """A hook of a training that calls `act` once, in the second epoch, when the first one's checkpoint is written."""
    seen = [0]

    def on_batch(count: int) -> None:
        before, seen[0] = seen[0], seen[0] + count
        if before <= images < seen[0]:
            _wait_for_checkpoint(spec, home)
            act()

    return on_batch


def _wait_for_checkpoint(spec: RunSpec, home: Path) -> None:
    deadline = time.monotonic() + _CHECKPOINT_SECONDS
    while store.last_checkpoint(spec, home) is None and time.monotonic() < deadline:
        time.sleep(0.05)
