"""The built-in procedural dataset: ten shapes, any number of images, at any size, the same on every machine.

Colour, position, scale and angle vary; the background is a gradient with blobs and noise, and a bar may hide part of
the shape, so that a small network does well on it without reaching 100 %.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int64, UInt8

from dbviz.core.errors import InputError
from dbviz.core.streams import numpy_stream
from dbviz.data.arrays import ImageSet

__all__ = ["SHAPES", "shapes"]

Grid = Float[np.ndarray, "n h w"]
"""One value for every pixel of n images."""

_CHUNK = 50
"""Images rendered at once: few enough for a CPU's cache (half the time of 1000). It has no influence on the pixels."""


def shapes(count: int, *, split: str = "train", size: int = 32, seed: int = 0) -> ImageSet:
    """Renders `count` images of `size` x `size` RGB pixels; image i shows class i mod 10.

    Image i depends on `seed`, `split`, `size` and i alone, so a larger set begins with the smaller one.

    Args:
        count: number of images.
        split: `train`, `test` or any other name; each has images of its own.
        size: pixels on a side.

    Raises:
        InputError: count below 1 or size below 8.

    Example:
        >>> images = shapes(100, split="test")
        >>> images.pixels.shape, images.class_names[images.labels[3]]
        ((100, 3, 32, 32), 'triangle')
    """
    if count < 1:
        raise InputError(f"shapes: count is {count}: it must be at least 1")
    if size < 8:
        raise InputError(f"shapes: size is {size}: it must be at least 8 pixels")
    labels = _labels(count)
    latent = numpy_stream(seed, "shapes", split).random((count, _LATENTS))
    noise = numpy_stream(seed, "shapes noise", split)
    chunks = [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]
    return with_pixels(np.concatenate([_render(labels[c], latent[c], noise, size) for c in chunks]), split)


def with_pixels(pixels: UInt8[np.ndarray, "n 3 h w"], split: str) -> ImageSet:
    """The images that `shapes` rendered as `pixels`, with their labels."""
    return ImageSet(
        name="shapes",
        split=split,
        pixels=pixels,
        labels=_labels(len(pixels)),
        class_names=tuple(SHAPES),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
    )


def _labels(count: int) -> Int64[np.ndarray, " n"]:
    return np.arange(count, dtype=np.int64) % len(SHAPES)


# Signed distances, negative inside, in units of the shape's radius; x points right, y up.


def _disc(x: Grid, y: Grid) -> Grid:
    return np.hypot(x, y) - 0.9


def _ring(x: Grid, y: Grid) -> Grid:
    return np.abs(np.hypot(x, y) - 0.75) - 0.2


def _square(x: Grid, y: Grid) -> Grid:
    return np.maximum(np.abs(x), np.abs(y)) - 0.8


def _triangle(x: Grid, y: Grid) -> Grid:
    return np.maximum(-y, np.abs(x) * 0.866 + y * 0.5) - 0.5


def _cross(x: Grid, y: Grid) -> Grid:
    upright = np.maximum(np.abs(x) - 0.28, np.abs(y) - 0.95)
    level = np.maximum(np.abs(x) - 0.95, np.abs(y) - 0.28)
    return np.minimum(upright, level)


def _star(x: Grid, y: Grid) -> Grid:
    return np.hypot(x, y) - (0.65 + 0.35 * np.cos(5 * (np.arctan2(y, x) - np.pi / 2)))


def _crescent(x: Grid, y: Grid) -> Grid:
    return np.maximum(np.hypot(x, y) - 0.95, 0.75 - np.hypot(x - 0.45, y))


def _bars(x: Grid, y: Grid) -> Grid:
    stripe = np.abs(y - 0.6 * np.round(y / 0.6)) - 0.16
    return np.maximum(np.maximum(np.abs(x), np.abs(y)) - 0.85, stripe)


def _checker(x: Grid, y: Grid) -> Grid:
    squares = np.where((np.floor(x / 0.45) + np.floor(y / 0.45)) % 2 == 0, -0.2, 0.2)
    return np.maximum(np.maximum(np.abs(x), np.abs(y)) - 0.9, squares)


def _heart(x: Grid, y: Grid) -> Grid:
    lifted = 1.2 * y + 0.15 - 0.75 * np.sqrt(np.abs(x))
    return np.hypot(1.05 * x, lifted) - 0.8


SHAPES: dict[str, Callable[[Grid, Grid], Grid]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "crescent": _crescent,
    "bars": _bars,
    "checker": _checker,
    "heart": _heart,
}
"""The signed distance of each class, by its name."""

_LATENTS = 32
"""Uniform numbers drawn for each image; `_render` assigns them."""


def _render(
    labels: np.ndarray, latent: Float[np.ndarray, "n k"], noise: np.random.Generator, size: int
) -> UInt8[np.ndarray, "n 3 h w"]:
    """Images in [-1, 1] x [-1, 1]: background, shape, bar, noise, from back to front."""
    position, front, back, slope, blobs, bar = np.split(latent, [4, 7, 10, 14, 26], axis=1)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    across, down = axis[None, None, :], axis[None, :, None]
    radius = 0.5 + 0.3 * position[:, 0, None, None]
    centre_x, centre_y = ((2 * position[:, i, None, None] - 1) * (1.05 - radius) for i in (1, 2))

    images = _background(across, down, back, slope, blobs, size)

    angle = (2 * position[:, 3, None, None] - 1) * 0.6
    dx, dy = (across - centre_x) / radius, (centre_y - down) / radius
    x, y = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    distance = np.empty_like(x)
    for label, signed_distance in enumerate(SHAPES.values()):
        of_class = labels == label
        distance[of_class] = signed_distance(x[of_class], y[of_class])
    images = _paint(images, distance * radius, _contrasting(front, back), size)

    direction = bar[:, 0, None, None] * np.pi
    offset = np.cos(direction) * (across - centre_x) + np.sin(direction) * (down - centre_y)
    width = 0.11 * (bar[:, 1, None, None] - 0.4)
    images = _paint(images, np.abs(offset - 0.3 * (bar[:, 2, None, None] - 0.5)) - width, bar[:, 3:6], size)

    grain = noise.random((len(images), 2, *images.shape[1:]), dtype=np.float32)
    images = images + (grain[:, 0] - grain[:, 1]) * 0.15
    return (np.clip(images, 0, 1) * 255 + 0.5).astype(np.uint8)


def _background(
    across: np.ndarray,
    down: np.ndarray,
    back: Float[np.ndarray, "n 3"],
    slope: Float[np.ndarray, "n 4"],
    blobs: Float[np.ndarray, "n 12"],
    size: int,
) -> Float[np.ndarray, "n 3 h w"]:
    """A linear gradient around the colour `back` with two blobs."""
    tilt = slope[:, 0, None, None] * 2 * np.pi
    ramp = np.cos(tilt) * across + np.sin(tilt) * down
    images = back[:, :, None, None] + (slope[:, 1:4, None, None] - 0.5) * 0.7 * ramp[:, None]
    for blob in np.split(blobs, 2, axis=1):
        spot = np.hypot(across - (2 * blob[:, 0, None, None] - 1), down - (2 * blob[:, 1, None, None] - 1))
        images = _paint(images, spot - 0.06 - 0.1 * blob[:, 2, None, None], blob[:, 3:6], size)
    return images


def _paint(
    images: Float[np.ndarray, "n 3 h w"], distance: Grid, colour: Float[np.ndarray, "n 3"], size: int
) -> Float[np.ndarray, "n 3 h w"]:
    """Fills where `distance` is negative, with an edge one pixel wide; a pixel is 2 / size units."""
    cover = np.clip(0.5 - distance * size / 2, 0, 1)[:, None]
    return images * (1 - cover) + colour[:, :, None, None] * cover


def _contrasting(front: Float[np.ndarray, "n 3"], back: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """`front` moved away from `back` until they differ by at least .4 in some channel."""
    difference = front - back
    largest = np.abs(difference).max(axis=1, keepdims=True)
    return np.clip(back + difference * np.maximum(1, 0.4 / np.maximum(largest, 1e-3)), 0, 1)
