"""The widths that a sweep takes where none are named: those around which an architecture's error peaks."""

from dbviz.errors import InputError

__all__ = ["default_widths"]

_NAKKIRAN = (*range(1, 21), 30, 40, 50, 60, 64)
_TRAINED = {
    "quick": {"resnet18k": (1, 2, 4, 8, 16), "mlp": (2, 4, 6, 8, 12, 16, 32, 128)},
    "standard": {"resnet18k": _NAKKIRAN, "mlp": (4, 8, 16, 32, 64, 128, 256, 512, 1024)},
    "paper": {"resnet18k": _NAKKIRAN, "mlp": (4, 8, 16, 32, 64, 128, 256, 512, 1024)},
}
"""resnet18k: as swept by Nakkiran et al. 2019 and Somepalli et al. 2022."""
_RATIOS = (0.1, 0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 2.0, 4.0)
"""Random features for each training image: they interpolate from 1 on."""


def default_widths(arch: str, preset: str, train_size: int) -> tuple[int, ...]:
    """The widths of `arch` in a sweep under `preset` on `train_size` images.

    Raises:
        InputError: none are known for the architecture.

    Example:
        >>> default_widths("random_features", "quick", 1000)[4:7]
        (900, 1000, 1100)
    """
    if arch == "random_features":
        return tuple(dict.fromkeys(max(1, round(ratio * train_size)) for ratio in _RATIOS))
    if arch not in _TRAINED[preset]:
        raise InputError(f"no widths are known for a sweep of {arch}: give them with --widths, such as --widths 1-4 8")
    return _TRAINED[preset][arch]
