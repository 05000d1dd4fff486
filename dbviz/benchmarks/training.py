"""How fast networks train."""

import dataclasses
import logging
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dbviz.benchmarks.baseline import baseline_training
from dbviz.benchmarks.measuring import Benchmark, Growth, Measured, seconds_of, steady_seconds
from dbviz.data import DeviceBatches, Images, ImageSet
from dbviz.models import build
from dbviz.spec import RunSpec
from dbviz.training import train
from dbviz.training.device import deterministic_algorithms
from dbviz.training.loop import training_step
from dbviz.training.objectives import plain_objective
from dbviz.training.optimizers import make_optimizer

__all__ = ["bare_step", "benchmark_training"]


def benchmark_training(
    spec: RunSpec,
    images: Images,
    device: torch.device,
    *,
    train_size: int,
    widths: Sequence[int] = (),
    compile: bool = True,
) -> Benchmark:
    """Images per second of one epoch of `train_size` images, evaluation apart.

    With `compile` also what compiling the network would gain, and what it takes: dbviz does not, since the fused
    kernels give other bits, and dropout draws other numbers in them.
    """
    few = images.train.first(train_size)
    usual = Measured(
        way="usual: DataLoader, fp32, loss read each step",
        amount=len(few),
        seconds=seconds_of(lambda: baseline_training(_network(spec, images, device), few, spec.recipe, device), device),
    )
    ours = Measured(way="dbviz.training.train", amount=len(few), seconds=_epoch(spec, images, few, device))
    in_width = [_epoch(dataclasses.replace(spec, width=width), images, few, device) for width in widths]
    compiled: tuple[Measured, ...] = ()
    notes: dict[str, Any] = {"precision": spec.recipe.precision, "optimizer": spec.recipe.optimizer}
    if compile:
        began = time.perf_counter()
        compiled = (bare_step(spec, images, device, compile=True),)
        notes["compiling, with the steps timed, seconds"] = time.perf_counter() - began
    growth = (Growth(over="width", values=tuple(widths), seconds=tuple(in_width)),) if widths else ()
    return Benchmark(
        title=f"Training {spec.arch}, width {spec.width}, batches of {spec.recipe.batch_size}",
        unit="images",
        measured=(usual, ours, *compiled, bare_step(spec, images, device)),
        growth=growth,
        notes=notes,
    )


def _network(spec: RunSpec, images: Images, device: torch.device) -> nn.Module:
    return build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(device)


def _epoch(spec: RunSpec, images: Images, few: ImageSet, device: torch.device) -> float:
    """Seconds of the second of two epochs; the first makes everything ready."""
    recipe = dataclasses.replace(spec.recipe, epochs=2)
    batches = DeviceBatches.of(few, recipe, spec.seeds, device)
    *_, last = train(_network(spec, images, device), batches, recipe, spec.seeds)
    return last.metrics.seconds


def bare_step(spec: RunSpec, images: Images, device: torch.device, *, compile: bool = False) -> Measured:
    """Steps on one batch that lies on the device, again and again; the network compiled, if asked for, before that."""
    recipe = spec.recipe
    network = _network(spec, images, device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batch, labels = next(iter(DeviceBatches.of(images.train, recipe, spec.seeds, device).epoch(0)))
    optimizer, loss = make_optimizer(network, recipe), plain_objective(recipe).loss
    network.train()
    if compile:
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
        network.compile(dynamic=False)
    with deterministic_algorithms(recipe.deterministic):
        seconds = steady_seconds(
            lambda: training_step(network, optimizer, loss, batch, labels, recipe, recipe.learning_rate), device
        )
    how = f"{recipe.precision}, compiled" if compile else recipe.precision
    return Measured(way=f"bare steps on one batch ({how})", amount=len(batch), seconds=seconds)
