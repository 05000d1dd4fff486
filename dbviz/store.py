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

How files are written and checked: `dbviz.sealed`.
"""

import dataclasses
import difflib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from dbviz.environment import environment
from dbviz.errors import InputError
from dbviz.models.build import construct
from dbviz.sealed import load_tensors, load_weights, save_tensors, sealed_digest, write_whole
from dbviz.spec import RunSpec
from dbviz.training.device import kernels
from dbviz.training.loop import Checkpoint, EpochMetrics

__all__ = [
    "Run",
    "begin",
    "find",
    "find_by_identity",
    "find_by_name",
    "finish",
    "home_directory",
    "keep_epoch",
    "keep_labels",
    "keep_pretrained",
    "kept",
    "kept_labels",
    "kept_pretrained",
    "last_checkpoint",
    "locked",
    "save_checkpoint",
    "save_labels",
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run."""

    spec: RunSpec
    directory: Path
    class_count: int
    image_shape: tuple[int, int, int]
    epochs: tuple[EpochMetrics, ...]
    test_accuracy: float
    """Share of the test images classified right after the last epoch, evaluated in fp32."""
    initial_fingerprint: str | None = None
    """Digest of the weights before the first step; None for a run that did not keep it."""
    epoch: int | None = None
    """The epoch whose weights are meant; None is the last."""

    def __repr__(self) -> str:
        what = f"{self.spec.arch}, seed {self.spec.seeds}, {self.spec.dataset}"
        return f"Run({what}: test accuracy {self.test_accuracy:.1%}; {self.directory})"

    @property
    def seconds(self) -> float:
        """Time its training took, evaluation apart."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def weights(self) -> Path:
        return self.directory / _weights_name(self.epoch)

    def at(self, epoch: int) -> "Run":
        """The run as it was after `epoch`, with the accuracy noted then.

        Raises:
            InputError: the weights of that epoch were not kept.
        """
        if epoch == len(self.epochs):
            return self
        if not kept(self.spec, self.directory.parent, epoch):
            raise InputError(f"{self.directory} keeps no weights of epoch {epoch}: fit it with keep=[{epoch}]")
        then = self.epochs[:epoch]
        return dataclasses.replace(self, epoch=epoch, epochs=then, test_accuracy=then[-1].test_accuracy)

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, as written with them; see `dbviz.sealed.digest`."""
        return sealed_digest(self.weights)

    @property
    def environment(self) -> dict[str, Any]:
        """What it was trained with; nothing where that is not there any more.

        Raises:
            InputError: it is damaged.
        """
        path = self.directory / "environment.json"
        return _read_json(path) if path.exists() else {}

    def test_logits(self) -> Tensor:
        """The network's outputs (n, k) for every test image, evaluated in fp32 right after the last epoch.

        Raises:
            InputError: they are absent or damaged.
        """
        tensors, _ = load_tensors(self.directory / "test_logits.safetensors")
        return tensors["logits"]

    def training_labels(self) -> tuple[Tensor, Tensor] | None:
        """The labels (n,) it was trained on and which of them are wrong (n,); None if all are the dataset's own.

        Raises:
            InputError: they are absent or damaged.
        """
        if self.spec.label_noise is None:
            return None
        tensors, _ = load_tensors(self.directory / "labels.safetensors")
        return tensors["labels"], tensors["mislabelled"]

    def model(self, device: torch.device | str = "cpu") -> nn.Module:
        """The trained network, in evaluation mode.

        Raises:
            InputError: the weights are damaged.
        """
        module = construct(self.spec.arch, self.class_count, self.spec.width, self.image_shape)
        load_weights(module, self.weights, foreign=False)
        return module.to(device, memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


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
    stored, metrics = _read_json(directory / "spec.json"), _read_json(directory / "metrics.json")
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
        spec = RunSpec.from_dict(_read_json(directory / "spec.json"))
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
    spec = RunSpec.from_dict(_read_json(found[0] / "spec.json"))
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


def keep_epoch(spec: RunSpec, home: Path, model: nn.Module, epoch: int) -> None:
    """Keeps the weights as they are after `epoch`."""
    save_tensors(home / spec.name / _weights_name(epoch), model.state_dict(), {"spec": spec.identity})


def kept(spec: RunSpec, home: Path, epoch: int) -> bool:
    """Whether the weights after `epoch` are there, which those after the last are as soon as the run is finished."""
    return epoch == spec.recipe.epochs or (home / spec.name / _weights_name(epoch)).exists()


def begin(spec: RunSpec, home: Path, device: torch.device) -> None:
    """Writes what is going to be trained, and with what; clears what a killed process left half written."""
    directory = home / spec.name
    for partial in directory.glob(".*.part"):
        partial.unlink()
    write_whole(directory / "spec.json", _to_json(spec.to_dict()))
    with kernels(deterministic=spec.recipe.deterministic):  # as they are while it trains
        write_whole(directory / "environment.json", _to_json(environment(device)))


def save_labels(spec: RunSpec, home: Path, labels: Tensor, mislabelled: Tensor) -> None:
    """Keeps with the run the labels (n,) it is trained on and which of them are wrong (n,)."""
    save_tensors(home / spec.name / "labels.safetensors", {"labels": labels, "mislabelled": mislabelled}, {})


def keep_labels(home: Path, name: str, labels: Tensor) -> None:
    """Keeps labels that came in a file under their digest `name`, so that any process finds them."""
    save_tensors(home / "labels" / f"{name}.safetensors", {"labels": labels}, {})


def kept_labels(home: Path, name: str) -> Tensor:
    """What `keep_labels` kept.

    Raises:
        InputError: nothing of that name was kept in this home, or it is damaged.
    """
    return load_tensors(home / "labels" / f"{name}.safetensors")[0]["labels"]


def keep_pretrained(home: Path, name: str, tensors: dict[str, Tensor]) -> None:
    """Keeps the weights of a network without its head under their digest `name`, so that any process finds them."""
    save_tensors(home / "pretrained" / f"{name}.safetensors", tensors, {})


def kept_pretrained(home: Path, name: str) -> dict[str, Tensor]:
    """What `keep_pretrained` kept.

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
    write_whole(directory / "metrics.json", _to_json(metrics))
    (directory / "resume.safetensors").unlink(missing_ok=True)


def _weights_name(epoch: int | None) -> str:
    return "weights.safetensors" if epoch is None else f"weights-epoch-{epoch}.safetensors"


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: delete {path.parent} to train it again") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): delete {path.parent} to train it again") from None
