"""Labels of `dbviz.sample` against plain fp32 evaluation, for every architecture of the registry.

Each network is evaluated twice on the same planes through CIFAR-10 test triplets: as `dbviz.sample` does it, and as a
function, which is always evaluated as it is, in fp32, point by point. Their labels are counted where they differ: none
should. The networks have the widths of the preset `quick`, which a CPU can evaluate; one epoch on few images is enough
training for boundaries and logits of a trained network's kind. Expected: about ten minutes on one core of an AMD EPYC.

    python experiments/exactness.py --out experiments/results/exactness.json
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
import xarray as xr

import dbviz
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.models.registry import ARCHITECTURES


@dataclass(frozen=True, kw_only=True)
class Options:
    """Counts the labels that differ from plain fp32."""

    arch: tuple[str, ...] = tuple(ARCHITECTURES)
    triplets: int = 20
    resolution: int = 50
    train_size: int | None = 4000
    """Training images; `None` for the preset's."""
    epochs: int | None = 1
    """Passes over them; `None` for the preset's."""
    home: Path = Path("runs")
    out: Path = Path("experiments/results/exactness.json")


def main(options: Options) -> None:
    planes = dbviz.draw_planes(dbviz.load_images("cifar10").test, options.triplets, seed=1)
    found = {}
    for arch in options.arch:
        found[arch] = compare(arch, planes, options)
        write_result(options.out, {"architectures": found})  # after each, since it takes long
    columns = ["architecture", "width", "test accuracy", "form", "labels", "different", "again in fp32", "speed"]
    rows = [
        [
            arch,
            str(one["width"]),
            f"{one['test_accuracy']:.1%}",
            one["form"],
            f"{one['labels']:,}",
            str(one["different"]),
            f"{one['reevaluated']:.1%}",
            f"{one['plain_seconds'] / one['seconds']:.2f} x",
        ]
        for arch, one in found.items()
    ]
    print_table("Labels against plain fp32", columns, rows)
    say(f"Numbers: {options.out}")


def compare(arch: str, planes: dbviz.PlaneSet, options: Options) -> dict[str, Any]:
    """How the labels of one network compare, and how long both ways took."""
    chosen = {"epochs": options.epochs, "train_size": options.train_size}
    changes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    (run,) = dbviz.fit(arch, preset="quick", home=options.home, progress=False, device="cpu", **changes)
    network = run.model()
    ours, seconds = timed(network, planes, options.resolution)
    plain, plain_seconds = timed(lambda images: network(images), planes, options.resolution)
    (how,) = json.loads(ours.attrs["evaluation"]).values()
    result = {
        "width": run.spec.width,
        "test_accuracy": run.test_accuracy,
        "labels": ours.labels.size,
        "different": int((ours.labels != plain.labels).sum()),
        "reevaluated": float(ours.reevaluated.sum() / ours.evaluated.sum()),
        **how,
        "seconds": seconds,
        "plain_seconds": plain_seconds,
    }
    say(f"{arch}: {result['different']} of {result['labels']:,} labels differ")
    return result


def timed(model: Any, planes: dbviz.PlaneSet, resolution: int) -> tuple[xr.Dataset, float]:
    began = time.perf_counter()
    maps = dbviz.sample(model, planes, resolution=resolution, device="cpu")
    return maps, time.perf_counter() - began


if __name__ == "__main__":
    main(tyro.cli(Options))
