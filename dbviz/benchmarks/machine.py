"""The speeds of a machine beside its measured upper bounds, as a part of its audit. They are reported, not judged.

A bound of a rate is the operations of the network divided by the speed of the machine's convolution; it is reached by
nothing that has layers of other kinds, but it is the same for every version of dbviz.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from dbviz.audits.machine import AuditedNetwork, Event, Finding, Speed, run_checks
from dbviz.benchmarks.measuring import bare_forward, seconds_of, steady_seconds
from dbviz.benchmarks.seeds import benchmark_seeds
from dbviz.benchmarks.training import bare_step
from dbviz.benchmarks.upper_bounds import (
    best_convolution_rate,
    convolution_precisions,
    convolution_rate,
    copy_rate,
    operations_per_image,
)
from dbviz.core.files import save_tensors
from dbviz.data import DeviceBatches
from dbviz.label_maps import sample
from dbviz.models import build
from dbviz.planes import draw_planes
from dbviz.runs.specs import make_specs
from dbviz.spec import SpecChanges
from dbviz.training import logits, train

__all__ = ["SPEEDS", "MachineSpeeds"]

_SCORING, _FIGURE = (50, 0.1), (500, 0.5)
"""(resolution, padding) of a scoring grid and of a figure."""
_SMALL_BATCH = 128
"""Of the small networks, as published."""
_BACKWARD = 3
"""The operations of a training step, relative to those of its forward pass."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MachineSpeeds:
    """The speeds of one network on a machine.

    Example:
        >>> from pathlib import Path
        >>> network = AuditedNetwork(arch="resnet18", width=8, device=torch.device("cpu"), home=Path("runs"))
        >>> MachineSpeeds(network=network).checks
        ('upper bounds', 'sampling', 'figure', 'training', 'side by side', 'determinism')
    """

    network: AuditedNetwork
    """Its scale says how many images it is trained on."""
    planes: int = 8
    """Planes of the scoring grid."""
    seeds: int = 4
    """Small networks trained side by side."""
    figure_resolution: int = _FIGURE[0]
    name: str = "speeds"

    @property
    def time_share(self) -> float:
        return 1.0  # a slow machine is not wrong

    @property
    def checks(self) -> tuple[str, ...]:
        return tuple(SPEEDS)

    def run(self, checks: Sequence[str]) -> Iterator[Event]:
        yield from run_checks({name: partial(SPEEDS[name], self) for name in checks})

    def clean(self) -> None:
        """Deletes the run that was trained."""
        shutil.rmtree(self.network.home, ignore_errors=True)

    @property
    def device(self) -> torch.device:
        return self.network.device

    @cached_property
    def model(self) -> nn.Module:
        """The trained network, which has the boundaries of a real one."""
        return self.network.trained(self.network.spec()).model(self.device)

    @cached_property
    def operations(self) -> float:
        """TFLOP of the network's forward pass of one image."""
        return 1e-12 * operations_per_image(self.model, self.network.images.image_shape, self.device)


def upper_bounds(speeds: MachineSpeeds) -> Finding:
    """Memory copy, and convolution in each precision."""
    copied = Speed(what="memory copy", value=copy_rate(speeds.device), unit="GB/s")
    convolved = [
        Speed(what=f"convolution, {precision}", value=convolution_rate(speeds.device, precision), unit="TFLOP/s")
        for precision in convolution_precisions(speeds.device)
    ]
    return _measured(copied, *convolved)


def sampling(speeds: MachineSpeeds) -> Finding:
    """Points per second of scoring grids: every point in plain fp32, and by `sample`; and of the bare forward pass."""
    model, device = speeds.model, speeds.device
    planes = draw_planes(speeds.network.images.test, speeds.planes)
    options = {"resolution": _SCORING[0], "padding": _SCORING[1], "device": str(device)}

    def plain(images: Tensor) -> Tensor:
        return model(images)

    sample(model, planes[:1], **options)  # a first call allocates what later ones use
    plain_seconds = seconds_of(lambda: sample(plain, planes[:1], **options), device)
    usual_seconds = seconds_of(lambda: sample(model, planes, **options), device)
    bare = bare_forward(model, speeds.network.images.image_shape, device, compile=False)
    in_fp32, best = (
        rate / speeds.operations for rate in (convolution_rate(device, "fp32"), best_convolution_rate(device))
    )
    return _measured(
        Speed(what="sampling, plain fp32", value=_SCORING[0] ** 2 / plain_seconds, unit="points/s", bound=in_fp32),
        Speed(
            what=f"sampling, {len(planes)} planes of 50 x 50",
            value=len(planes) * _SCORING[0] ** 2 / usual_seconds,
            unit="points/s",
            bound=best,
        ),
        Speed(what=_without_upper_bound(bare.method), value=bare.rate, unit="points/s", bound=best),
    )


def figure(speeds: MachineSpeeds) -> Finding:
    """Seconds of a refined figure; its bound is that of the points which were evaluated."""
    model, device, resolution = speeds.model, speeds.device, speeds.figure_resolution
    planes = draw_planes(speeds.network.images.test, 1)
    maps = []
    options = {"resolution": resolution, "padding": _FIGURE[1], "refine": True, "device": str(device)}
    seconds = seconds_of(lambda: maps.append(sample(model, planes, **options)), device)
    evaluated = int(maps[0].evaluated.sum())
    bound = evaluated * speeds.operations / best_convolution_rate(device)
    share = evaluated / maps[0].labels.size
    return _measured(
        Speed(
            what=f"figure of {resolution} x {resolution} ({share:.0%} evaluated)", value=seconds, unit="s", bound=bound
        )
    )


def training(speeds: MachineSpeeds) -> Finding:
    """Milliseconds of a step, of a test of 1,000 images and of writing a checkpoint."""
    network, device = speeds.network, speeds.device
    spec = network.spec()
    recipe, test = spec.recipe, network.images.test
    model = build(spec.arch, len(network.images.class_names), spec.width, image_shape=network.images.image_shape)
    model.to(device)
    batches = DeviceBatches.of(network.images.train, recipe, spec.seeds, device)
    *_, last = train(model, batches, recipe, spec.seeds)  # the first epoch warms up
    rate = convolution_rate(device, recipe.precision) / speeds.operations
    test_seconds = steady_seconds(lambda: logits(model, test, device, precision=recipe.precision), device, repeats=2)
    path = network.home / "checkpoint.safetensors"
    writing = steady_seconds(lambda: save_tensors(path, last.tensors, {}), device, repeats=2)
    size = 1e-9 * sum(tensor.nbytes for tensor in last.tensors.values())
    what = f"step of {recipe.batch_size} images, {recipe.precision}"
    step = 1e3 * last.metrics.seconds / len(batches)
    return _measured(
        Speed(what=what, value=step, unit="ms", bound=1e3 * _BACKWARD * recipe.batch_size / rate),
        Speed(what=f"test of {len(test):,} images", value=1e3 * test_seconds, unit="ms", bound=1e3 * len(test) / rate),
        Speed(
            what=f"checkpoint of {1e3 * size:.0f} MB",
            value=1e3 * writing,
            unit="ms",
            bound=1e3 * 2 * size / copy_rate(torch.device("cpu")),
        ),
    )


def side_by_side(speeds: MachineSpeeds) -> Finding:
    """Images per second of several small networks: one after the other, and in several processes."""
    images, device = speeds.network.images, speeds.device
    size = len(images.train)
    changes: SpecChanges = {"width": 4, "epochs": 2, "batch_size": _SMALL_BATCH, "train_size": size}
    seeds = range(speeds.seeds)
    specs = make_specs(["resnet18k"], seeds, images=images, preset="quick", device=device, **changes)
    processes = min(speeds.seeds, _cores())
    benchmark = benchmark_seeds(specs, images, device, train_size=size, processes=processes)
    bound = benchmark.upper_bound.rate
    return _measured(
        *(
            Speed(
                what=f"resnet18k, k = 4, {timing.method.partition(': ')[2] or timing.method}",
                value=timing.rate,
                unit="images/s",
                bound=bound,
            )
            for timing in benchmark.timings[:-1]
        ),
        detail=f"measured; weights are bitwise identical in 1 and in {processes} processes",
    )


def determinism(speeds: MachineSpeeds) -> Finding:
    """Milliseconds of a bare step by deterministic algorithms, beside that by any."""
    spec = speeds.network.spec()
    any_algorithms = dataclasses.replace(spec, recipe=dataclasses.replace(spec.recipe, deterministic=False))
    images, device = speeds.network.images, speeds.device
    free, fixed = (1e3 * bare_step(one, images, device).seconds for one in (any_algorithms, spec))
    return _measured(Speed(what="bare step, deterministic (bound: any algorithm)", value=fixed, unit="ms", bound=free))


SPEEDS: dict[str, Callable[[MachineSpeeds], Finding]] = {
    "upper bounds": upper_bounds,
    "sampling": sampling,
    "figure": figure,
    "training": training,
    "side by side": side_by_side,
    "determinism": determinism,
}
"""Every measurement by its name, in the order in which they are done."""


def _measured(*speeds: Speed, detail: str = "measured") -> Finding:
    return Finding(passed=True, detail=detail, speeds=speeds)


def _without_upper_bound(method: str) -> str:
    return method.removeprefix("upper bound: ")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
