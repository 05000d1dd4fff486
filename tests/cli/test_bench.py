"""The command times all methods in one run and writes what it printed."""

import json
import math

import pytest

from dbviz.cli import bench

TINY = ("--arch", "resnet18", "--dataset", "shapes", "--preset", "quick", "--epochs", "1", "--train-size", "64")
TINY += ("--width", "4", "--no-compile", "--device", "cpu", "--triplets", "2", "--images", "64", "--out", "results")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["sampling", "training", "seeds", "scores"])
def test_every_benchmark_prints_what_it_writes(what, tmp_path, capsys):
    seeds = ("--seeds", "0", "1") if what in ("scores", "seeds") else ()
    assert bench.main([what, *TINY, *seeds]) == 0
    printed = capsys.readouterr().out
    stem = tmp_path / "results" / f"bench-{what}-resnet18-cpu"
    numbers = json.loads(stem.with_suffix(".json").read_text())
    assert numbers["machine"] in printed
    assert len(numbers["timings"]) >= 3
    for timing in numbers["timings"]:
        assert f"{numbers['rates'][timing['method']]:,.0f}" in printed
        assert math.isclose(numbers["rates"][timing["method"]], timing["amount"] / timing["seconds"])
    assert stem.with_suffix(".png").stat().st_size > 10_000
    if what == "sampling":
        assert numbers["notes"]["wrong labels among 4,000 random points of the figure"] == 0


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
