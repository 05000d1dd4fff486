"""Frozen networks of which only a new linear head is trained: the source of their weights, and their features."""

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dbviz.core.files import assign_weights, digest, load_tensors
from dbviz.data import Images
from dbviz.models.build import construct
from dbviz.models.initialize import initialize
from dbviz.models.published_weights import published_weights
from dbviz.runs import store
from dbviz.spec import Recipe, RunSpec, Seeds
from dbviz.training.heads import features, head_of

__all__ = ["Features", "backbone_features", "build_with_new_head", "save_backbone", "source_architecture"]


def source_architecture(source: str, home: Path) -> tuple[str, int | None] | None:
    """Architecture and width of the network that `source` names; None for a file of weights, which names none.

    Args:
        source: see `save_backbone`.

    Raises:
        InputError: no finished run has that name.

    Example:
        >>> source_architecture("timm:resnet18", Path("runs"))
        ('timm:resnet18', None)
    """
    if source.startswith(("timm:", "torchvision:")):
        return source, None
    if _is_file(source):
        return None
    spec = store.find_by_name(source, home).spec
    return spec.arch, spec.width


def save_backbone(source: str, arch: str, width: int | None, images: Images, home: Path) -> str:
    """Stores the weights of a network, without those of its head, in `home`.

    Args:
        source: a finished run's name or identity, a .safetensors file, or `timm:NAME` or `torchvision:NAME` whose
            weights are on this machine.

    Returns:
        The digest of the weights: the `pretrained` of a spec.

    Raises:
        InputError: the weights are absent, damaged, or not those of `arch` at `width`; or the network does not end in
            an `nn.Linear`.
    """
    model = construct(arch, len(images.class_names), width, images.image_shape)
    head = head_of(model, images.image_shape)
    if source.startswith(("timm:", "torchvision:")):
        assign_weights(model, published_weights(source, len(images.class_names), images.image_shape), source, skip=head)
    elif _is_file(source):
        assign_weights(model, load_tensors(Path(source), foreign=True)[0], source, skip=head)
    else:
        weights = store.find_by_name(source, home).weights
        assign_weights(model, load_tensors(weights)[0], str(weights), skip=head)
    body = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(f"{head}.")}
    name = digest(body)
    store.save_pretrained(home, name, body)
    return name


def build_with_new_head(spec: RunSpec, images: Images, home: Path) -> tuple[nn.Module, nn.Module]:
    """The network of `spec` with its pretrained weights and a newly initialised head; and that head, a part of it.

    Raises:
        InputError: the weights are not in `home`, or do not fit.
    """
    model = construct(spec.arch, len(images.class_names), spec.width, images.image_shape)
    name = head_of(model, images.image_shape)
    weights = store.load_pretrained(home, spec.pretrained or "")
    assign_weights(model, weights, f"pretrained {spec.pretrained}", skip=name)
    head = model.get_submodule(name)
    initialize(head, spec.seeds.init, prefix=name)
    return model, head


@dataclass(frozen=True, kw_only=True)
class Features:
    """The inputs of the head for all images."""

    train: Float[Tensor, "n w"]
    test: Float[Tensor, "others w"]


def backbone_features(
    spec: RunSpec, model: nn.Module, head: nn.Module, images: Images, device: torch.device
) -> Features:
    """The features of the images of `spec`, computed by `model`, which is on `device`.

    The latest ones are cached in memory, for the process's next run on the same backbone.
    """
    headless = dataclasses.replace(spec, seeds=Seeds(), label_noise=None, recipe=_ANY)
    counts = len(images.train), len(images.test)
    return _features(_Source(spec=headless, counts=counts, device=device, model=model, head=head, images=images))


_ANY = Recipe(epochs=1, learning_rate=1.0, augmentation="none")
"""Features do not depend on the recipe of the head."""


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The source of features: equal sources, by the fields that are compared, have equal features."""

    spec: RunSpec
    counts: tuple[int, int]
    device: torch.device
    model: nn.Module = field(compare=False)
    head: nn.Module = field(compare=False)
    images: Images = field(compare=False)


@functools.lru_cache(maxsize=1)
def _features(source: _Source) -> Features:
    train, test = source.images.train.first(source.spec.train_size), source.images.test
    compute = functools.partial(features, source.model, source.head, device=source.device)
    return Features(train=compute(train), test=compute(test))


def _is_file(source: str) -> bool:
    return source.endswith(".safetensors") or Path(source).is_file()
