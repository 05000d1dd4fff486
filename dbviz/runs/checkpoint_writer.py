"""Checkpoints written beside the training: one thread writes the newest one while the next epoch is trained."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from dbviz.training.loop import Checkpoint

__all__ = ["CheckpointWriter", "snapshot"]


def snapshot(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with copies of its tensors on the CPU, which the next epoch does not change.

    Example:
        >>> import torch
        >>> from dbviz.training import EpochMetrics
        >>> metrics = EpochMetrics(epoch=1, train_loss=2.3, train_accuracy=0.1, test_accuracy=0.2, learning_rate=0.1,
        ...                        seconds=8.0)
        >>> weight = torch.zeros(1)
        >>> copied = snapshot(Checkpoint(metrics=metrics, tensors={"model.weight": weight}))
        >>> _ = weight.fill_(1)
        >>> copied.tensors["model.weight"].item()
        0.0
    """
    tensors = {name: tensor.detach().to("cpu", copy=True) for name, tensor in checkpoint.tensors.items()}
    return dataclasses.replace(checkpoint, tensors=tensors)


class CheckpointWriter:
    """Calls functions one at a time in a thread; a function that waits is replaced by a newer one.

    The block of its `with` ends, also with an exception, when all that was submitted and not replaced is done.

    Example:
        >>> with CheckpointWriter() as writer:
        ...     writer.submit(lambda: print("epoch 1"))
        epoch 1
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._jobs: list[Future[None]] = []

    def submit(self, write: Callable[[], None]) -> None:
        """Calls `write` in the thread as soon as the call before is done; returns at once.

        Raises:
            Exception: what an earlier call raised, such as an OSError on a full disk.
        """
        self._jobs = [job for job in self._jobs if not job.cancel()]
        for job in [job for job in self._jobs if job.done()]:
            self._jobs.remove(job)
            job.result()
        self._jobs.append(self._thread.submit(write))

    def __enter__(self) -> "CheckpointWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Waits; raises what a call raised, unless the block ends with an exception of its own."""
        self._thread.shutdown()
        if kind is None:
            for job in self._jobs:
                job.result()
