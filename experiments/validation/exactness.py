"""Labels of `dbviz.sample` against plain fp32 evaluation, for every architecture of the registry.

Each network is evaluated twice on the same planes through CIFAR-10 test triplets: by `dbviz.sample` in its fast form,
and as a function, which is always evaluated as it is, in fp32, at every point. The labels that differ are counted; none
should. Widths are those of the preset `quick`, which a CPU can evaluate; one epoch on few images is enough training for
boundaries and logits like a trained network's.

Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      12 min 22 s of evaluation for eleven architectures, both ways together; their one-epoch trainings are not
           recorded.
Result:    0 of 18,000 labels differ for each of densenet121, fcnet, mlp, mlp_mixer, resnet18, resnet18k, vgg19, vit,
           wideresnet28_10 and wideresnet28_20 (30 x 30 points), 0 of 8,000 for wideresnet28_30 (20 x 20).
Files:     experiments/results/exactness/

    python experiments/validation/exactness.py --resolution 30
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

import dbviz
from dbviz.cli.console import run_command
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.models.registry import ARCHITECTURES


@dataclass(frozen=True, kw_only=True)
class Options:
    """Counts the labels that differ from plain fp32."""

    arch: tuple[str, ...] = tuple(ARCHITECTURES)
    """Architectures; all of the registry by default."""
    triplets: int = 20
    """The number of planes through test images."""
    resolution: int = 50
    """Points on each side of a plane."""
    train_size: int | None = 4000
    """Training images; `None` for the preset's."""
    epochs: int | None = 1
    """Passes over them; `None` for the preset's."""
    home: Path = Path("runs")
    """Where runs are kept."""
    out: Path = Path("experiments/results/exactness/exactness.json")
    """Where the numbers are written, as JSON."""


def main(options: Options) -> None:
    planes = dbviz.draw_planes(dbviz.load_images("cifar10").test, options.triplets, seed=1)
    results = {}
    for arch in options.arch:
        results[arch] = compare(arch, planes, options)
        write_result(options.out, {"architectures": results})  # after each, since it takes long
    columns = ["architecture", "width", "test accuracy", "form", "labels", "different", "re-evaluated in fp32", "speed"]
    rows = [
        [
            arch,
            str(result["width"]),
            f"{result['test_accuracy']:.1%}",
            result["form"],
            f"{result['labels']:,}",
            str(result["different"]),
            f"{result['reevaluated']:.1%}",
            f"{result['plain_seconds'] / result['seconds']:.2f} x",
        ]
        for arch, result in results.items()
    ]
    print_table("Labels against plain fp32", columns, rows)
    say(f"Numbers: {options.out}")


def compare(arch: str, planes: dbviz.PlaneSet, options: Options) -> dict[str, Any]:
    """The number of labels of one network that differ, and the seconds of both ways."""
    training = {"epochs": options.epochs, "train_size": options.train_size}
    changes: dict[str, Any] = {name: value for name, value in training.items() if value is not None}
    (run,) = dbviz.fit(arch, preset="quick", home=options.home, progress=False, device="cpu", **changes)
    network = run.model()
    fast, seconds = timed(network, planes, options.resolution)
    plain, plain_seconds = timed(lambda images: network(images), planes, options.resolution)
    (evaluation,) = json.loads(fast.attrs["evaluation"]).values()
    result = {
        "width": run.spec.width,
        "test_accuracy": run.test_accuracy,
        "labels": fast.labels.size,
        "different": int((fast.labels != plain.labels).sum()),
        "reevaluated": float(fast.reevaluated.sum() / fast.evaluated.sum()),
        **evaluation,
        "seconds": seconds,
        "plain_seconds": plain_seconds,
    }
    say(f"{arch}: {result['different']} of {result['labels']:,} labels differ")
    return result


def timed(model: Any, planes: dbviz.PlaneSet, resolution: int) -> tuple[xr.Dataset, float]:
    """The label maps of one network, and the seconds that sampling took."""
    began = time.perf_counter()
    maps = dbviz.sample(model, planes, resolution=resolution, device="cpu")
    return maps, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(run_command("python experiments/validation/exactness.py", Options, main))
