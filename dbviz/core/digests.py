"""Digests of tensors: two results are compared bitwise without keeping either."""

import hashlib
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["digest_of_all", "tensor_digest"]


def tensor_digest(tensor: Tensor) -> bytes:
    """A 16-byte digest of a tensor's dtype, shape and bits, independent of its device and memory layout.

    Example:
        >>> x = torch.arange(6.0).view(2, 3)
        >>> tensor_digest(x) == tensor_digest(x.clone()) != tensor_digest(x.double())
        True
    """
    dense = tensor.detach()
    if dense.layout != torch.strided:
        dense = dense.to_dense()
    dense = dense.resolve_conj().cpu().contiguous()
    digest = hashlib.blake2b(f"{dense.dtype} {tuple(dense.shape)}".encode(), digest_size=16)
    digest.update(dense.flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def digest_of_all(values: Any) -> bytes:
    """A 16-byte digest of all tensors, arrays, images, numbers and strings in nested tuples, lists and dictionaries.

    Objects of other types are ignored.

    Example:
        >>> digest_of_all({"x": torch.ones(2), "name": "a"}) == digest_of_all({"x": torch.ones(2), "name": "b"})
        False
    """
    digest = hashlib.blake2b(digest_size=16)
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor):
            digest.update(tensor_digest(leaf))
        elif hasattr(leaf, "tobytes"):  # NumPy's arrays and numbers, PIL's images
            digest.update(leaf.tobytes())
        elif isinstance(leaf, bool | int | float | str | bytes):
            digest.update(repr(leaf).encode())
    return digest.digest()
