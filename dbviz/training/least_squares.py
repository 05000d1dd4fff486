"""A linear head on fixed features in closed form: of all heads that fit best, the one of least norm."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.data.arrays import ImageSet
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
    """Puts the least-norm least-squares solution into the model's head; gives one checkpoint, as `train` gives many.

    The targets of an image are 1 - 1/k for its class and -1/k for the others, so that a head of nought says nothing.
    Features are computed as the model computes them; the system is solved in float64 on the CPU, whose LAPACK knows
    rank-deficient systems.

    Args:
        model: has `features`, a module from images to (n, width), and `head`, an `nn.Linear` without bias.

    Raises:
        InputError: the model has no such parts.
        TrainingDiverged: a feature is not finite.
    """
    began = time.perf_counter()
    features, head = _parts(model)
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
        seconds=time.perf_counter() - began,
    )
    on_batch(len(images))
    tested = EpochMetrics(**{**vars(metrics), "test_accuracy": test(model)})
    yield Checkpoint(metrics=tested, tensors={f"model.{name}": tensor for name, tensor in model.state_dict().items()})


def least_norm_solution(x: Float64[Tensor, "n width"], y: Float64[Tensor, "n k"]) -> Float64[Tensor, "width k"]:
    """The w of least norm among those that minimise |x w - y|.

    By a complete orthogonal factorisation (LAPACK's gelsy), which takes directions below machine precision as absent.

    Raises:
        TrainingDiverged: an entry is not finite.
    """
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise TrainingDiverged("training diverged in epoch 1 of 1: a feature is not finite")
    return torch.linalg.lstsq(x, y, driver="gelsy").solution


def _parts(model: nn.Module) -> tuple[nn.Module, nn.Linear]:
    features, head = getattr(model, "features", None), getattr(model, "head", None)
    if not (isinstance(features, nn.Module) and isinstance(head, nn.Linear) and head.bias is None):
        raise InputError(
            "optimizer least-squares solves for a linear head on fixed features, which this architecture has not: "
            "choose random_features, or another optimizer"
        )
    return features, head


def _features(features: nn.Module, images: ImageSet, device: torch.device) -> Float64[Tensor, "n width"]:
    """The features of every image, on the CPU."""
    found, size = [], evaluation_batch(device)
    with eval_mode(features):
        for start in range(0, len(images), size):
            batch = images.normalized(np.arange(start, min(start + size, len(images))))
            found.append(features(batch.to(device)).double().cpu())
    return torch.cat(found)
