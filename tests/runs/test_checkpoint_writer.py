"""Checkpoints written beside the training: never of a later epoch, the newest first, and errors that are not lost."""

import errno
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from dbviz import fit
from dbviz.core import files
from dbviz.core.files import load_tensors
from dbviz.data import Images
from dbviz.runs import store, training_run
from dbviz.runs.checkpoint_writer import CheckpointWriter, snapshot
from dbviz.training import Checkpoint, EpochMetrics

METRICS = EpochMetrics(epoch=1, train_loss=1.5, train_accuracy=0.25, test_accuracy=0.5, learning_rate=0.1, seconds=2.0)
TINY: dict[str, Any] = {"width": 1, "train_size": 64, "batch_size": 32, "preset": "quick", "device": "cpu"}


def trained(images: Images, home: Path, epochs: int) -> store.Run:
    (run,) = fit("resnet18k", dataset=images, home=home, progress=False, epochs=epochs, **TINY)
    return run


def test_a_snapshot_is_not_changed_by_the_next_step():
    weight = torch.zeros(2, requires_grad=True)
    copied = snapshot(Checkpoint(metrics=METRICS, tensors={"model.weight": weight, "model.steps": torch.tensor(3)}))
    with torch.no_grad():
        weight.add_(1)
    assert copied.metrics == METRICS
    assert copied.tensors["model.weight"].tolist() == [0, 0]
    assert not copied.tensors["model.weight"].requires_grad
    assert copied.tensors["model.steps"].item() == 3


def test_a_waiting_job_is_replaced_by_a_newer_one_and_the_block_waits_for_what_is_left():
    began, may_end, done = threading.Event(), threading.Event(), []

    def slow() -> None:
        began.set()
        assert may_end.wait(60)
        done.append(1)

    with CheckpointWriter() as writer:
        writer.submit(slow)
        assert began.wait(60)
        for epoch in (2, 3, 4):
            writer.submit(partial(done.append, epoch))
        assert done == []
        may_end.set()
    assert done == [1, 4]


def test_an_error_is_raised_by_the_next_job_or_at_the_end():
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    done: list[int] = []
    with pytest.raises(OSError, match="No space left"), CheckpointWriter() as writer:
        writer.submit(fail)
    with CheckpointWriter() as writer:
        writer.submit(fail)
        assert writer._jobs[0].exception(timeout=60) is not None
        with pytest.raises(OSError, match="No space left"):
            writer.submit(partial(done.append, 2))
    assert done == []


def test_an_exception_of_the_block_waits_for_the_writer_and_is_not_hidden_by_its_error():
    may_end, done = threading.Event(), []

    def slow() -> None:
        assert may_end.wait(60)
        done.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted() -> None:
        with CheckpointWriter() as writer:
            writer.submit(slow)
            threading.Timer(0.2, may_end.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [1]


def test_checkpoints_are_those_of_their_epochs_also_where_the_writer_is_slow(small_images, tmp_path, monkeypatch):
    """A checkpoint is written only after the next epoch is trained too."""
    save, train = store.save_checkpoint, training_run.train
    submitted = {epoch: threading.Event() for epoch in (1, 2, 3, 4)}
    digests: dict[int, str] = {}
    written: dict[int, str] = {}

    def late(spec, home, checkpoint, done):
        epoch = checkpoint.metrics.epoch
        assert submitted[min(epoch + 1, 3)].wait(60)
        assert [metrics.epoch for metrics in done] == list(range(1, epoch + 1))
        save(spec, home, checkpoint, done)
        written[epoch] = files.digest(load_tensors(home / spec.name / "resume.safetensors")[0])

    def watched(*arguments, **options):
        for checkpoint in train(*arguments, **options):
            digests[checkpoint.metrics.epoch] = files.digest(checkpoint.tensors)
            yield checkpoint
            submitted[checkpoint.metrics.epoch].set()

    monkeypatch.setattr(store, "save_checkpoint", late)
    monkeypatch.setattr(training_run, "train", watched)
    run = trained(small_images, tmp_path, epochs=4)
    assert {1, 3} <= set(written) <= {1, 2, 3}  # 3 may have replaced 2; none after the last epoch
    assert written == {epoch: digests[epoch] for epoch in written}
    assert not (run.directory / "resume.safetensors").exists()


def test_a_run_of_one_epoch_writes_no_checkpoint(small_images, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "save_checkpoint", lambda *_: pytest.fail("written"))
    assert trained(small_images, tmp_path, epochs=1).weights.exists()


def test_a_full_disk_ends_the_training_and_what_was_written_is_kept(small_images, tmp_path, monkeypatch):
    write = files.atomic_write

    def full(path: Path, content: bytes) -> None:
        if path.name == "resume.safetensors" and path.exists():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "atomic_write", full)
        with pytest.raises(OSError, match="No space left"):
            trained(small_images, tmp_path / "cut", epochs=6)
    assert list((tmp_path / "cut").glob("*/resume.safetensors"))
    cut, whole = trained(small_images, tmp_path / "cut", epochs=6), trained(small_images, tmp_path / "whole", epochs=6)
    assert cut.weights.read_bytes() == whole.weights.read_bytes()
