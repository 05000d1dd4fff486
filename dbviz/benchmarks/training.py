"""How fast networks train: an epoch, between the baseline and the bare training step."""

import dataclasses
import logging
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dbviz.benchmarks.baseline import baseline_training
from dbviz.benchmarks.measuring import Benchmark, Growth, Timing, seconds_of, steady_seconds
from dbviz.data import DeviceBatches, Images, ImageSet
from dbviz.models import build
from dbviz.spec import RunSpec
from dbviz.training import train
from dbviz.training.device import deterministic_algorithms, full_precision
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
    """Images per second in one epoch of `train_size` images, without evaluation.

    Args:
        widths: further widths at which the epoch is timed.
        compile: also time the bare step of the compiled network. dbviz does not compile networks for training, since
            fused kernels round differently and draw other dropout masks.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.runs.specs import make_specs
        >>> cpu, images = torch.device("cpu"), Images(train=shapes(256, split="train"), test=shapes(64, split="test"))
        >>> (spec,) = make_specs(["mlp"], seeds=[0], images=images, preset="quick", device=cpu, train_size=256)
        >>> benchmark = benchmark_training(spec, images, cpu, train_size=256, compile=False)  # doctest: +SKIP
        >>> {timing.method: timing.rate for timing in benchmark.timings}  # doctest: +SKIP
    """
    few = images.train.first(train_size)
    baseline = Timing(
        method="baseline: DataLoader, fp32, loss read each step",
        amount=len(few),
        seconds=seconds_of(lambda: baseline_training(_network(spec, images, device), few, spec.recipe, device), device),
    )
    ours = Timing(method="dbviz.training.train", amount=len(few), seconds=_epoch(spec, images, few, device))
    compiled: tuple[Timing, ...] = ()
    notes: dict[str, Any] = {"precision": spec.recipe.precision, "optimizer": spec.recipe.optimizer}
    if compile:
        began = time.perf_counter()
        compiled = (bare_step(spec, images, device, compile=True),)
        notes["compilation and its timed steps, seconds"] = time.perf_counter() - began
    return Benchmark(
        title=f"Training {spec.arch}, width {spec.width}, batches of {spec.recipe.batch_size}",
        unit="images",
        timings=(baseline, ours, *compiled, bare_step(spec, images, device)),
        growth=_growth(spec, images, few, device, widths),
        notes=notes,
    )


def _growth(
    spec: RunSpec, images: Images, few: ImageSet, device: torch.device, widths: Sequence[int]
) -> tuple[Growth, ...]:
    """Seconds of an epoch against the width."""
    seconds = tuple(_epoch(dataclasses.replace(spec, width=width), images, few, device) for width in widths)
    return (Growth(variable="width", values=tuple(widths), seconds=seconds),) if widths else ()


def _network(spec: RunSpec, images: Images, device: torch.device) -> nn.Module:
    return build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(device)


def _epoch(spec: RunSpec, images: Images, few: ImageSet, device: torch.device) -> float:
    """Seconds of the second of two epochs; the first is a warm-up."""
    recipe = dataclasses.replace(spec.recipe, epochs=2)
    batches = DeviceBatches.of(few, recipe, spec.seeds, device)
    *_, last = train(_network(spec, images, device), batches, recipe, spec.seeds)
    return last.metrics.seconds


def bare_step(spec: RunSpec, images: Images, device: torch.device, *, compile: bool = False) -> Timing:
    """The upper bound of training: repeated steps on one batch that is on the device already.

    Args:
        compile: compile the network first.
    """
    recipe = spec.recipe
    network = _network(spec, images, device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batch, labels = next(iter(DeviceBatches.of(images.train, recipe, spec.seeds, device).epoch(0)))
    optimizer, loss = make_optimizer(network, recipe), plain_objective(recipe).loss
    network.train()
    if compile:
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
        network.compile(dynamic=False)
    with deterministic_algorithms(recipe.deterministic), full_precision(recipe.precision == "fp32"):
        seconds = steady_seconds(
            lambda: training_step(network, optimizer, loss, batch, labels, recipe, recipe.learning_rate), device
        )
    if compile:
        return Timing(method=f"compiled steps on one batch ({recipe.precision})", amount=len(batch), seconds=seconds)
    method = f"upper bound: bare steps on one batch ({recipe.precision})"
    return Timing(method=method, amount=len(batch), seconds=seconds)
