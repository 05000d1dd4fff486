"""Architectures by name, and initialisation keyed by parameter name."""

from dbviz.models import (  # noqa: F401  (they register)
    densenet,
    fcnet,
    mlp,
    mlp_mixer,
    preactivation,
    random_features,
    resnet,
    vgg,
    vit,
)
from dbviz.models.build import build, definition_of
from dbviz.models.initialize import initialize
from dbviz.models.registry import ARCHITECTURES, Architecture, register
from dbviz.models.upsampling import NearestUpsample, replace_nearest_upsampling

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "NearestUpsample",
    "build",
    "definition_of",
    "initialize",
    "register",
    "replace_nearest_upsampling",
]
