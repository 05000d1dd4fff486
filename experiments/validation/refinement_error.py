"""Refined label maps against dense ones as a function of the caution, on trained networks.

The logits of every point are computed once; refinement then reads them from that table instead of evaluating the
network, with one caution after the other. The last network is trained with a fifth of the labels wrong, which makes its
regions fragmented. Counted are the labels that differ from the dense map, and the share of points that were evaluated.

Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      About ten minutes on one core once the networks are trained (expected, not recorded).
Result:    At the default caution of 0.25 none of 51,200 labels differs for any of the four networks, with 16.1 % to
           19.9 % of the points evaluated; at caution 0, 19 labels of the fragmented network differ.
Files:     experiments/results/refinement_error/

    python experiments/validation/refinement_error.py
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dbviz
from dbviz.cli.console import run_command
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.label_maps.calibration import calibrated
from dbviz.label_maps.grid import Grid
from dbviz.label_maps.predictor import label, plain_predictor
from dbviz.label_maps.refinement import refined
from dbviz.scores.fragmentation import fragments
from dbviz.training.evaluation import eval_mode

CAUTIONS = (0.0, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Counts the labels that refinement gets wrong."""

    arch: tuple[str, ...] = ("resnet18", "vit", "fcnet")
    """Architectures of the networks trained on the given labels."""
    triplets: int = 2
    """The number of planes through test images."""
    resolution: int = 160
    """Points on each side of a plane."""
    padding: float = 0.5
    """The extent of a plane beyond its three images, as a share of the side of their bounding box."""
    noise: float = 0.2
    """Share of wrong labels that the last network, a narrow resnet18, is trained on."""
    home: Path = Path("runs")
    """Where runs are kept."""
    out: Path = Path("experiments/results/refinement_error/refinement_error.json")
    """Where the numbers are written, as JSON."""


def main(options: Options) -> None:
    images = dbviz.load_images("cifar10")
    planes = dbviz.draw_planes(images.test, options.triplets, seed=0)
    fit: dict[str, Any] = {"preset": "quick", "home": options.home, "progress": False, "device": "cpu"}
    runs = {arch: dbviz.fit(arch, **fit)[0] for arch in options.arch}
    noisy = with_wrong_labels(images, options.noise)
    narrow: dict[str, Any] = {"width": 8, "train_size": 4000, "epochs": 12, "augmentation": "none"}
    runs[f"resnet18, {options.noise:.0%} noise"] = dbviz.fit("resnet18", dataset=noisy, **fit, **narrow)[0]
    results = {name: errors(run, planes, options) for name, run in runs.items()}
    columns = ["network", "test accuracy", "fragments", *(f"caution {caution:g}" for caution in CAUTIONS)]
    rows = [
        [name, f"{result['test_accuracy']:.1%}", f"{result['fragments']:.0f}", *(cell(result, c) for c in CAUTIONS)]
        for name, result in results.items()
    ]
    print_table("Labels that differ, of the share of points evaluated", columns, rows)
    say(f"Numbers: {write_result(options.out, {'networks': results, 'points': planes_points(options)})}")


def planes_points(options: Options) -> int:
    return options.triplets * options.resolution**2


def cell(result: dict[str, Any], caution: float) -> str:
    counts = result["cautions"][str(caution)]
    return f"{counts['different']} ({counts['evaluated']:.1%})"


def with_wrong_labels(images: dbviz.Images, share: float) -> dbviz.Images:
    """The images with a share of the training labels replaced by a uniformly chosen other class."""
    rng = np.random.default_rng(0)
    labels, count = images.train.labels.copy(), len(images.class_names)
    wrong = rng.random(len(labels)) < share
    labels[wrong] = (labels[wrong] + rng.integers(1, count, int(wrong.sum()))) % count
    pairs = (images.train.pixels, labels), (images.test.pixels, images.test.labels)
    return dbviz.Images.from_arrays(*pairs, name="noisy", class_names=images.class_names)


def errors(run: dbviz.Run, planes: dbviz.PlaneSet, options: Options) -> dict[str, Any]:
    """For each caution the number of labels that differ from the dense map, and the share of points evaluated."""
    logits = dense_logits(run, planes, options)
    side, count = options.resolution, len(planes)
    truth = logits.argmax(1).reshape(count, side, side).astype(np.uint8)
    cautions = {}
    for caution in CAUTIONS:
        maps = refined(lambda points: logits[points], count, side, caution=caution)
        different = int((maps.labels != truth).sum())
        cautions[str(caution)] = {"different": different, "evaluated": float(maps.evaluated.mean())}
    pieces = float(fragments(truth[None], 8).mean())
    say(f"{run.spec.name}: {json.dumps(cautions)}")
    return {"run": run.spec.name, "test_accuracy": run.test_accuracy, "fragments": pieces, "cautions": cautions}


def dense_logits(run: dbviz.Run, planes: dbviz.PlaneSet, options: Options) -> np.ndarray:
    """Logits (point, class), in which the class of the largest is that of plain fp32."""
    cpu = torch.device("cpu")
    grid = Grid.of(planes.planes, [plane.axes(options.resolution, options.padding) for plane in planes], cpu)
    network, points = run.model(), np.arange(grid.planes * grid.points)
    with eval_mode(network):
        sample = np.sort(np.random.default_rng(0).choice(points, 512, replace=False))
        predictor = calibrated(plain_predictor(run.spec.name, network, cpu), grid.at(sample), len(points))
        parts = np.array_split(points, -(-len(points) // 1024))
        return torch.cat([label(predictor, grid.at(part)).logits for part in parts]).numpy()


if __name__ == "__main__":
    sys.exit(run_command("python experiments/validation/refinement_error.py", Options, main))
