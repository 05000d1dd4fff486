"""Rates and growth worked by hand, clocks that are faked, and memory that is seen."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dbviz.benchmarks import Benchmark, Growth, Timing, measuring
from dbviz.benchmarks.measuring import bare_forward, memory_growth, seconds_of, steady_seconds
from dbviz.models import build
from dbviz.training.device import evaluation_batch

CPU = torch.device("cpu")


def test_a_rate_is_the_amount_per_second():
    assert Timing(method="x", amount=30, seconds=2.0).rate == 15


@pytest.mark.parametrize(
    ("values", "seconds", "exponent"),
    [
        ((2, 4, 8), (1.0, 3.0, 16.0), 2.0),  # 16 times the time at 4 times the value; the middle does not count
        ((1, 10), (5.0, 50.0), 1.0),
        ((1, 100), (2.0, 20.0), 0.5),
        ((3, 6), (2.0, 2.0), 0.0),
        ((1, 2), (8.0, 1.0), -3.0),
    ],
)
def test_growth_is_a_power_of_the_value(values, seconds, exponent):
    assert Growth(variable="n", values=values, seconds=seconds).exponent == pytest.approx(exponent)


def test_the_baseline_is_the_first_timing_and_the_upper_bound_the_last():
    first, middle, last = (Timing(method=name, amount=1, seconds=1.0) for name in "abc")
    benchmark = Benchmark(title="", unit="points", timings=(first, middle, last))
    assert benchmark.baseline is first
    assert benchmark.upper_bound is last


def fake_clock(monkeypatch, *times: float) -> None:
    readings = iter(times)
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: next(readings)))


def test_the_time_of_a_call_is_the_difference_of_two_readings(monkeypatch):
    fake_clock(monkeypatch, 10.0, 12.5)
    calls = []
    assert seconds_of(lambda: calls.append(1), CPU) == 2.5
    assert len(calls) == 1


def test_the_steady_time_is_the_shortest_after_a_call_that_is_not_timed(monkeypatch):
    fake_clock(monkeypatch, 0.0, 3.0, 10.0, 11.0, 20.0, 25.0)
    calls = []
    assert steady_seconds(lambda: calls.append(1), CPU, repeats=3) == 1.0
    assert len(calls) == 4


@pytest.mark.parametrize("function", [seconds_of, memory_growth])
def test_a_gpu_is_waited_for_and_its_own_memory_counts(function, monkeypatch):
    calls = []
    allocated = iter([3 * 2**20, 10 * 2**20])
    cuda = SimpleNamespace(
        synchronize=lambda _: calls.append("synchronize"),
        reset_peak_memory_stats=lambda _: calls.append("reset"),
        memory_allocated=lambda _: next(allocated),
        max_memory_allocated=lambda _: next(allocated),
    )
    monkeypatch.setattr(measuring, "torch", SimpleNamespace(cuda=cuda))
    measured = function(lambda: calls.append("work"), torch.device("cuda"))
    if function is seconds_of:
        assert calls == ["synchronize", "work", "synchronize"]
    else:
        assert calls == ["reset", "work"]
        assert measured == 7.0  # MiB


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 1)])
def test_on_a_cpu_memory_growth_is_that_of_the_peak_in_mebibytes(platform, unit, monkeypatch):
    """Linux counts the peak in KiB, macOS in bytes."""
    peaks = iter([100 * 2**20 // unit, 612 * 2**20 // unit])
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=next(peaks)))
    monkeypatch.setattr(measuring, "resource", usage)
    monkeypatch.setattr(measuring, "sys", SimpleNamespace(platform=platform))
    calls = []
    assert memory_growth(lambda: calls.append(1), CPU) == 512.0
    assert len(calls) == 1


def test_the_peak_of_this_process_is_at_least_an_array_that_is_alive():
    array = np.ones((100, 2**20), np.uint8)
    assert measuring._peak() > array.nbytes / 2**20


def test_the_upper_bound_is_the_fastest_form_on_one_batch(monkeypatch):
    fast = build("fcnet", width=16)
    monkeypatch.setattr(measuring, "forms", lambda *_, **__: [("folded", fast)])
    monkeypatch.setattr(measuring, "steady_seconds", lambda *_: next(times))
    for readings, method in [((3.0, 2.0), "folded"), ((2.0, 3.0), "plain")]:
        times = iter(readings)
        timing = bare_forward(build("fcnet", width=16), (3, 32, 32), CPU, compile=False)
        assert timing.method == f"upper bound: bare forward pass ({method})"
        assert timing.seconds == 2.0
        assert timing.amount == evaluation_batch(CPU)


def test_a_compiled_network_is_the_upper_bound_only_where_it_is_faster(monkeypatch):
    network = build("fcnet", width=16)
    monkeypatch.setattr(measuring, "forms", lambda *_, **__: [("folded", network)])
    monkeypatch.setattr(measuring, "compiled", lambda forward, _: forward)
    monkeypatch.setattr(measuring, "steady_seconds", lambda *_: next(times))
    for compiled_seconds, method, seconds in [(1.0, "folded, compiled", 1.0), (4.0, "folded", 2.0)]:
        times = iter((3.0, 2.0, compiled_seconds))
        timing = bare_forward(network, (3, 32, 32), CPU, compile=True)
        assert (timing.method, timing.seconds) == (f"upper bound: bare forward pass ({method})", seconds)
