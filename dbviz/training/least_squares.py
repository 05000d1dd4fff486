"""The least-squares solution of least norm for a linear head on fixed features, in closed form."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.data.arrays import ImageSet
from dbviz.data.device_batches import DeviceImages
from dbviz.training.device import evaluation_batch
from dbviz.training.evaluation import eval_mode
from dbviz.training.loop import Checkpoint, EpochMetrics

__all__ = ["least_norm_solution", "least_squares"]


def least_squares(
    model: nn.Module,
    images: ImageSet,
    device: torch.device,
    *,
    test: Callable[[nn.Module], float] = lambda _: math.nan,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Iterator[Checkpoint]:
    """Sets the model's head to the least-squares solution of least norm; yields one checkpoint (`train` yields many).

    The targets of an image are 1 - 1/k for its class and -1/k for the others, so that their mean is zero. Features
    are computed in the model's own precision; the system is solved in float64 on the CPU, whose LAPACK handles
    rank-deficient systems.

    Args:
        model: has `features`, a module from images to (n, width), and `head`, an `nn.Linear` without bias.
        test: the accuracy to record.
        on_batch: called once with the number of images.

    Raises:
        InputError: the model has no such parts.
        TrainingDiverged: a feature is not finite.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.models import build
        >>> network = build("random_features", width=64)
        >>> (checkpoint,) = least_squares(network, shapes(32), torch.device("cpu"))
        >>> checkpoint.metrics.train_accuracy  # more features than images
        1.0
    """
    start = time.perf_counter()
    features, head = _features_and_head(model)
    x = _features(features, images, device)
    labels = torch.from_numpy(images.labels)
    targets = nn.functional.one_hot(labels, head.out_features).double() - 1 / head.out_features
    solution = least_norm_solution(x, targets)
    with torch.no_grad():
        head.weight.copy_(solution.T)
    outputs = x @ solution
    metrics = EpochMetrics(
        epoch=1,
        train_loss=float((outputs - targets).square().mean()),
        train_accuracy=float((outputs.argmax(1) == labels).double().mean()),
        test_accuracy=math.nan,
        learning_rate=0.0,
        seconds=time.perf_counter() - start,
    )
    on_batch(len(images))
    metrics = dataclasses.replace(metrics, test_accuracy=test(model))
    yield Checkpoint(metrics=metrics, tensors={f"model.{name}": tensor for name, tensor in model.state_dict().items()})


def least_norm_solution(x: Float64[Tensor, "n width"], y: Float64[Tensor, "n k"]) -> Float64[Tensor, "width k"]:
    """The w of least norm among those that minimise |x w - y|.

    By a complete orthogonal factorisation (LAPACK's gelsy), which ignores directions below machine precision.

    Raises:
        TrainingDiverged: an entry is not finite.

    Example:
        >>> x, y = torch.ones(1, 2, dtype=torch.float64), torch.full((1, 1), 2.0, dtype=torch.float64)
        >>> [round(w, 6) for w in least_norm_solution(x, y).flatten().tolist()]
        [1.0, 1.0]
    """
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise TrainingDiverged("training diverged in epoch 1 of 1: a feature is not finite")
    return torch.linalg.lstsq(x, y, driver="gelsy").solution


def _features_and_head(model: nn.Module) -> tuple[nn.Module, nn.Linear]:
    features, head = getattr(model, "features", None), getattr(model, "head", None)
    if not (isinstance(features, nn.Module) and isinstance(head, nn.Linear) and head.bias is None):
        raise InputError(
            "optimizer least-squares solves for a linear head on fixed features, and this architecture has none: "
            "choose random_features, or another optimizer"
        )
    return features, head


def _features(features: nn.Module, images: ImageSet, device: torch.device) -> Float64[Tensor, "n width"]:
    """The features of every image, on the CPU."""
    on_device = DeviceImages.of(images, device)
    with eval_mode(features):
        batches = [features(batch).double().cpu() for batch in on_device.normalized(evaluation_batch(device))]
    return torch.cat(batches)
