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

Every file is written beside its place and moved there whole. Tensor files carry a digest of their contents.
"""

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dbviz.environment import environment
from dbviz.errors import InputError
from dbviz.models.build import construct
from dbviz.spec import RunSpec
from dbviz.training.loop import Checkpoint, EpochMetrics

__all__ = [
    "Run",
    "begin",
    "digest",
    "find",
    "find_by_identity",
    "find_by_name",
    "finish",
    "home_directory",
    "keep_epoch",
    "keep_labels",
    "kept",
    "kept_labels",
    "last_checkpoint",
    "load_tensors",
    "load_weights",
    "locked",
    "save_checkpoint",
    "save_labels",
    "save_tensors",
    "write_whole",
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
        """Digest of the weights, as written with them; see `digest`."""
        with _opened(self.weights) as file:
            return _metadata(file).get("digest", "")

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


def load_weights(module: nn.Module, path: Path, *, foreign: bool = True) -> None:
    """Loads a safetensors file into `module`; if it is not `foreign`, it must be one that the store sealed.

    Raises:
        InputError: it is absent, damaged, no safetensors file, or its tensors are not those of the module.
    """
    tensors, _ = load_tensors(path, foreign=foreign)
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            shown = [str(shapes.get(name, "absent")) for shapes in (wanted, found)]
            raise InputError(
                f"{path} does not fit the network: {name} is {shown[1]} there, the network has {shown[0]}: "
                "give the architecture and --width it was trained with"
            )
    module.load_state_dict(tensors)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Writes tensors and JSON metadata as one sealed safetensors file; equal contents give equal bytes."""
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    sealed = metadata | {"digest": digest(apart)}
    text = json.dumps(sealed | {"seal": _seal(sealed)}, sort_keys=True)
    write_whole(path, save(apart, {"dbviz": text}))


def load_tensors(path: Path, *, foreign: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the metadata of a safetensors file.

    Args:
        foreign: accept a file that `save_tensors` did not write, and that carries no seal to be checked.

    Raises:
        InputError: it is absent, truncated, damaged, or another kind of file (a pickle is never opened).
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = _metadata(file)
    if foreign and not metadata:
        return tensors, metadata
    seal = metadata.pop("seal", None)
    if seal != _seal(metadata) or metadata.pop("digest", None) != digest(tensors):
        raise InputError(f"{path} is damaged: its contents do not match the digest written with them; delete it")
    return tensors, metadata


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or, after a crash or on a full disk, not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever device or memory layout they lie in."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} {_what_is_wrong(path)} ({error})") from None


def _metadata(file: Any) -> dict[str, Any]:
    try:
        found = json.loads((file.metadata() or {}).get("dbviz", "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seal(metadata: dict[str, Any]) -> str:
    """A digest of the metadata, that of the tensors among them."""
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def _what_is_wrong(path: Path) -> str:
    if path.is_dir():
        return "is a directory: give a .safetensors file"
    with path.open("rb") as file:
        start = file.read(8)
    # a safetensors file begins with its header's length, which may look like a pickle's first bytes
    a_length = int.from_bytes(start, "little") < path.stat().st_size
    if start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5" and not a_length):
        return (
            "is a pickle, which can run any code when it is opened, and is not read: "
            "convert it where you trust it, with safetensors.torch.save_file(torch.load(...), 'weights.safetensors')"
        )
    return "is damaged or no safetensors file: delete it to make it again, or give a whole one"


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
