"""One 500 x 500 plane: points per second and memory of `dbviz.sample` against the usual way of doing it.

The usual way is a Dataset that builds one point at a time on the CPU, behind a two-worker DataLoader with batches of
256, evaluated in fp32, predictions collected row by row. It is timed on a part of the points (--usual-points), since
a whole picture takes minutes; both figures are points per second in one process on one machine. Memory is the growth
of the process's peak while sampling, the network and the plane already there. Expected on two CPU cores: seconds for
dbviz, minutes for the usual way.

    python experiments/sampling_speed.py --out experiments/results/sampling_speed.json
"""

import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from torch.utils.data import DataLoader, Dataset

from dbviz.console import print_table
from dbviz.images import shapes
from dbviz.models import build
from dbviz.regions import Plane, draw_planes, sample
from dbviz.results import write_result


@dataclass(frozen=True, kw_only=True)
class Options:
    """Times `dbviz.sample` on one plane against a DataLoader over single points."""

    arch: str = "resnet18"
    width: int = 16
    resolution: int = 500
    usual_points: int = 5000
    """Points that the usual way is timed on."""
    out: Path = Path("experiments/results/sampling_speed.json")


class PointByPoint(Dataset):
    """One point of a plane at a time, computed on the CPU when it is asked for."""

    def __init__(self, plane: Plane, a: np.ndarray, b: np.ndarray) -> None:
        self.plane, self.a, self.b = plane, a, b

    def __len__(self) -> int:
        return len(self.a) * len(self.b)

    def __getitem__(self, index: int) -> torch.Tensor:
        row, column = divmod(index, len(self.a))
        return self.plane.origin + float(self.a[column]) * self.plane.u + float(self.b[row]) * self.plane.v


def usual_way(
    model: torch.nn.Module, plane: Plane, a: np.ndarray, b: np.ndarray, points: int
) -> tuple[list[int], float]:
    """Labels of the first `points` points, and the seconds they took."""
    subset = torch.utils.data.Subset(PointByPoint(plane, a, b), range(points))
    labels, began = [], time.perf_counter()
    with torch.no_grad():
        for batch in DataLoader(subset, batch_size=256, num_workers=2):
            for row in model(batch):
                labels.append(int(row.argmax()))
    return labels, time.perf_counter() - began


def peak_memory() -> float:
    """The process's largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(options: Options) -> None:
    images = shapes(100, split="test")
    plane_set = draw_planes(images, 1)
    model = build(options.arch, width=options.width).eval().to(memory_format=torch.channels_last)
    sample(model, plane_set, resolution=20)  # first calls allocate what every later one uses
    before = peak_memory()
    began = time.perf_counter()
    maps = sample(model, plane_set, resolution=options.resolution, margin=0.5)
    ours, memory = time.perf_counter() - began, peak_memory() - before

    plane = plane_set[0]
    a, b = plane.axes(options.resolution, 0.5)
    labels, theirs = usual_way(model, plane, a, b, options.usual_points)
    different = int((maps.labels.values.reshape(-1)[: options.usual_points] != np.array(labels)).sum())
    speed, usual_speed = options.resolution**2 / ours, options.usual_points / theirs
    print_table(
        f"{options.arch} of width {options.width}, {options.resolution} x {options.resolution} points",
        ["", "points/s", "ratio", "peak memory beyond the start"],
        [
            ["dbviz.sample", f"{speed:,.0f}", f"{speed / usual_speed:.1f} x", f"{memory:,.0f} MiB"],
            ["Dataset a point, DataLoader", f"{usual_speed:,.0f}", "1 x", ""],
        ],
    )
    print(f"{different} of {options.usual_points:,} labels differ")
    result = {
        "points_per_second": speed,
        "usual_points_per_second": usual_speed,
        "peak_memory_mib": memory,
        "labels_different": different,
        "options": {"arch": options.arch, "width": options.width, "resolution": options.resolution},
    }
    print(f"Numbers: {write_result(options.out, result)}")


if __name__ == "__main__":
    main(tyro.cli(Options))
