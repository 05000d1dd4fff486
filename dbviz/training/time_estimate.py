"""How long a training will take, from a few of its steps."""

import time

import numpy as np
import torch
from torch import Tensor, nn

from dbviz.core.streams import torch_seeded
from dbviz.data.arrays import Images
from dbviz.data.device_batches import DeviceBatches
from dbviz.models.build import build, construct
from dbviz.models.registry import ARCHITECTURES
from dbviz.spec import Recipe, RunSpec
from dbviz.training.device import deterministic_algorithms
from dbviz.training.evaluation import logits
from dbviz.training.heads import features, head_of
from dbviz.training.least_squares import least_norm_solution
from dbviz.training.loop import training_step
from dbviz.training.objectives import Objective, make_objective, plain_objective
from dbviz.training.optimizers import make_optimizer

__all__ = ["seconds_of_features", "seconds_per_run"]

_TEST_COST = 0.4
"""A test image's time in training images: the forward is about a third of a step."""


def seconds_per_run(spec: RunSpec, images: Images, device: torch.device, *, steps: int = 3) -> float:
    """Estimated seconds that `spec` takes on this machine, from `steps` steps behind one that warms up."""
    if spec.recipe.optimizer == "least-squares":
        return _seconds_to_solve(spec, images, device)
    recipe, few = spec.recipe, images.train.first(min(len(images.train), spec.recipe.batch_size))
    batch_images, labels = next(iter(DeviceBatches.of(few, recipe, spec.seeds, device).epoch(0)))
    if spec.pretrained is None:
        model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(
            device,
            memory_format=torch.channels_last,  # pyright: ignore[reportCallIssue]
        )
    else:
        body, model = _parts(spec, images, device)
        batch_images = features(body, model, few, device)
    optimizer = make_optimizer(model, recipe)
    # a teacher's forward is left out: it costs a third of a step at most
    objective = plain_objective(recipe) if spec.teacher else make_objective(recipe, images.train)
    with torch_seeded(0, "pilot"), deterministic_algorithms(recipe.deterministic):
        _step(model, optimizer, objective, batch_images, labels, recipe)
        _wait(device)
        began = time.perf_counter()
        for _ in range(steps):
            _step(model, optimizer, objective, batch_images, labels, recipe)
        _wait(device)
    each = (time.perf_counter() - began) / steps / len(few)
    trained = len(images.train) if spec.train_size is None else spec.train_size
    return each * recipe.epochs * (trained + _TEST_COST * len(images.test))


def seconds_of_features(spec: RunSpec, images: Images, device: torch.device) -> float:
    """Estimated seconds for the features of all images of `spec`, whose head alone is trained."""
    model, head = _parts(spec, images, device)
    few = images.train.first(min(len(images.train), 128))
    features(model, head, few, device)
    began = time.perf_counter()
    features(model, head, few, device)
    _wait(device)
    trained = len(images.train) if spec.train_size is None else spec.train_size
    return (time.perf_counter() - began) * (trained + len(images.test)) / len(few)


def _parts(spec: RunSpec, images: Images, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """The network, with whatever weights, and its head."""
    model = construct(spec.arch, len(images.class_names), spec.width, images.image_shape).to(device)
    return model, model.get_submodule(head_of(model, images.image_shape))


def _seconds_to_solve(spec: RunSpec, images: Images, device: torch.device) -> float:
    """The features of a few images and a small system, scaled: a system costs rows x columns x the fewer of them."""
    model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(device)
    few = images.train.first(min(len(images.train), 128))
    began = time.perf_counter()
    logits(model, few, device)
    features = time.perf_counter() - began
    n, width = spec.train_size or len(images.train), spec.width or ARCHITECTURES[spec.arch].width
    size = min(n, width, 256)
    began = time.perf_counter()
    least_norm_solution(torch.eye(size, dtype=torch.float64), torch.ones(size, 1, dtype=torch.float64))
    solving = (time.perf_counter() - began) * n * width * min(n, width) / size**3
    return features * (n + len(images.test)) / len(few) + solving


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
) -> None:
    shown, targets = objective.prepare(model, images, labels, np.random.default_rng(0))
    training_step(model, optimizer, objective.loss, shown, targets, recipe, recipe.learning_rate)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
