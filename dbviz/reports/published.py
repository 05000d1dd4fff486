"""Published values for comparison; those of Somepalli et al. 2022 have no errors, so read +-.01 as noise."""

__all__ = [
    "PUBLISHED",
    "PUBLISHED_OPTIMIZERS",
    "PUBLISHED_SOURCES",
    "PUBLISHED_SPREADS",
    "published",
    "published_spread",
]

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
"""Reproducibility on CIFAR-10 within an architecture (a set of one name) and between two (Fig. 4)."""


PUBLISHED_OPTIMIZERS: dict[tuple[str, str], tuple[float, float]] = {
    ("resnet18", "adam"): (0.7981, 0.9304),
    ("resnet18", "sgd"): (0.8374, 0.9530),
    ("resnet18", "sam"): (0.8722, 0.9568),
    ("vgg19", "adam"): (0.8119, 0.9287),
    ("vgg19", "sgd"): (0.8092, 0.9313),
    ("vgg19", "sam"): (0.8421, 0.9390),
    ("mlp_mixer", "adam"): (0.6780, 0.8222),
    ("mlp_mixer", "sgd"): (0.6651, 0.8204),
    ("mlp_mixer", "sam"): (0.6806, 0.8218),
    ("vit", "adam"): (0.6955, 0.7089),
    ("vit", "sgd"): (0.7513, 0.7549),
    ("vit", "sam"): (0.7519, 0.7472),
}
"""Reproducibility and test accuracy on CIFAR-10 by architecture and optimizer (Somepalli et al. 2022, Table 1).

In the code released with the paper the Adam runs are trained by SGD, and the step called SAM is not SAM's.
"""


PUBLISHED_SOURCES: dict[str, dict[str, float]] = {
    "churn": {"nudge": 0.0514, "init + order + augment": 0.0519},
    "sd of test accuracy, %": {"init + order + augment": 0.15},
}
"""Spread of runs on CIFAR-10, by score and by what varies (Jordan 2023; the standard deviation at 64 epochs).

The paper also states, without a number, that initialisation, order and augmentation each cause nearly the full
variance alone.
"""

PUBLISHED_SPREADS: dict[str, tuple[float, str]] = {
    "range": (0.02, "Picard 2021, 10,000 short runs"),
    "range, head alone": (0.005, "Picard 2021, heads of pretrained networks"),
    "deviation": (0.0015, "Jordan 2023, 64 epochs"),
    "distribution_deviation": (0.00033, "Jordan 2023, 64 epochs"),
}
"""Spread of test accuracy on CIFAR-10 over seeds, with its source: range (highest minus lowest) and deviations."""


def published_spread(dataset: str, name: str, *, head_alone: bool = False) -> tuple[float, str] | None:
    """The published value for a key of `PUBLISHED_SPREADS` and its source, or None; known for CIFAR-10 only.

    Args:
        head_alone: whether the seeds vary the head on a pretrained network only.

    Example:
        >>> published_spread("cifar10", "range")
        (0.02, 'Picard 2021, 10,000 short runs')
    """
    key = f"{name}, head alone" if head_alone and name == "range" else name
    return PUBLISHED_SPREADS.get(key) if dataset == "cifar10" and (key != name or not head_alone) else None


def published(dataset: str, network_1: str, network_2: str) -> float | None:
    """The published reproducibility of two architectures, or None; known for CIFAR-10 only.

    Example:
        >>> published("cifar10", "resnet18", "vit")
        0.63
    """
    return PUBLISHED.get(frozenset((network_1, network_2))) if dataset == "cifar10" else None
