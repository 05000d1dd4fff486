"""How fast planes are sampled: scoring grids, and refined label maps for figures."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from dbviz.benchmarks.baseline import baseline_labels
from dbviz.benchmarks.measuring import Benchmark, Growth, Timing, bare_forward, memory_growth, seconds_of
from dbviz.core.streams import numpy_stream
from dbviz.label_maps import sample
from dbviz.label_maps.grid import Grid
from dbviz.label_maps.predictor import label, plain_predictor
from dbviz.models import build
from dbviz.planes import PlaneSet
from dbviz.runs import Run
from dbviz.training.device import deterministic_algorithms, evaluation_batch, full_precision
from dbviz.training.evaluation import eval_mode

__all__ = ["benchmark_sampling"]

_SCORING, _FIGURE = (50, 0.1), (500, 0.5)
"""(resolution, padding) of a scoring grid and of a figure, as published."""


def benchmark_sampling(
    run: Run,
    planes: PlaneSet,
    device: torch.device,
    *,
    baseline_points: int = 2500,
    widths: Sequence[int] = (),
    compile: bool = True,
) -> Benchmark:
    """Points per second on scoring grids and for one refined figure of 500 x 500 points.

    Args:
        baseline_points: the number of points of one scoring grid on which the baseline is timed; its time for a figure
            is extrapolated from them.
        widths: further widths of the architecture, untrained, at which a scoring grid is timed.
        compile: the upper bound may be the compiled network's.

    Example:
        >>> import dbviz
        >>> (run,) = dbviz.fit("resnet18", dataset="cifar10", preset="quick")  # doctest: +SKIP
        >>> planes = dbviz.draw_planes(dbviz.load_images("cifar10").test, 8)  # doctest: +SKIP
        >>> benchmark = benchmark_sampling(run, planes, torch.device("cpu"))  # doctest: +SKIP
    """
    model = run.model(device)
    shape = planes[0].origin.shape
    _seconds(model, planes[:1], device, 20, 0.1)  # warm-up: the first call allocates what every later one uses
    timed: list[tuple[float, xr.Dataset]] = []
    memory = memory_growth(lambda: timed.append(_seconds(model, planes[:1], device, *_FIGURE, refine=True)), device)
    ((refined_seconds, refined),) = timed
    first_seconds, _ = _seconds(run, planes, device, *_SCORING)  # measures the calibration that later calls use
    dense_seconds, dense = _seconds(run, planes, device, *_SCORING)
    timings = (
        _baseline(model, planes, device, baseline_points),
        _every_point_in_fp32(model, planes, device),
        Timing(method="dbviz.sample, scoring grid", amount=dense.labels.size, seconds=dense_seconds),
        Timing(method="dbviz.sample(refine=True), figure", amount=refined.labels.size, seconds=refined_seconds),
        bare_forward(model, (shape[0], shape[1], shape[2]), device, compile=compile),
    )
    (form,) = json.loads(dense.attrs["evaluation"]).values()
    return Benchmark(
        title=f"Sampling {run.spec.arch}, width {run.spec.width}",
        unit="points",
        timings=timings,
        growth=_growth(model, run.spec.arch, planes, device, widths),
        notes={
            "form of the network": form["form"],
            "fraction of points re-evaluated in plain fp32": float(dense.reevaluated.sum() / dense.evaluated.sum()),
            "fraction of the figure's points evaluated": float(refined.evaluated.sum() / refined.labels.size),
            "scoring grid, seconds where nothing is calibrated yet": first_seconds,
            "figure, seconds": refined_seconds,
            "figure, seconds of the baseline (extrapolated)": _FIGURE[0] ** 2 / timings[0].rate,
            "wrong labels among 4,000 random points of the figure": _wrong(model, planes[:1], refined, device),
            "memory of a figure beyond the network's, MiB": memory,
        },
    )


def _baseline(model: nn.Module, planes: PlaneSet, device: torch.device, points: int) -> Timing:
    seconds = seconds_of(lambda: baseline_labels(model, planes[:1], *_SCORING, points, device), device)
    return Timing(method="baseline: Dataset of points, DataLoader, fp32", amount=points, seconds=seconds)


def _every_point_in_fp32(model: nn.Module, planes: PlaneSet, device: torch.device) -> Timing:
    """`sample` given a function instead of a module, of which it has no faster form."""
    seconds, _ = _seconds(lambda images: model(images), planes[:1], device, *_SCORING)
    return Timing(method="every point in plain fp32", amount=_SCORING[0] ** 2, seconds=seconds)


def _seconds(
    model: Any, planes: PlaneSet, device: torch.device, resolution: int, padding: float, *, refine: bool = False
) -> tuple[float, xr.Dataset]:
    """The time of sampling, and the label maps."""
    sampled: list[xr.Dataset] = []
    options = {"resolution": resolution, "padding": padding, "refine": refine, "device": str(device)}
    seconds = seconds_of(lambda: sampled.append(sample(model, planes, **options)), device)
    return seconds, sampled[0]


def _wrong(model: nn.Module, planes: PlaneSet, maps: xr.Dataset, device: torch.device, count: int = 4000) -> int:
    """The number of labels that differ from plain fp32's, among points drawn uniformly."""
    resolution, padding = _FIGURE
    grid = Grid.of(planes.planes, [plane.axes(resolution, padding) for plane in planes], device)
    drawn = np.unique(numpy_stream(0, "benchmark").integers(0, grid.planes * grid.points, count))
    with eval_mode(model), deterministic_algorithms(), full_precision():
        predictor = plain_predictor("the network", model, device)
        parts = np.array_split(drawn, -(-len(drawn) // evaluation_batch(device)))
        truth = torch.cat([label(predictor, grid.at(part)).logits.argmax(1) for part in parts]).cpu().numpy()
    return int((truth != maps.labels.values.reshape(-1)[drawn]).sum())


def _growth(
    model: nn.Module, arch: str, planes: PlaneSet, device: torch.device, widths: Sequence[int]
) -> tuple[Growth, ...]:
    """Seconds against the resolution of a refined label map, the planes, the models and the width."""
    resolutions, counts, models = (125, 250, 500), (1, 2, 4), (1, 2, 4)

    def dense(networks: Any, planes: PlaneSet) -> float:
        return _seconds(networks, planes, device, *_SCORING)[0]

    def of_width(width: int) -> nn.Module:
        return build(arch, width=width).eval().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    refined = [_seconds(model, planes[:1], device, r, 0.5, refine=True)[0] for r in resolutions]
    curves: list[tuple[str, tuple[int, ...], list[float]]] = [
        ("resolution, refined", resolutions, refined),
        ("planes", counts, [dense(model, planes[:count]) for count in counts]),
        ("models", models, [dense([model] * count, planes[:1]) for count in models]),
        ("width", tuple(widths), [dense(of_width(width), planes[:1]) for width in widths]),
    ]
    return tuple(Growth(variable=name, values=v, seconds=tuple(s)) for name, v, s in curves if v)
