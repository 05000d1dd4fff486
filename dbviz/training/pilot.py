"""How long a training will take, from a few of its steps."""

import time

import torch

from dbviz.images.arrays import Images
from dbviz.images.batches import DeviceBatches
from dbviz.models.build import build
from dbviz.spec import RunSpec
from dbviz.training.device import kernels
from dbviz.training.loop import training_step
from dbviz.training.optimizers import make_optimizer

__all__ = ["seconds_per_run"]

_TEST_COST = 0.4
"""A test image's time in training images: the forward is about a third of a step."""


def seconds_per_run(spec: RunSpec, images: Images, device: torch.device, *, steps: int = 3) -> float:
    """Estimated seconds that `spec` takes on this machine, from `steps` steps behind one that warms up."""
    model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(
        device,
        memory_format=torch.channels_last,  # pyright: ignore[reportCallIssue]
    )
    optimizer, recipe = make_optimizer(model, spec.recipe), spec.recipe
    few = images.train.first(min(len(images.train), recipe.batch_size))
    batch_images, labels = next(iter(DeviceBatches.of(few, recipe, spec.seeds, device).epoch(0)))
    with kernels(deterministic=recipe.deterministic):
        training_step(model, optimizer, batch_images, labels, recipe, recipe.learning_rate)
        _wait(device)
        began = time.perf_counter()
        for _ in range(steps):
            training_step(model, optimizer, batch_images, labels, recipe, recipe.learning_rate)
        _wait(device)
    each = (time.perf_counter() - began) / steps / len(few)
    trained = len(images.train) if spec.train_size is None else spec.train_size
    return each * recipe.epochs * (trained + _TEST_COST * len(images.test))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
