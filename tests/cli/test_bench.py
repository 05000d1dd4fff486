"""The command times all ways in one run and writes what it printed; the usual way is right, not only slow."""

import json
import math

import numpy as np
import pytest
import torch

from dbviz.benchmarks import Growth, Measured
from dbviz.benchmarks.baseline import AugmentedImages, baseline_labels
from dbviz.benchmarks.measuring import memory_growth, steady_seconds
from dbviz.cli import bench
from dbviz.label_maps import sample
from dbviz.models import build
from dbviz.planes import draw_planes

CPU = torch.device("cpu")


def test_the_usual_way_gives_the_same_labels(small_images):
    planes, network = draw_planes(small_images.test, 2), build("fcnet", width=16).eval()
    labels = baseline_labels(network, planes, 12, 0.1, 144, CPU)
    assert np.array_equal(sample(network, planes, resolution=12).labels.values.reshape(-1), labels)
    assert len(baseline_labels(network, planes[:1], 12, 0.1, 30, CPU)) == 30


def test_the_usual_images_are_normalised_and_vary(small_images):
    images = AugmentedImages(small_images.train)
    torch.manual_seed(0)
    image, label = images[3]
    assert image.shape == (3, 32, 32)
    assert label == small_images.train.labels[3]
    assert not all(torch.equal(image, images[3][0]) for _ in range(8))
    assert len(images) == 128


def test_rates_and_growth_by_hand():
    assert Measured(way="x", amount=30, seconds=2.0).rate == 15
    assert Growth(over="n", values=(2, 4, 8), seconds=(1.0, 3.0, 16.0)).power == pytest.approx(2.0)


def test_the_steady_time_is_the_shortest(monkeypatch):
    times = iter([0.0, 3.0, 10.0, 11.0, 20.0, 25.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    calls = []
    assert steady_seconds(lambda: calls.append(1), CPU, repeats=3) == 1.0
    assert len(calls) == 4


def test_memory_growth_sees_a_large_array():
    kept = []
    assert memory_growth(lambda: kept.append(np.ones((400, 2**20))), CPU) > 400


TINY = ("--arch", "resnet18", "--dataset", "shapes", "--preset", "quick", "--epochs", "1", "--train-size", "64")
TINY += ("--width", "4", "--no-compile", "--device", "cpu", "--triplets", "2", "--images", "64", "--out", "found")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["sampling", "training", "seeds", "scores"])
def test_every_benchmark_prints_what_it_writes(what, tmp_path, capsys):
    seeds = ("--seeds", "0", "1") if what in ("scores", "seeds") else ()
    assert bench.main([what, *TINY, *seeds]) == 0
    printed = capsys.readouterr().out
    stem = tmp_path / "found" / f"bench-{what}-resnet18-cpu"
    numbers = json.loads(stem.with_suffix(".json").read_text())
    assert numbers["machine"] in printed
    assert len(numbers["measured"]) >= 3
    for one in numbers["measured"]:
        assert f"{numbers['rates'][one['way']]:,.0f}" in printed
        assert math.isclose(numbers["rates"][one["way"]], one["amount"] / one["seconds"])
    assert stem.with_suffix(".png").stat().st_size > 10_000
    if what == "sampling":
        assert numbers["notes"]["wrong among 4,000 of the picture's points drawn at random"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sampling", "--arch", "vit", "fcnet"], "2 architectures given: a benchmark times one (--arch)"),
        (["training", "--images", "1"], "at least one plane (--triplets) and two images (--images)"),
        (["sampling", "--triplets", "0"], "at least one plane (--triplets) and two images (--images)"),
        (["seeds", *TINY], "seeds are timed against each other: give at least two (--seeds 0-7)"),
        (["scores", *TINY], "scores need at least two runs (--seeds 0 1) and two planes (--triplets)"),
    ],
)
def test_what_cannot_be_timed_is_said_in_a_line(arguments, message, capsys):
    assert bench.main(arguments) == 2
    assert message in capsys.readouterr().err
