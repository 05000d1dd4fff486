"""The dataset `shapes` as commands use it: rendered once, then read from a file in the data directory."""

import contextlib
import hashlib
from pathlib import Path

import torch

from dbviz.core.errors import InputError
from dbviz.core.files import load_tensors, save_tensors
from dbviz.data.arrays import Images
from dbviz.data.shapes import shapes, with_pixels

__all__ = ["cache_path", "load_shapes"]


def load_shapes(directory: Path, *, train: int = 20_000, test: int = 4_000) -> Images:
    """The built-in dataset, read from a file in `directory` if it was rendered before.

    The file is verified by its SHA-256 digest. If it is absent or damaged, the images are rendered and the file is
    written; if it cannot be written, the images are returned nevertheless. Several processes may call this at once,
    since the file is written atomically.

    Args:
        train: number of training images.
        test: number of test images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rendered, loaded = (load_shapes(Path(folder), train=100, test=20) for _ in range(2))
        >>> loaded
        Images(shapes: 100 training and 20 test images of (3, 32, 32), 10 classes)
        >>> bool((loaded.train.pixels == rendered.train.pixels).all())
        True
    """
    counts = {"train": train, "test": test}
    path = cache_path(directory, counts)
    try:
        pixels, _ = load_tensors(path)
    except InputError:
        pixels = {split: torch.from_numpy(shapes(count, split=split).pixels) for split, count in counts.items()}
        with contextlib.suppress(OSError):
            save_tensors(path, pixels, {})
    return Images(**{split: with_pixels(pixels[split].numpy(), split) for split in counts})


def cache_path(directory: Path, counts: dict[str, int]) -> Path:
    """The file in `directory` of `counts` rendered images; its name changes whenever their pixels may.

    It contains a digest of the counts, of the renderer's source, and of a hundred rendered images, which differ if
    another version of NumPy or another processor computes other pixels.
    """
    digest = hashlib.sha256(repr(counts).encode())
    digest.update(Path(__file__).with_name("shapes.py").read_bytes())
    digest.update(shapes(100).pixels.tobytes())
    return directory / f"shapes-{digest.hexdigest()[:16]}.safetensors"
