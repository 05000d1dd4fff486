"""A finished run: its spec, its metrics, and the weights and outputs that lie in its directory."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.core.files import load_tensors, load_weights, sealed_digest
from dbviz.models.build import construct
from dbviz.spec import RunSpec
from dbviz.training.loop import EpochMetrics

__all__ = ["Run", "read_json", "weights_name"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run."""

    spec: RunSpec
    directory: Path
    class_count: int
    image_shape: tuple[int, int, int]
    epochs: tuple[EpochMetrics, ...]
    test_accuracy: float
    """Share of the test images classified right after the last epoch, evaluated in fp32."""
    initial_fingerprint: str | None = None
    """Digest of the weights before the first step; None for a run that did not keep it."""
    epoch: int | None = None
    """The epoch whose weights are meant; None is the last."""

    def __repr__(self) -> str:
        what = f"{self.spec.arch}, seed {self.spec.seeds}, {self.spec.dataset}"
        return f"Run({what}: test accuracy {self.test_accuracy:.1%}; {self.directory})"

    @property
    def seconds(self) -> float:
        """Time its training took, evaluation apart."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def weights(self) -> Path:
        return self.directory / weights_name(self.epoch)

    def at(self, epoch: int) -> "Run":
        """The run as it was after `epoch`, with the accuracy noted then.

        Raises:
            InputError: the weights of that epoch were not kept.
        """
        if epoch == len(self.epochs):
            return self
        if not (self.directory / weights_name(epoch)).exists():
            raise InputError(f"{self.directory} keeps no weights of epoch {epoch}: fit it with keep=[{epoch}]")
        then = self.epochs[:epoch]
        return dataclasses.replace(self, epoch=epoch, epochs=then, test_accuracy=then[-1].test_accuracy)

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, as written with them; see `dbviz.core.files.digest`."""
        return sealed_digest(self.weights)

    @property
    def environment(self) -> dict[str, Any]:
        """What it was trained with; nothing where that is not there any more.

        Raises:
            InputError: it is damaged.
        """
        path = self.directory / "environment.json"
        return read_json(path) if path.exists() else {}

    def test_logits(self) -> Tensor:
        """The network's outputs (n, k) for every test image, evaluated in fp32 right after the last epoch.

        Raises:
            InputError: they are absent or damaged.
        """
        tensors, _ = load_tensors(self.directory / "test_logits.safetensors")
        return tensors["logits"]

    def training_labels(self) -> tuple[Tensor, Tensor] | None:
        """The labels (n,) it was trained on and which of them are wrong (n,); None if all are the dataset's own.

        Raises:
            InputError: they are absent or damaged.
        """
        if self.spec.label_noise is None:
            return None
        tensors, _ = load_tensors(self.directory / "labels.safetensors")
        return tensors["labels"], tensors["mislabelled"]

    def model(self, device: torch.device | str = "cpu") -> nn.Module:
        """The trained network, in evaluation mode.

        Raises:
            InputError: the weights are damaged.
        """
        module = construct(self.spec.arch, self.class_count, self.spec.width, self.image_shape)
        load_weights(module, self.weights, foreign=False)
        return module.to(device, memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


def weights_name(epoch: int | None) -> str:
    return "weights.safetensors" if epoch is None else f"weights-epoch-{epoch}.safetensors"


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: delete {path.parent} to train it again") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): delete {path.parent} to train it again") from None
