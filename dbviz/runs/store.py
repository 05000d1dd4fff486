"""Runs on disk: one directory per run, finished or resumable, verified when it is read, and never a pickle.

    HOME/cifar10-resnet18-w16-n20000-e5-s0-1f0c92d3ab/
        spec.json                      what is trained
        environment.json               packages, machine and settings
        labels.safetensors             with label noise: the labels trained on, and which are wrong
        resume.safetensors             during training: the last stored epoch's checkpoint, and the metrics up to it
        weights-epoch-3.safetensors    the weights after an epoch of `keep`
        weights.safetensors            the weights after the last epoch
        test_logits.safetensors        their outputs for all test images
        metrics.json                   written last: a run with this file is finished

    HOME/labels/1f0c92d3ab....safetensors        labels read from a file, named by their digest
    HOME/pretrained/1f0c92d3ab....safetensors    a frozen network without its head, named by its digest

How files are written and checked: `dbviz.core.files`.
"""

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
from dbviz.training.device import deterministic_algorithms, full_precision
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
    "started_with_threads",
]


def home_directory(home: str | os.PathLike[str] | None = None) -> Path:
    """The directory of all runs: `home` if given, else `$DBVIZ_HOME`, else ./runs.

    Example:
        >>> home_directory("elsewhere")
        PosixPath('elsewhere')
    """
    return Path(home or os.environ.get("DBVIZ_HOME") or "runs").expanduser()


def find(spec: RunSpec, home: Path) -> Run | None:
    """The finished run of `spec`, or None.

    Raises:
        InputError: its files are damaged.

    Example:
        >>> import tempfile
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.runs import fit
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "progress": False}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     (run,) = fit("fcnet", dataset=images, home=home, **tiny)
        ...     find(run.spec, Path(home)) == run
        True
    """
    directory = home / spec.name
    if not (directory / "metrics.json").exists():
        return None
    stored, metrics = read_json(directory / "spec.json"), read_json(directory / "metrics.json")
    try:
        matches = RunSpec.from_dict(stored).identity == spec.identity
    except InputError as error:
        raise InputError(f"{directory}/spec.json is damaged ({error}): delete {directory}") from None
    if not matches:
        raise InputError(f"{directory}/spec.json is not the spec that its name stands for: delete {directory}")
    try:
        return Run(
            spec=spec,
            directory=directory,
            class_count=metrics["class_count"],
            image_shape=tuple(metrics["image_shape"]),
            epochs=tuple(EpochMetrics.from_dict(epoch) for epoch in metrics["epochs"]),
            test_accuracy=metrics["test_accuracy"],
            initial_fingerprint=metrics.get("initial_fingerprint"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{directory}/metrics.json is damaged ({error}): delete the directory to train it again"
        ) from None


def find_by_identity(identity: str, home: Path) -> Run:
    """The finished run whose spec has this identity.

    Raises:
        InputError: there is none, or its files are damaged.

    Example:
        >>> import tempfile
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.runs import fit
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "progress": False}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     (run,) = fit("fcnet", dataset=images, home=home, **tiny)
        ...     find_by_identity(run.spec.identity, Path(home)) == run
        True
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

    Example:
        >>> import tempfile
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.runs import fit
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "progress": False}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     (run,) = fit("fcnet", dataset=images, home=home, **tiny)
        ...     find_by_name(run.directory.name, Path(home)) == find_by_name(run.spec.identity[:6], Path(home))
        True
    """
    finished = [path.parent for path in home.glob("*/metrics.json")]
    matching = [path for path in finished if path.name == name or _short_identity(path).startswith(name)]
    if len(matching) != 1:
        close = ", ".join(difflib.get_close_matches(name, [path.name for path in finished]))
        count = f"{len(matching)} finished runs are" if matching else "no finished run is"
        raise InputError(f"{count} called {name!r} in {home}: give a run's full name{f' ({close}?)' if close else ''}")
    spec = RunSpec.from_dict(read_json(matching[0] / "spec.json"))
    return find_by_identity(spec.identity, home)


def _short_identity(directory: Path) -> str:
    """The first ten digits of the identity, from the name of a run's directory."""
    return directory.name.rpartition("-")[2]


@contextmanager
def locked(spec: RunSpec, home: Path, *, wait: bool = True) -> Iterator[bool]:
    """Locks the run's directory against other processes within the block; a killed process loses its lock at once.

    Args:
        wait: until another process releases the lock.

    Yields:
        True if the lock is held; False, only without `wait`, if another process holds it.

    Example:
        >>> import tempfile
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> with tempfile.TemporaryDirectory() as home, locked(spec, Path(home)) as held:
        ...     held
        True
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
    """Stores the weights after `epoch`."""
    save_tensors(home / spec.name / weights_name(epoch), model.state_dict(), {"spec": spec.identity})


def has_epoch_weights(spec: RunSpec, home: Path, epoch: int) -> bool:
    """Whether the weights after `epoch` are stored; those after the last epoch are, once the run is finished."""
    return epoch == spec.recipe.epochs or (home / spec.name / weights_name(epoch)).exists()


def begin(spec: RunSpec, home: Path, device: torch.device) -> None:
    """Writes the spec and the environment of a training that starts; deletes partial files of a killed process."""
    directory = home / spec.name
    for partial in directory.glob(".*.part"):
        partial.unlink()
    atomic_write(directory / "spec.json", _to_json(spec.to_dict()))
    recipe = spec.recipe
    with deterministic_algorithms(recipe.deterministic), full_precision(recipe.precision == "fp32"):  # as in training
        atomic_write(directory / "environment.json", _to_json(environment(device)))


def started_with_threads(spec: RunSpec, home: Path) -> int | None:
    """The number of threads of a run that has a checkpoint or is finished: the bits of the rest depend on it too.

    None where there is no such run, or its environment is not recorded.
    """
    directory = home / spec.name
    if not any((directory / name).exists() for name in ("resume.safetensors", "metrics.json")):
        return None
    try:
        return int(read_json(directory / "environment.json")["threads"])
    except (InputError, KeyError, TypeError, ValueError):
        return None


def save_labels(spec: RunSpec, home: Path, labels: Tensor, mislabelled: Tensor) -> None:
    """Stores the labels (n,) that the run is trained on, and whether each is wrong (n,), in its directory."""
    save_tensors(home / spec.name / "labels.safetensors", {"labels": labels, "mislabelled": mislabelled}, {})


def save_label_file(home: Path, name: str, labels: Tensor) -> None:
    """Stores labels that were read from a file under their digest `name`, where any process can load them."""
    save_tensors(home / "labels" / f"{name}.safetensors", {"labels": labels}, {})


def load_label_file(home: Path, name: str) -> Tensor:
    """The labels that `save_label_file` stored.

    Raises:
        InputError: they are not in this home, or damaged.
    """
    return load_tensors(home / "labels" / f"{name}.safetensors")[0]["labels"]


def save_pretrained(home: Path, name: str, tensors: dict[str, Tensor]) -> None:
    """Stores the weights of a network without its head under their digest `name`, where any process can load them."""
    save_tensors(home / "pretrained" / f"{name}.safetensors", tensors, {})


def load_pretrained(home: Path, name: str) -> dict[str, Tensor]:
    """The weights that `save_pretrained` stored.

    Raises:
        InputError: they are not in this home, or damaged.
    """
    return load_tensors(home / "pretrained" / f"{name}.safetensors")[0]


def save_checkpoint(spec: RunSpec, home: Path, checkpoint: Checkpoint, epochs: list[EpochMetrics]) -> None:
    """Replaces the run's resume state by `checkpoint`; `epochs` are the metrics of all epochs so far."""
    metadata = {"epochs": [epoch.to_dict() for epoch in epochs]}
    save_tensors(home / spec.name / "resume.safetensors", checkpoint.tensors, metadata)


def last_checkpoint(spec: RunSpec, home: Path) -> tuple[Checkpoint, list[EpochMetrics]] | None:
    """The state to resume from, and the metrics up to it; None if it is absent or damaged."""
    try:
        tensors, metadata = load_tensors(home / spec.name / "resume.safetensors")
        epochs = [EpochMetrics.from_dict(epoch) for epoch in metadata["epochs"]]
    except (InputError, KeyError, TypeError, AttributeError):
        return None  # the run is then trained from the beginning
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
    """Writes the weights, then the metrics, which mark the run as finished, and deletes the resume state."""
    directory = home / spec.name
    save_tensors(directory / "weights.safetensors", model.state_dict(), {"spec": spec.identity})
    save_tensors(directory / "test_logits.safetensors", {"logits": test_logits}, {"spec": spec.identity})
    metrics = {
        "test_accuracy": test_accuracy,
        "class_count": class_count,
        "image_shape": image_shape,
        "initial_fingerprint": initial_fingerprint,
        "epochs": [epoch.to_dict() for epoch in epochs],
    }
    atomic_write(directory / "metrics.json", _to_json(metrics))
    (directory / "resume.safetensors").unlink(missing_ok=True)


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
