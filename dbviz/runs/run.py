"""A finished run: its spec, its metrics, and the weights and outputs in its directory."""

import dataclasses
import html
import json
import math
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
    """A finished run, as `dbviz.fit` returns it.

    Example:
        >>> import tempfile
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.runs import fit
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "progress": False}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     (run,) = fit("fcnet", dataset=images, home=home, **tiny)
        ...     outputs = run.model()(images.test.normalized([0, 1]))
        ...     run.test_logits().shape, outputs.shape
        (torch.Size([20, 10]), torch.Size([2, 10]))
        >>> len(run.epochs)
        1
    """

    spec: RunSpec
    directory: Path
    class_count: int
    image_shape: tuple[int, int, int]
    epochs: tuple[EpochMetrics, ...]
    test_accuracy: float
    """Fraction of the test images that are classified correctly after the last epoch, evaluated in fp32.

    Of a run `at` an earlier epoch: in the recipe's precision, NaN where that epoch was not tested.
    """
    initial_fingerprint: str | None = None
    """Digest of the weights before the first step; None for a run of a version that did not record it."""
    epoch: int | None = None
    """The epoch of the weights; None is the last."""

    def __repr__(self) -> str:
        network = f"{self.spec.arch}, seed {self.spec.seeds}, {self.spec.dataset}"
        return f"Run({network}: test accuracy {_percent(self.test_accuracy, 1)}; {self.directory})"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        rows = {
            "network": self.spec.arch,
            "seed": self.spec.seeds,
            "dataset": self.spec.dataset,
            "epochs": len(self.epochs),
            "test accuracy": _percent(self.test_accuracy, 2),
            "directory": self.directory,
        }
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows.items())
        return f"<table>{cells}</table>"

    @property
    def seconds(self) -> float:
        """Training time, without evaluation."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.directory / weights_name(self.epoch)

    def at(self, epoch: int) -> "Run":
        """The run as it was after `epoch`, with the test accuracy recorded then; see `dbviz.training.epochs_to_test`.

        Raises:
            InputError: the weights of that epoch are not stored.
        """
        if epoch == len(self.epochs):
            return self
        if not (self.directory / weights_name(epoch)).exists():
            raise InputError(f"{self.directory} keeps no weights of epoch {epoch}: fit it with keep=[{epoch}]")
        epochs = self.epochs[:epoch]
        return dataclasses.replace(self, epoch=epoch, epochs=epochs, test_accuracy=epochs[-1].test_accuracy)

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, as stored with them; see `dbviz.core.files.digest`."""
        return sealed_digest(self.weights)

    @property
    def environment(self) -> dict[str, Any]:
        """The environment that it was trained in (see `dbviz.environment`); empty if the file is absent.

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
        """The labels (n,) it was trained on, and whether each is wrong (n,); None if all are those of the dataset.

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


def _percent(share: float, digits: int) -> str:
    return "not tested" if math.isnan(share) else f"{share:.{digits}%}"


def weights_name(epoch: int | None) -> str:
    """Name of the file of the weights after `epoch`; None is the last."""
    return "weights.safetensors" if epoch is None else f"weights-epoch-{epoch}.safetensors"


def read_json(path: Path) -> Any:
    """The contents of a JSON file of a run.

    Raises:
        InputError: it is absent or damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: delete {path.parent} to train it again") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): delete {path.parent} to train it again") from None
