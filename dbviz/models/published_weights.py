"""Weights that timm and torchvision publish, read from these libraries' caches on this machine; never downloaded."""

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
        num_classes: of the head, whose weights are arbitrary if this is not the published number.

    Raises:
        InputError: they are not on this machine, none are published, or they are damaged.

    Example:
        >>> published_weights("torchvision:resnet18", 1000, (3, 224, 224))["fc.bias"].shape  # doctest: +SKIP
        torch.Size([1000])
    """
    library, _, model = name.partition(":")
    if library == "timm":
        return _from_timm_cache(model, num_classes, image_shape)
    return _from_torch_hub(model, image_shape)


def _from_timm_cache(model: str, num_classes: int, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """timm itself adapts the first layer and the position embedding to the shape of the images."""
    with torch_seeded(0, "construct"):
        published: Any = from_timm(model, num_classes, image_shape).pretrained_cfg
    source = published.get("hf_hub_id")
    if not source:
        raise InputError(f"timm publishes no weights of {model!r}: give a .safetensors file with --arch timm:{model}")
    from huggingface_hub import constants, try_to_load_from_cache

    cached = try_to_load_from_cache(source, "model.safetensors")
    if not isinstance(cached, str):
        fetch = f"""python -c "import timm; timm.create_model('{model}', pretrained=True)\""""
        raise InputError(
            f"the weights of timm:{model} ({source}) are not in {constants.HF_HUB_CACHE}, and are not downloaded here: "
            f"fetch them with {fetch}, {_INSTEAD}"
        )
    local: dict[str, Any] = {"file": cached, "custom_load": False}
    with torch_seeded(0, "construct"):
        return from_timm(model, num_classes, image_shape, pretrained=True, pretrained_cfg_overlay=local).state_dict()


def _from_torch_hub(model: str, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """torchvision publishes pickles: one is opened only if its SHA-256 is the one in its name, as tensors only."""
    construct(f"torchvision:{model}", 1000, None, image_shape)  # raises if there is no such model
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
