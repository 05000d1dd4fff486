"""Files that are written atomically and checked for damage when they are read. No pickle is ever read.

Every file is written under a temporary name in its directory and then renamed. Tensors are stored in safetensors files
whose metadata contain a digest of the tensors, and a seal: a digest of the metadata.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dbviz.core.errors import InputError

__all__ = [
    "assign_weights",
    "atomic_write",
    "digest",
    "load_tensors",
    "load_weights",
    "save_tensors",
    "sealed_digest",
]


def atomic_write(path: Path, content: bytes) -> None:
    """Writes a file atomically: after a crash or on a full disk, the old file is there or none, never a partial one.

    Folders on the way are created.

    Raises:
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "results", "a.txt")
        ...     atomic_write(path, b"0.83")
        ...     path.read_text()
        '0.83'
    """
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


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Writes tensors and JSON metadata as one sealed safetensors file; equal contents have equal bytes.

    Raises:
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_tensors(Path(folder, "a.safetensors"), {"x": torch.arange(3)}, {"unit": "pixel"})
        ...     load_tensors(Path(folder, "a.safetensors"))
        ({'x': tensor([0, 1, 2])}, {'unit': 'pixel'})
    """
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    sealed = metadata | {"digest": digest(copies)}
    text = json.dumps(sealed | {"seal": _seal(sealed)}, sort_keys=True)
    atomic_write(path, save(copies, {"dbviz": text}))


def load_tensors(path: Path, *, foreign: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the metadata of a safetensors file; for an example see `save_tensors`.

    Args:
        foreign: accept a file that `save_tensors` did not write, and that has no seal to be checked.

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


def load_weights(module: nn.Module, path: Path, *, foreign: bool = True) -> None:
    """Loads a safetensors file into `module`.

    Args:
        foreign: accept a file that `save_tensors` did not write.

    Raises:
        InputError: it is absent, damaged, no safetensors file, or its tensors are not those of the module.
    """
    assign_weights(module, load_tensors(path, foreign=foreign)[0], str(path))


def assign_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: str, *, skip: str | None = None) -> None:
    """Copies `tensors` into the state of `module`, after a check that names and shapes agree.

    Args:
        source: where the tensors come from, for the message.
        skip: the qualified name of a part that is left as it is, even if there are tensors for it.

    Raises:
        InputError: names or shapes are not those of the module.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> assign_weights(layer, {"weight": torch.full((1, 1), 2.0), "bias": torch.zeros(1)}, "a test")
        >>> layer(torch.ones(1)).item()
        2.0
    """
    loaded = {name: tensor for name, tensor in tensors.items() if not _within(name, skip)}
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items() if not _within(name, skip)}
    shapes = {name: tuple(tensor.shape) for name, tensor in loaded.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            raise InputError(
                f"{source} does not fit the network: {name} is {shapes.get(name, 'absent')} there, "
                f"the network has {expected.get(name, 'absent')}: "
                "give the architecture and --width it was trained with"
            )
    module.load_state_dict(loaded, strict=skip is None)


def _within(name: str, part: str | None) -> bool:
    """Whether a tensor belongs to the part of a module with that qualified name."""
    return part is not None and name.startswith(f"{part}.")


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, independent of device and memory layout.

    Example:
        >>> digest({"x": torch.zeros(2)}) == digest({"x": torch.zeros(2).clone()}) != digest({"y": torch.zeros(2)})
        True
    """
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu()
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()


def sealed_digest(path: Path) -> str:
    """The digest of its tensors that a file written by `save_tensors` contains; empty for other files.

    The tensors are not read.

    Raises:
        InputError: it is absent or no safetensors file.
    """
    with _opened(path) as file:
        return _metadata(file).get("digest", "")


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
        metadata = json.loads((file.metadata() or {}).get("dbviz", "{}"))
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _seal(metadata: dict[str, Any]) -> str:
    """A digest of the metadata, which include that of the tensors."""
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def _what_is_wrong(path: Path) -> str:
    """The reason, as the end of a sentence, why a file could not be read as safetensors."""
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
    return "is damaged or no safetensors file: delete it to make it again, or give an undamaged one"
