"""One colour a class, the same in every figure of a dataset."""

import colorsys

import matplotlib as mpl
import numpy as np
from jaxtyping import Float64
from matplotlib.colors import to_rgb

from dbviz.core.errors import unknown_name

__all__ = ["PALETTES", "class_colours"]

PALETTES = {"petroff10": "petroff10", "paper": "tab10"}
"""Palettes by name: the colours of petroff10 are distinguishable under three kinds of colour blindness (Petroff 2021);
those of `paper`, used in the figures of Somepalli et al. 2022, are not."""


def class_colours(count: int, palette: str = "petroff10") -> Float64[np.ndarray, "count 3"]:
    """RGB in [0, 1] for classes 0 ... count - 1; a class's colour depends on its number only.

    Beyond ten classes no palette is safe under colour blindness; the further colours are hues a golden angle apart at
    three lightnesses.

    Args:
        palette: a key of `PALETTES`.

    Raises:
        InputError: the palette is unknown.

    Example:
        >>> class_colours(2).round(2)
        array([[0.25, 0.56, 0.85],
               [1.  , 0.66, 0.05]])
    """
    if palette not in PALETTES:
        raise unknown_name("palette", palette, PALETTES)
    base = [to_rgb(colour) for colour in mpl.color_sequences[PALETTES[palette]]]
    more = [
        colorsys.hls_to_rgb(i * 0.381966 % 1, (0.35, 0.55, 0.75)[i % 3], 0.6) for i in range(max(0, count - len(base)))
    ]
    return np.array([*base, *more][:count])
