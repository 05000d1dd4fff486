"""Random streams keyed by seed and name, so that no draw depends on how many were made before it.

A key is a hash of the seed and a path such as `("order", 7)`: the batch order of seed 3 in epoch 7 is the same
for every architecture, and a resumed run needs no saved generator state. The library never reads or advances
torch's global generator; where a layer can draw from nothing else (dropout), `torch_seeded` sets and restores it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["numpy_stream", "stream_key", "torch_seeded", "torch_stream"]


def stream_key(seed: int, *path: str | int, bits: int = 63) -> int:
    """The key of the stream that `path` names under `seed`: an integer in [0, 2**bits), a BLAKE2b hash of both.

    Example:
        >>> stream_key(3, "order", 7) == stream_key(3, "order", 7) != stream_key(3, "augment", 7)
        True
    """
    text = json.dumps([seed, *path])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big") >> (128 - bits)


def numpy_stream(seed: int, *path: str | int) -> np.random.Generator:
    """A NumPy generator (counter-based Philox) for the stream that `path` names.

    Example:
        >>> numpy_stream(3, "order", 7).permutation(5).tolist() == numpy_stream(3, "order", 7).permutation(5).tolist()
        True
    """
    import numpy as np

    return np.random.Generator(np.random.Philox(key=stream_key(seed, *path, bits=128)))


def torch_stream(seed: int, *path: str | int) -> torch.Generator:
    """A torch CPU generator for the stream that `path` names.

    Example:
        >>> import torch
        >>> first, second = (torch.rand(2, generator=torch_stream(3, "init", name)) for name in ("weight", "bias"))
        >>> torch.equal(first, second)
        False
    """
    import torch

    return torch.Generator().manual_seed(stream_key(seed, *path))


@contextlib.contextmanager
def torch_seeded(seed: int, *path: str | int) -> Iterator[None]:
    """Within the block torch's global generators (CPU and every CUDA device) are seeded by the stream of `path`.

    Their states are restored afterwards. CUDA is not initialised for this: a process that computes on the CPU needs
    no GPU memory, and a forked worker cannot initialise it. Where it is initialised later, it has the seed that it
    would have had.

    Example:
        >>> import torch
        >>> before = torch.get_rng_state()
        >>> with torch_seeded(3, "dropout", 7):
        ...     mask = torch.rand(4) < 0.5
        >>> torch.equal(torch.get_rng_state(), before)
        True
    """
    import torch

    initialized, users_seed = torch.cuda.is_initialized(), torch.initial_seed()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if initialized else ()):
            torch.manual_seed(stream_key(seed, *path))
            yield
    finally:
        if not initialized:
            torch.cuda.manual_seed_all(users_seed)  # replaces the key, which waits for CUDA's initialisation
