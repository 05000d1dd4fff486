"""What becomes of an attempt: which failures are permanent, and what is retried."""

import errno

import pytest
import torch

from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.executors import Failed, Finished, Retried
from dbviz.executors.events import WORKER_DIED, attempt, resolve_attempt
from dbviz.spec import Recipe, RunSpec

SPEC = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))


@pytest.mark.parametrize(
    ("error", "message", "permanent"),
    [
        (RuntimeError("CUDA out\n of memory"), "CUDA out of memory", False),
        (MemoryError(), "MemoryError", False),
        (TrainingDiverged("diverged"), "diverged", True),
        (InputError("no"), "no", True),
        (KeyError("no"), "'no'", True),
        (OSError(errno.EIO, "I/O error"), "[Errno 5] I/O error", True),
    ],
)
def test_errors_of_torch_and_of_memory_alone_may_be_temporary(error, message, permanent):
    failed = Failed.from_exception(SPEC, error)
    assert (failed.item, failed.error, failed.permanent) == (SPEC, message, permanent)
    assert type(error).__name__ in failed.traceback


@pytest.mark.parametrize(
    ("error", "poisoned"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"), True),
        (torch.AcceleratorError("device-side assert triggered", 710), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (RuntimeError("shapes do not match"), False),
        (KeyError("CUDA error"), False),
    ],
)
def test_a_cuda_error_makes_a_process_useless_but_not_one_of_memory(error, poisoned):
    assert Failed.from_exception(SPEC, error).poisoned == poisoned


def test_the_item_of_an_event_has_its_old_name_with_a_warning():
    with pytest.warns(FutureWarning, match="spec of an event is now item"):
        assert Finished(item=SPEC).spec == SPEC


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_a_full_disk_is_recognised_by_its_error_number(number, full):
    assert Failed.from_exception(SPEC, OSError(number, "")).disk_full == full
    assert not Failed.from_exception(SPEC, InputError("")).disk_full


def test_an_attempt_ends_in_its_result_and_an_interruption_passes_through():
    done = []
    assert attempt(SPEC, done.append) == Finished(item=SPEC)
    assert done == [SPEC]
    assert attempt(SPEC, lambda spec: spec.arch).result == "mlp"  # pyright: ignore[reportAttributeAccessIssue]

    def fail(_):
        raise InputError("no")

    def interrupt(_):
        raise KeyboardInterrupt

    failed = attempt(SPEC, fail)
    assert isinstance(failed, Failed)
    assert failed.error == "no"
    with pytest.raises(KeyboardInterrupt):
        attempt(SPEC, interrupt)


FINISHED, PERMANENT = Finished(item=SPEC), Failed(item=SPEC, error="no")
TEMPORARY = Failed(item=SPEC, error="out of memory", permanent=False)
GIVEN_UP = Failed(item=SPEC, error=f"{WORKER_DIED}, each time it was tried")


@pytest.mark.parametrize(
    ("result", "retries_left", "event"),
    [
        (FINISHED, 2, FINISHED),
        (PERMANENT, 2, PERMANENT),
        (TEMPORARY, 1, Retried(item=SPEC, reason="out of memory")),
        (TEMPORARY, 0, TEMPORARY),
        (None, 1, Retried(item=SPEC, reason=WORKER_DIED)),
        (None, 0, GIVEN_UP),
    ],
)
def test_temporary_failures_and_lost_workers_are_retried_while_retries_are_left(result, retries_left, event):
    assert resolve_attempt(SPEC, result, retries_left) == event
