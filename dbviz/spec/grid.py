"""The limits of a grid of points on a plane."""

from dbviz.core.errors import InputError

__all__ = ["check_grid"]

_MAX_RESOLUTION = 20_000


def check_grid(resolution: int, padding: float) -> None:
    """Checks the points on a side of a plane's grid, and how far it reaches beyond the three images.

    Raises:
        InputError: fewer than 2 or more than 20,000 points a side, or a padding that is negative or absurd.

    Example:
        >>> check_grid(50, 0.1)
    """
    if not 2 <= resolution <= _MAX_RESOLUTION:
        raise InputError(f"resolution is {resolution}: it must be 2 ... {_MAX_RESOLUTION:,} points a side")
    if not 0 <= padding < 100:
        raise InputError(f"padding is {padding}: it must be 0 or a share of the box's side such as .1 or .5")
