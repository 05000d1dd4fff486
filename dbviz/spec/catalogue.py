"""Names that commands know before the modules that define them, which need torch, are loaded. Tests compare both."""

__all__ = ["ARCHITECTURE_NAMES", "DATASET_NAMES"]

ARCHITECTURE_NAMES = (
    "densenet121",
    "fcnet",
    "mlp",
    "mlp_mixer",
    "random_features",
    "resnet18",
    "resnet18k",
    "vgg19",
    "vit",
    "wideresnet28_10",
    "wideresnet28_20",
    "wideresnet28_30",
)
"""The keys of `dbviz.models.ARCHITECTURES`, in alphabetical order."""
DATASET_NAMES = ("cifar10", "cifar100", "svhn", "shapes")
"""The keys of `dbviz.data.DATASETS`."""
