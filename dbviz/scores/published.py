"""Published values to stand beside ours: Somepalli et al. 2022, Fig. 4; without errors, so read +-.01 as noise.

And of how runs vary: Jordan 2023.
"""

__all__ = ["PUBLISHED", "PUBLISHED_OPTIMIZERS", "PUBLISHED_SOURCES", "published"]

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

In the code released with it the Adam runs were trained by SGD, and SAM's step was not that of SAM.
"""


PUBLISHED_SOURCES: dict[str, dict[str, float]] = {
    "churn": {"nudge": 0.0514, "init + order + augment": 0.0519},
    "sd of test accuracy, %": {"init + order + augment": 0.15},
}
"""How far runs spread on CIFAR-10, by score and by what varies (Jordan 2023; the standard deviation at 64 epochs).

Initialisation, order and augmentation are each said to give nearly the full variance alone: in words, no figure.
"""


def published(dataset: str, one: str, other: str) -> float | None:
    """The published reproducibility of two architectures, or None; there are values for CIFAR-10 alone."""
    return PUBLISHED.get(frozenset((one, other))) if dataset == "cifar10" else None
