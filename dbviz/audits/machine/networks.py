"""The networks that an audit of a machine trains: small, briefly, on the built-in images."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from dbviz.core.errors import InputError
from dbviz.data import Images, shapes
from dbviz.label_maps.grid import Grid
from dbviz.label_maps.labelling import Labels, label_every_point
from dbviz.label_maps.predictor import Predictor, plain_predictor
from dbviz.models import ARCHITECTURES
from dbviz.planes import PlaneSet, draw_planes
from dbviz.runs import Run, store
from dbviz.runs.specs import make_specs
from dbviz.runs.training_run import train_run
from dbviz.spec import Optimizer, RunSpec
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.evaluation import eval_mode, logits
from dbviz.training.heads import head_of

__all__ = ["PADDING", "AuditedNetwork", "Scale", "network_width"]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is computed for each network.

    Example:
        >>> Scale(planes=2).resolution
        48
    """

    train_images: int = 192
    test_images: int = 64
    batch_size: int = 32
    planes: int = 1
    resolution: int = 48
    """Points on each side of a plane."""
    margin_images: int = 12
    margin_directions: int = 4


PADDING = 0.1
"""How far the grids reach beyond the images of a plane, as a share of their bounding box's side."""
_NARROW = {"fcnet": 128, "resnet18": 8, "vit": 32}
"""Widths of the networks of a quick audit."""
_ON_A_CPU = {
    **{"fcnet": 512, "vgg19": 16, "resnet18": 16, "densenet121": 4, "vit": 64, "mlp_mixer": 64, "resnet18k": 16},
    **{"wideresnet28_10": 1, "wideresnet28_20": 2, "wideresnet28_30": 3, "mlp": 128, "random_features": 1000},
}
"""Those of the preset `quick`; densenet121, the slowest, at half of it."""
_ON_A_GPU = {"wideresnet28_20": 4, "wideresnet28_30": 6, "random_features": 4000}
"""Elsewhere the published widths. The wider two of the wide ResNets would spend the audit on writing gigabytes."""


def network_width(arch: str, device: torch.device, *, quick: bool) -> int | None:
    """The width at which an architecture is audited; None for a user's own network, which has none.

    Example:
        >>> network_width("resnet18", torch.device("cpu"), quick=True)
        8
    """
    if arch not in ARCHITECTURES:
        return None
    published = ARCHITECTURES[arch].width
    if device.type == "cuda":
        return (_NARROW if quick else _ON_A_GPU).get(arch, published)
    return (_NARROW if quick else {}).get(arch, _ON_A_CPU.get(arch, published))


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditedNetwork:
    """One architecture at one width, its images and planes, and what has been computed of it in this process.

    Example:
        >>> network = AuditedNetwork(arch="fcnet", width=16, device=torch.device("cpu"), home=Path("runs"))
        >>> network.spec("adam").recipe.epochs, len(network.images.train)
        (2, 192)
    """

    arch: str
    width: int | None
    device: torch.device
    home: Path
    """Its runs are kept below this directory, those of each way of training in a directory of their own."""
    scale: Scale = Scale()

    @cached_property
    def images(self) -> Images:
        train, test = shapes(self.scale.train_images), shapes(self.scale.test_images, split="test")
        return Images(train=train, test=test)

    def spec(self, optimizer: Optimizer = "sgd", *, epochs: int = 2) -> RunSpec:
        """A short training under the preset `quick`; of random features, the closed form."""
        if not self.takes_steps:
            return self._make_spec()
        return self._make_spec(optimizer=optimizer, epochs=epochs, batch_size=self.scale.batch_size)

    @property
    def takes_steps(self) -> bool:
        """Whether it is trained by steps, which can be interrupted."""
        return self._make_spec().recipe.optimizer != "least-squares"

    def _make_spec(self, **changes: Any) -> RunSpec:
        common = {"preset": "quick", "train_size": self.scale.train_images, "width": self.width}
        (spec,) = make_specs([self.arch], [0], images=self.images, device=self.device, **common, **changes)
        return spec

    def trained(self, spec: RunSpec, way: str = "reference") -> Run:
        """The run of `spec`, trained in the directory of this `way` if it is not there."""
        train_run(spec, self.images, device=self.device, home=self.home / way)
        run = store.find(spec, self.home / way)
        assert run is not None
        return run

    def forget(self, way: str) -> None:
        """Deletes the runs of a way of training."""
        shutil.rmtree(self.home / way, ignore_errors=True)

    @cached_property
    def model(self) -> nn.Module:
        """The network trained by SGD, with a bias of its last layer that makes the mean logits of all classes equal.

        A network that was trained so briefly has few labels; then almost no point is near a boundary, where labels
        could be wrong.
        """
        model = self.trained(self.spec()).model(self.device)
        try:
            head = model.get_submodule(head_of(model, self.images.image_shape))
        except InputError:  # a network of the user's that ends in another layer
            return model
        if isinstance(head, nn.Linear) and head.bias is not None:
            means = logits(model, self.images.test, self.device).mean(0)
            with torch.no_grad():
                head.bias.sub_(means.to(self.device))
        return model

    @cached_property
    def planes(self) -> PlaneSet:
        return draw_planes(self.images.test, self.scale.planes)

    @cached_property
    def grid(self) -> Grid:
        axes = [plane.axes(self.scale.resolution, PADDING) for plane in self.planes]
        return Grid.of(self.planes.planes, axes, self.device)

    @cached_property
    def plain_labels(self) -> UInt8[np.ndarray, " point"]:
        """The labels of all points of the grid that everything else is compared with: each in plain fp32."""
        return self.label(self.predictor).labels.reshape(-1)

    @property
    def predictor(self) -> Predictor:
        """The network itself, in fp32."""
        return plain_predictor(self.arch, self.model, self.device)

    def label(self, predictor: Predictor) -> Labels:
        """The labels of all points of the grid, none inferred from others."""
        with eval_mode(self.model), deterministic_algorithms(), full_precision():
            return label_every_point([predictor], self.grid, lambda *_: None)
