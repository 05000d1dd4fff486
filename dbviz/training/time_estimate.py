"""Estimates of training times, from the times of a few steps."""

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
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.device_errors import explained_device_errors
from dbviz.training.evaluation import logits
from dbviz.training.heads import features, head_of
from dbviz.training.least_squares import least_norm_solution
from dbviz.training.loop import training_step
from dbviz.training.objectives import Objective, make_objective, plain_objective
from dbviz.training.optimizers import make_optimizer
from dbviz.training.schedule import epochs_to_test

__all__ = ["seconds_of_features", "seconds_per_run"]

_TEST_COST = 0.4
"""The time of a test image relative to that of a training image: a forward pass is about a third of a step."""


def seconds_per_run(spec: RunSpec, images: Images, device: torch.device, *, steps: int = 3) -> float:
    """Estimated seconds that the run of `spec` takes on this machine.

    Args:
        steps: number of timed steps, after one that is not timed.

    Raises:
        DeviceOutOfMemory: the GPU has too little memory.
        InputError: cuDNN has no algorithm in the recipe's precision.

    Example:
        >>> from dbviz.data import shapes
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> spec = RunSpec(dataset="shapes", arch="fcnet", width=16, recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> seconds_per_run(spec, images, torch.device("cpu")) > 0
        True
    """
    with explained_device_errors(spec):
        if spec.recipe.optimizer == "least-squares":
            return _seconds_to_solve(spec, images, device)
        return _seconds_to_train(spec, images, device, steps)


def seconds_of_features(spec: RunSpec, images: Images, device: torch.device) -> float:
    """Estimated seconds that the features of all images take for `spec`, which trains a head only."""
    sample = images.train.first(min(len(images.train), 128))
    with explained_device_errors(spec):
        model, head = _network_and_head(spec, images, device)
        features(model, head, sample, device)
        start = time.perf_counter()
        features(model, head, sample, device)
        _wait(device)
    return (time.perf_counter() - start) * (_train_count(spec, images) + len(images.test)) / len(sample)


def _seconds_to_train(spec: RunSpec, images: Images, device: torch.device, steps: int) -> float:
    recipe, sample = spec.recipe, images.train.first(min(len(images.train), spec.recipe.batch_size))
    inputs, labels = next(iter(DeviceBatches.of(sample, recipe, spec.seeds, device).epoch(0)))
    if spec.pretrained is None:
        model = _network(spec, images, device)
    else:
        body, model = _network_and_head(spec, images, device)
        inputs = features(body, model, sample, device)
    optimizer = make_optimizer(model, recipe)
    # a teacher's forward pass is left out: it costs a third of a step at most
    objective = plain_objective(recipe) if spec.teacher else make_objective(recipe, images.train)
    with (
        torch_seeded(0, "pilot"),
        deterministic_algorithms(recipe.deterministic),
        full_precision(recipe.precision == "fp32"),
    ):
        _step(model, optimizer, objective, inputs, labels, recipe)
        _wait(device)
        start = time.perf_counter()
        for _ in range(steps):
            _step(model, optimizer, objective, inputs, labels, recipe)
        _wait(device)
    per_image = (time.perf_counter() - start) / steps / len(sample)
    return per_image * _images_per_run(recipe.epochs, _train_count(spec, images), len(images.test))


def _images_per_run(epochs: int, train_images: int, test_images: int) -> float:
    """The work of a training and its tests, in training images."""
    tests = len(epochs_to_test(epochs, train_images, test_images))
    return epochs * train_images + _TEST_COST * tests * test_images


def _train_count(spec: RunSpec, images: Images) -> int:
    return len(images.train) if spec.train_size is None else spec.train_size


def _network(spec: RunSpec, images: Images, device: torch.device) -> nn.Module:
    model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape)
    return model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _network_and_head(spec: RunSpec, images: Images, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """The network, with arbitrary weights, and its head."""
    model = construct(spec.arch, len(images.class_names), spec.width, images.image_shape).to(device)
    return model, model.get_submodule(head_of(model, images.image_shape))


def _seconds_to_solve(spec: RunSpec, images: Images, device: torch.device) -> float:
    """The times of the features of a few images and of a small system, scaled.

    The cost of a system is rows x columns x the smaller of both.
    """
    model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(device)
    sample = images.train.first(min(len(images.train), 128))
    start = time.perf_counter()
    logits(model, sample, device)
    features = time.perf_counter() - start
    n, width = spec.train_size or len(images.train), spec.width or ARCHITECTURES[spec.arch].width
    size = min(n, width, 256)
    start = time.perf_counter()
    least_norm_solution(torch.eye(size, dtype=torch.float64), torch.ones(size, 1, dtype=torch.float64))
    solving = (time.perf_counter() - start) * n * width * min(n, width) / size**3
    return features * (n + len(images.test)) / len(sample) + solving


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
) -> None:
    inputs, targets = objective.prepare(model, images, labels, np.random.default_rng(0))
    training_step(model, optimizer, objective.loss, inputs, targets, recipe, recipe.learning_rate)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
