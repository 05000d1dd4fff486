"""How fast networks are scored: from networks to reproducibility and fragmentation."""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from dbviz.benchmarks.baseline import baseline_labels
from dbviz.benchmarks.measuring import Benchmark, Growth, Timing, bare_forward, seconds_of
from dbviz.label_maps import sample
from dbviz.planes import PlaneSet
from dbviz.runs import Run
from dbviz.scores import fragmentation, reproducibility_matrix

__all__ = ["benchmark_scores"]

_RESOLUTION, _PADDING = 50, 0.1


def benchmark_scores(
    runs: Sequence[Run], planes: PlaneSet, device: torch.device, *, baseline_points: int = 2500, compile: bool = False
) -> Benchmark:
    """Points per second from runs to reproducibility and fragmentation, on scoring grids of 50 x 50 points.

    Args:
        baseline_points: the number of points of one plane on which the baseline is timed.
        compile: the upper bound may be the compiled network's.

    Example:
        >>> import dbviz
        >>> runs = dbviz.fit("resnet18", dataset="cifar10", seeds=[0, 1], preset="quick")  # doctest: +SKIP
        >>> planes = dbviz.draw_planes(dbviz.load_images("cifar10").test, 8)  # doctest: +SKIP
        >>> benchmark = benchmark_scores(runs, planes, torch.device("cpu"))  # doctest: +SKIP
    """
    networks = {run.spec.name: run.model(device) for run in runs}
    first = networks[runs[0].spec.name]
    points = min(baseline_points, _RESOLUTION**2)
    baseline = seconds_of(lambda: baseline_labels(first, planes[:1], _RESOLUTION, _PADDING, points, device), device)
    sampled: list[xr.Dataset] = []
    sampling = seconds_of(lambda: sampled.append(sample(networks, planes, device=str(device))), device)
    (maps,) = sampled
    scoring = seconds_of(lambda: _scores(maps), device)
    shape = planes[0].origin.shape
    return Benchmark(
        title=f"Scoring {len(runs)} networks ({runs[0].spec.arch}, width {runs[0].spec.width}) on {len(planes)} planes",
        unit="points",
        timings=(
            Timing(method="baseline: Dataset of points, DataLoader, fp32 (no scores)", amount=points, seconds=baseline),
            Timing(method="dbviz.sample and the scores", amount=maps.labels.size, seconds=sampling + scoring),
            Timing(method="the scores alone, from label maps", amount=maps.labels.size, seconds=scoring),
            bare_forward(first, (shape[0], shape[1], shape[2]), device, compile=compile),
        ),
        growth=_growth(),
        notes={"fraction of points re-evaluated in plain fp32": float(maps.reevaluated.sum() / maps.evaluated.sum())},
    )


def _scores(maps: xr.Dataset) -> None:
    reproducibility_matrix(maps)
    fragmentation(maps)


def _growth() -> tuple[Growth, ...]:
    """Seconds of the scores alone against the number of planes and of models."""
    planes, models = (20, 100, 500), (2, 4, 8)
    cpu = torch.device("cpu")
    over_planes = [seconds_of(lambda n=n: _scores(_random_maps(4, n)), cpu) for n in planes]
    over_models = [seconds_of(lambda n=n: _scores(_random_maps(n, 100)), cpu) for n in models]
    return (
        Growth(variable="planes, scores alone", values=planes, seconds=tuple(over_planes)),
        Growth(variable="models, scores alone", values=models, seconds=tuple(over_models)),
    )


def _random_maps(models: int, planes: int) -> xr.Dataset:
    """Label maps in patches of 5 x 5 points, of one architecture."""
    coarse = np.random.default_rng(0).integers(0, 10, (models, planes, _RESOLUTION // 5, _RESOLUTION // 5))
    labels = coarse.repeat(5, 2).repeat(5, 3).astype(np.uint8)
    coordinates = {"arch": ("model", np.full(models, "net")), "seed": ("model", np.arange(models).astype(str))}
    return xr.Dataset({"labels": (("model", "plane", "row", "column"), labels)}, coordinates)
