"""Digests of tensors, by which two are compared bit by bit without keeping either."""

import hashlib
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["digest_of_all", "tensor_digest"]


def tensor_digest(tensor: Tensor) -> bytes:
    """Sixteen bytes that stand for a tensor's type, shape and bits, whatever device or memory layout it lies in."""
    plain = tensor.detach()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    plain = plain.resolve_conj().cpu().contiguous()
    found = hashlib.blake2b(f"{plain.dtype} {tuple(plain.shape)}".encode(), digest_size=16)
    found.update(plain.flatten().view(torch.uint8).numpy().data)
    return found.digest()


def digest_of_all(values: Any) -> bytes:
    """Of all tensors, arrays, images, numbers and texts in nested tuples, lists and dictionaries.

    Anything else in them counts for nothing.
    """
    found = hashlib.blake2b(digest_size=16)
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor):
            found.update(tensor_digest(leaf))
        elif hasattr(leaf, "tobytes"):  # NumPy's arrays and numbers, PIL's images
            found.update(leaf.tobytes())
        elif isinstance(leaf, bool | int | float | str | bytes):
            found.update(repr(leaf).encode())
    return found.digest()
