"""One colour a class, the same in every picture of a dataset."""

import colorsys

import matplotlib as mpl
import numpy as np
from jaxtyping import Float64
from matplotlib.colors import to_rgb

from dbviz.core.errors import unknown_name

__all__ = ["PALETTES", "class_colours"]

PALETTES = {"petroff10": "petroff10", "paper": "tab10"}
"""Palettes by name: petroff10 can be told apart under three kinds of colour blindness (Petroff 2021);
`paper` is what the figures of Somepalli et al. 2022 were drawn with, and cannot."""


def class_colours(count: int, palette: str = "petroff10") -> Float64[np.ndarray, "count 3"]:
    """RGB in [0, 1] for classes 0 ... count - 1; a class's colour depends on its number alone.

    Beyond ten classes no palette is safe for every eye; the rest are hues a golden angle apart at three lightnesses.

    Raises:
        InputError: the palette is unknown.
    """
    if palette not in PALETTES:
        raise unknown_name("palette", palette, PALETTES)
    base = [to_rgb(colour) for colour in mpl.color_sequences[PALETTES[palette]]]
    more = [
        colorsys.hls_to_rgb(i * 0.381966 % 1, (0.35, 0.55, 0.75)[i % 3], 0.6) for i in range(max(0, count - len(base)))
    ]
    return np.array([*base, *more][:count])
