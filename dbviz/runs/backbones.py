"""Networks that stay as they are but for a new linear head: where their weights come from, and their features."""

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

__all__ = ["Features", "features_of", "headed", "named_network", "save_backbone"]


def named_network(source: str, home: Path) -> tuple[str, int | None] | None:
    """Architecture and width of the network that `source` names; None for a file of weights, which names none.

    Raises:
        InputError: no finished run has that name.
    """
    if source.startswith(("timm:", "torchvision:")):
        return source, None
    if _is_file(source):
        return None
    spec = store.find_by_name(source, home).spec
    return spec.arch, spec.width


def save_backbone(source: str, arch: str, width: int | None, images: Images, home: Path) -> str:
    """Keeps the weights of a network, all but those of its head, in `home`; their digest, which a spec names.

    Args:
        source: a finished run's name or identity, a .safetensors file, or `timm:NAME` or `torchvision:NAME` whose
            weights are on this machine.

    Raises:
        InputError: the weights are not there, damaged, or not those of `arch` at `width`; or the network ends in no
            `nn.Linear`.
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


def headed(spec: RunSpec, images: Images, home: Path) -> tuple[nn.Module, nn.Module]:
    """The network of `spec` on its kept weights, with the initial weights of a new head; and that head, a part of it.

    Raises:
        InputError: the weights are not in `home`, or do not fit.
    """
    model = construct(spec.arch, len(images.class_names), spec.width, images.image_shape)
    name = head_of(model, images.image_shape)
    assign_weights(
        model, store.load_pretrained(home, spec.pretrained or ""), f"pretrained {spec.pretrained}", skip=name
    )
    head = model.get_submodule(name)
    initialize(head, spec.seeds.init, prefix=name)
    return model, head


@dataclass(frozen=True, kw_only=True)
class Features:
    """What the head is given for every image."""

    train: Float[Tensor, "n w"]
    test: Float[Tensor, "others w"]


def features_of(spec: RunSpec, model: nn.Module, head: nn.Module, images: Images, device: torch.device) -> Features:
    """The features of the images of `spec`, made by `model`, which lies on `device`.

    They are computed once and kept in memory for the process's next run on the same backbone.
    """
    alike = dataclasses.replace(spec, seeds=Seeds(), label_noise=None, recipe=_ANY)
    counts = len(images.train), len(images.test)
    return _features(_Source(spec=alike, counts=counts, device=device, model=model, head=head, images=images))


_ANY = Recipe(epochs=1, learning_rate=1.0, augmentation="none")
"""Features are the same whatever the recipe of the head."""


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where features come from; what is compared says whether they are the same."""

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
