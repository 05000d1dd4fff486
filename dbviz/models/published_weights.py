"""Weights that timm and torchvision publish, where those libraries keep them on this machine; never downloaded."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dbviz.core.errors import InputError
from dbviz.core.streams import torch_seeded
from dbviz.models.build import construct, from_timm, torchvision_models

__all__ = ["published_weights"]

_INSTEAD = "or give a finished run or a .safetensors file instead"


def published_weights(name: str, num_classes: int, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """The published weights of `timm:NAME` or `torchvision:NAME`, for images of that shape.

    Args:
        num_classes: of the head, whose weights mean nothing where this is another number than the published.

    Raises:
        InputError: they are not on this machine, none are published, or they are damaged.
    """
    library, _, model = name.partition(":")
    if library == "timm":
        return _of_timm(model, num_classes, image_shape)
    return _of_torchvision(model, image_shape)


def _of_timm(model: str, num_classes: int, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """timm fits the first layer and the positions to another shape of images itself."""
    with torch_seeded(0, "construct"):
        published: Any = from_timm(model, num_classes, image_shape).pretrained_cfg
    source = published.get("hf_hub_id")
    if not source:
        raise InputError(f"timm publishes no weights of {model!r}: give a .safetensors file with --arch timm:{model}")
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(source, "model.safetensors")
    if not isinstance(found, str):
        fetch = f"""python -c "import timm; timm.create_model('{model}', pretrained=True)\""""
        raise InputError(
            f"the weights of timm:{model} ({source}) are not in {constants.HF_HUB_CACHE}, and are not downloaded here: "
            f"fetch them with {fetch}, {_INSTEAD}"
        )
    there: dict[str, Any] = {"file": found, "custom_load": False}
    with torch_seeded(0, "construct"):
        return from_timm(model, num_classes, image_shape, pretrained=True, pretrained_cfg_overlay=there).state_dict()


def _of_torchvision(model: str, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """torchvision publishes pickles: one is opened only if its SHA-256 is the one in its name, and as tensors alone."""
    construct(f"torchvision:{model}", 1000, None, image_shape)  # raises where there is no such model
    url = torchvision_models().get_model_weights(model).DEFAULT.url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        fetch = f"""python -c "import torchvision; torchvision.models.get_model('{model}', weights='DEFAULT')\""""
        raise InputError(
            f"the weights of torchvision:{model} are not at {path}, and are not downloaded here: "
            f"fetch them with {fetch}, {_INSTEAD}"
        )
    digits = path.stem.rpartition("-")[2]
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digits):
        raise InputError(f"{path} is damaged (its SHA-256 does not begin with {digits}): delete it, and fetch it again")
    return torch.load(path, map_location="cpu", weights_only=True)
