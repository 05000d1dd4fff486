"""Files that are there whole or not at all, and that tell when they were damaged. No pickle is ever read.

Every file is written beside its place and moved there whole. Tensors lie in safetensors files whose metadata carry a
digest of the tensors, and a seal over the metadata.
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

__all__ = ["atomic_write", "digest", "load_tensors", "load_weights", "put_weights", "save_tensors", "sealed_digest"]


def atomic_write(path: Path, content: bytes) -> None:
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


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Writes tensors and JSON metadata as one sealed safetensors file; equal contents give equal bytes."""
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    sealed = metadata | {"digest": digest(apart)}
    text = json.dumps(sealed | {"seal": _seal(sealed)}, sort_keys=True)
    atomic_write(path, save(apart, {"dbviz": text}))


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


def load_weights(module: nn.Module, path: Path, *, foreign: bool = True) -> None:
    """Loads a safetensors file into `module`; if it is not `foreign`, it must be one that the store sealed.

    Raises:
        InputError: it is absent, damaged, no safetensors file, or its tensors are not those of the module.
    """
    put_weights(module, load_tensors(path, foreign=foreign)[0], str(path))


def put_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: str, *, but: str | None = None) -> None:
    """Loads the tensors that `source` had into `module`.

    Args:
        but: the qualified name of a part that is left as it is, whatever the tensors have of it.

    Raises:
        InputError: names or shapes are not those of the module.
    """
    kept = {name: tensor for name, tensor in tensors.items() if not _within(name, but)}
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items() if not _within(name, but)}
    found = {name: tuple(tensor.shape) for name, tensor in kept.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            shown = [str(shapes.get(name, "absent")) for shapes in (wanted, found)]
            raise InputError(
                f"{source} does not fit the network: {name} is {shown[1]} there, the network has {shown[0]}: "
                "give the architecture and --width it was trained with"
            )
    module.load_state_dict(kept, strict=but is None)


def _within(name: str, part: str | None) -> bool:
    """Whether a tensor belongs to the part of a module with that qualified name."""
    return part is not None and name.startswith(f"{part}.")


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever device or memory layout they lie in."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def sealed_digest(path: Path) -> str:
    """The digest of its tensors that a file carries, read without them; empty if it is not one of `save_tensors`.

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
