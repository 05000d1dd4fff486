"""How fast label maps are made: scoring grids and pictures."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from dbviz.benchmarks.baseline import baseline_labels
from dbviz.benchmarks.measuring import Benchmark, Growth, Measured, bare_forward, memory_growth, seconds_of
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

_SCORE, _PICTURE = (50, 0.1), (500, 0.5)
"""(resolution, padding) of a scoring grid and of a picture, as published."""


def benchmark_sampling(
    run: Run,
    planes: PlaneSet,
    device: torch.device,
    *,
    baseline_points: int = 2500,
    widths: Sequence[int] = (),
    compile: bool = True,
) -> Benchmark:
    """Points per second on scoring grids, and one picture of 500 x 500 points.

    The usual way is timed on `baseline_points` points of one scoring grid; its time for a picture is what these make.
    """
    model = run.model(device)
    shape = planes[0].origin.shape
    _seconds(model, planes[:1], device, 20, 0.1)  # first calls allocate what every later one uses
    drawn: list[tuple[float, xr.Dataset]] = []
    memory = memory_growth(lambda: drawn.append(_seconds(model, planes[:1], device, *_PICTURE, refine=True)), device)
    ((picture_seconds, picture),) = drawn
    usual = Measured(
        way="usual: Dataset of points, DataLoader, fp32",
        amount=baseline_points,
        seconds=seconds_of(lambda: baseline_labels(model, planes[:1], *_SCORE, baseline_points, device), device),
    )
    plain = Measured(
        way="every point in plain fp32",
        amount=_SCORE[0] ** 2,
        seconds=_seconds(lambda images: model(images), planes[:1], device, *_SCORE)[0],
    )
    ours_seconds, dense = _seconds(model, planes, device, *_SCORE)
    ours = Measured(way="dbviz.sample, scoring grid", amount=dense.labels.size, seconds=ours_seconds)
    refined = Measured(way="dbviz.sample(refine=True), picture", amount=picture.labels.size, seconds=picture_seconds)
    roof = bare_forward(model, (shape[0], shape[1], shape[2]), device, compile=compile)
    (form,) = json.loads(dense.attrs["evaluation"]).values()
    return Benchmark(
        title=f"Sampling {run.spec.arch}, width {run.spec.width}",
        unit="points",
        measured=(usual, plain, ours, refined, roof),
        growth=_growth(model, run.spec.arch, planes, device, widths),
        notes={
            "form of the network": form["form"],
            "share evaluated again in plain fp32": float(dense.reevaluated.sum() / dense.evaluated.sum()),
            "share of the picture's points evaluated": float(picture.evaluated.sum() / picture.labels.size),
            "picture, seconds": picture_seconds,
            "picture the usual way, seconds (from its points per second)": _PICTURE[0] ** 2 / usual.rate,
            "wrong among 4,000 of the picture's points drawn at random": _wrong(model, planes[:1], picture, device),
            "memory a picture takes beyond the network, MiB": memory,
        },
    )


def _seconds(
    model: Any, planes: PlaneSet, device: torch.device, resolution: int, padding: float, *, refine: bool = False
) -> tuple[float, xr.Dataset]:
    """How long sampling takes, and what it gives."""
    found: list[xr.Dataset] = []
    options = {"resolution": resolution, "padding": padding, "refine": refine, "device": str(device)}
    seconds = seconds_of(lambda: found.append(sample(model, planes, **options)), device)
    return seconds, found[0]


def _wrong(model: nn.Module, planes: PlaneSet, maps: xr.Dataset, device: torch.device, count: int = 4000) -> int:
    """Labels that differ from plain fp32's, of points drawn at random from all."""
    resolution, padding = _PICTURE
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
    """Seconds against the resolution of a refined picture, the planes, the models and the width."""
    resolutions, counts, models = (125, 250, 500), (1, 2, 4), (1, 2, 4)

    def dense(many: Any, chosen: PlaneSet) -> float:
        return _seconds(many, chosen, device, *_SCORE)[0]

    def of_width(width: int) -> nn.Module:
        return build(arch, width=width).eval().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    refined = [_seconds(model, planes[:1], device, r, 0.5, refine=True)[0] for r in resolutions]
    found = [
        ("resolution, refined", resolutions, refined),
        ("planes", counts, [dense(model, planes[:count]) for count in counts]),
        ("models", models, [dense([model] * count, planes[:1]) for count in models]),
        ("width", tuple(widths), [dense(of_width(width), planes[:1]) for width in widths]),
    ]
    return tuple(Growth(over=over, values=v, seconds=tuple(s)) for over, v, s in found if v)
