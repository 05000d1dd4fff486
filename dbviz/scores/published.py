"""Published values to stand beside ours: Somepalli et al. 2022, Fig. 4; without errors, so read +-.01 as noise."""

__all__ = ["PUBLISHED", "published"]

_ORDER = (
    "wideresnet28_30",
    "wideresnet28_20",
    "wideresnet28_10",
    "resnet18",
    "densenet121",
    "vgg19",
    "vit",
    "mlp_mixer",
    "fcnet",
)
_UPPER = (
    (0.87, 0.85, 0.85, 0.82, 0.81, 0.78, 0.63, 0.61, 0.45),
    (0.86, 0.85, 0.82, 0.81, 0.78, 0.63, 0.60, 0.44),
    (0.86, 0.81, 0.81, 0.78, 0.63, 0.60, 0.44),
    (0.83, 0.81, 0.78, 0.63, 0.61, 0.45),
    (0.82, 0.77, 0.64, 0.61, 0.44),
    (0.79, 0.63, 0.60, 0.44),
    (0.75, 0.64, 0.47),
    (0.67, 0.46),
    (0.69,),
)

PUBLISHED: dict[frozenset[str], float] = {
    frozenset((_ORDER[i], _ORDER[i + j])): value for i, row in enumerate(_UPPER) for j, value in enumerate(row)
}
"""Reproducibility on CIFAR-10 within an architecture (a set of one name) and between two."""


def published(dataset: str, one: str, other: str) -> float | None:
    """The published reproducibility of two architectures, or None; there are values for CIFAR-10 alone."""
    return PUBLISHED.get(frozenset((one, other))) if dataset == "cifar10" else None
