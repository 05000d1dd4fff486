"""Runs on disk: one directory a run, whole or resumable, verified on reading, and never a pickle.

    HOME/cifar10-resnet18-w16-n20000-e5-s0-1f0c92d3ab/
        spec.json            what is trained here
        environment.json     with what
        labels.safetensors   if labels are wrong on purpose: those trained on, and which are wrong
        resume.safetensors   while it trains: the last epoch's checkpoint with the metrics up to there
        weights-epoch-3.safetensors  the weights after an epoch that was asked to be kept
        weights.safetensors  once it is trained
        test_logits.safetensors  what it then says of every test image
        metrics.json         written last: its presence says that the run is finished

    HOME/labels/1f0c92d3ab....safetensors    labels that came in a file, by their digest
    HOME/pretrained/1f0c92d3ab....safetensors  a network without its head, on which heads are trained, by its digest

How files are written and checked: `dbviz.core.files`.
"""

import dataclasses
import difflib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from dbviz.core.environment import environment
from dbviz.core.errors import InputError
from dbviz.core.files import atomic_write, load_tensors, save_tensors
from dbviz.runs.run import Run, read_json, weights_name
from dbviz.spec import RunSpec
from dbviz.training.device import deterministic_algorithms
from dbviz.training.loop import Checkpoint, EpochMetrics

__all__ = [
    "begin",
    "find",
    "find_by_identity",
    "find_by_name",
    "finish",
    "has_epoch_weights",
    "home_directory",
    "last_checkpoint",
    "load_label_file",
    "load_pretrained",
    "locked",
    "save_checkpoint",
    "save_epoch_weights",
    "save_label_file",
    "save_labels",
    "save_pretrained",
]


def home_directory(home: str | os.PathLike[str] | None = None) -> Path:
    """Where runs lie: `home` if given, else `$DBVIZ_HOME`, else ./runs."""
    return Path(home or os.environ.get("DBVIZ_HOME") or "runs").expanduser()


def find(spec: RunSpec, home: Path) -> Run | None:
    """The finished run of `spec`, or None.

    Raises:
        InputError: its files are damaged.
    """
    directory = home / spec.name
    if not (directory / "metrics.json").exists():
        return None
    stored, metrics = read_json(directory / "spec.json"), read_json(directory / "metrics.json")
    try:
        known = RunSpec.from_dict(stored).identity == spec.identity
    except InputError as error:
        raise InputError(f"{directory}/spec.json is damaged ({error}): delete {directory}") from None
    if not known:
        raise InputError(f"{directory}/spec.json is not the spec that its name stands for: delete {directory}")
    try:
        return Run(
            spec=spec,
            directory=directory,
            class_count=metrics["class_count"],
            image_shape=tuple(metrics["image_shape"]),
            epochs=tuple(EpochMetrics(**epoch) for epoch in metrics["epochs"]),
            test_accuracy=metrics["test_accuracy"],
            initial_fingerprint=metrics.get("initial_fingerprint"),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{directory}/metrics.json is damaged ({error}): delete the directory to train it again"
        ) from None


def find_by_identity(identity: str, home: Path) -> Run:
    """The finished run whose spec has this identity.

    Raises:
        InputError: there is none, or its files are damaged.
    """
    for directory in home.glob(f"*-{identity[:10]}"):
        spec = RunSpec.from_dict(read_json(directory / "spec.json"))
        if spec.identity == identity and (run := find(spec, home)) is not None:
            return run
    raise InputError(f"no finished run of identity {identity[:10]} in {home}: train it first, or give its --home")


def find_by_name(name: str, home: Path) -> Run:
    """The finished run whose directory has this name, or whose identity begins with it.

    Raises:
        InputError: there is none, there are several, or its files are damaged.
    """
    found = [
        path.parent
        for path in home.glob("*/metrics.json")
        if path.parent.name == name or _identity(path).startswith(name)
    ]
    if len(found) != 1:
        near = ", ".join(difflib.get_close_matches(name, [path.parent.name for path in home.glob("*/metrics.json")]))
        said = f"{len(found)} finished runs are" if found else "no finished run is"
        raise InputError(f"{said} called {name!r} in {home}: give a run's whole name{f' ({near}?)' if near else ''}")
    spec = RunSpec.from_dict(read_json(found[0] / "spec.json"))
    return find_by_identity(spec.identity, home)


def _identity(path: Path) -> str:
    """The identity's first ten digits, from the name of the run's directory."""
    return path.parent.name.rpartition("-")[2]


@contextmanager
def locked(spec: RunSpec, home: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds the run's directory against other processes; the lock of a killed process is free at once.

    Gives True when it is held. With `wait=False` it gives False if another process is at work on the run.
    """
    directory = home / spec.name
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def save_epoch_weights(spec: RunSpec, home: Path, model: nn.Module, epoch: int) -> None:
    """Keeps the weights as they are after `epoch`."""
    save_tensors(home / spec.name / weights_name(epoch), model.state_dict(), {"spec": spec.identity})


def has_epoch_weights(spec: RunSpec, home: Path, epoch: int) -> bool:
    """Whether the weights after `epoch` are there, which those after the last are as soon as the run is finished."""
    return epoch == spec.recipe.epochs or (home / spec.name / weights_name(epoch)).exists()


def begin(spec: RunSpec, home: Path, device: torch.device) -> None:
    """Writes what is going to be trained, and with what; clears what a killed process left half written."""
    directory = home / spec.name
    for partial in directory.glob(".*.part"):
        partial.unlink()
    atomic_write(directory / "spec.json", _to_json(spec.to_dict()))
    with deterministic_algorithms(spec.recipe.deterministic):  # as they are while it trains
        atomic_write(directory / "environment.json", _to_json(environment(device)))


def save_labels(spec: RunSpec, home: Path, labels: Tensor, mislabelled: Tensor) -> None:
    """Keeps with the run the labels (n,) it is trained on and which of them are wrong (n,)."""
    save_tensors(home / spec.name / "labels.safetensors", {"labels": labels, "mislabelled": mislabelled}, {})


def save_label_file(home: Path, name: str, labels: Tensor) -> None:
    """Keeps labels that came in a file under their digest `name`, so that any process finds them."""
    save_tensors(home / "labels" / f"{name}.safetensors", {"labels": labels}, {})


def load_label_file(home: Path, name: str) -> Tensor:
    """What `save_label_file` kept.

    Raises:
        InputError: nothing of that name was kept in this home, or it is damaged.
    """
    return load_tensors(home / "labels" / f"{name}.safetensors")[0]["labels"]


def save_pretrained(home: Path, name: str, tensors: dict[str, Tensor]) -> None:
    """Keeps the weights of a network without its head under their digest `name`, so that any process finds them."""
    save_tensors(home / "pretrained" / f"{name}.safetensors", tensors, {})


def load_pretrained(home: Path, name: str) -> dict[str, Tensor]:
    """What `save_pretrained` kept.

    Raises:
        InputError: nothing of that name was kept in this home, or it is damaged.
    """
    return load_tensors(home / "pretrained" / f"{name}.safetensors")[0]


def save_checkpoint(spec: RunSpec, home: Path, checkpoint: Checkpoint, epochs: list[EpochMetrics]) -> None:
    """Replaces the run's resume state by `checkpoint`; `epochs` are the metrics up to there."""
    metadata = {"epochs": [dataclasses.asdict(epoch) for epoch in epochs]}
    save_tensors(home / spec.name / "resume.safetensors", checkpoint.tensors, metadata)


def last_checkpoint(spec: RunSpec, home: Path) -> tuple[Checkpoint, list[EpochMetrics]] | None:
    """The state to continue from with the metrics up to there; None if there is none or it is damaged."""
    try:
        tensors, metadata = load_tensors(home / spec.name / "resume.safetensors")
        epochs = [EpochMetrics(**epoch) for epoch in metadata["epochs"]]
    except (InputError, KeyError, TypeError):
        return None  # at worst the run starts again
    return Checkpoint(metrics=epochs[-1], tensors=tensors), epochs


def finish(
    spec: RunSpec,
    home: Path,
    model: nn.Module,
    epochs: list[EpochMetrics],
    *,
    test_accuracy: float,
    test_logits: Tensor,
    class_count: int,
    image_shape: tuple[int, int, int],
    initial_fingerprint: str | None = None,
) -> None:
    """Writes the weights, then the metrics that mark the run as finished, and drops the resume state."""
    directory = home / spec.name
    save_tensors(directory / "weights.safetensors", model.state_dict(), {"spec": spec.identity})
    save_tensors(directory / "test_logits.safetensors", {"logits": test_logits}, {"spec": spec.identity})
    metrics = {
        "test_accuracy": test_accuracy,
        "class_count": class_count,
        "image_shape": image_shape,
        "initial_fingerprint": initial_fingerprint,
        "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
    }
    atomic_write(directory / "metrics.json", _to_json(metrics))
    (directory / "resume.safetensors").unlink(missing_ok=True)


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
