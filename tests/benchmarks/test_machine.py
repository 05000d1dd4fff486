"""Upper bounds and speeds of this machine, of a tiny network: every number is there, and plausible."""

import pytest
import torch
from torch import nn

from dbviz.audits.machine import AuditedNetwork, Check, Scale
from dbviz.benchmarks import upper_bounds
from dbviz.benchmarks.machine import SPEEDS, MachineSpeeds
from dbviz.benchmarks.upper_bounds import convolution_precisions, convolution_rate, copy_rate, operations_per_image
from dbviz.models import build

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small_measurements(monkeypatch):
    monkeypatch.setattr(upper_bounds, "_IMAGES", {"cpu": 1})
    monkeypatch.setattr(upper_bounds, "_COPIED_BYTES", {"cpu": 2**20})


@pytest.fixture
def speeds(tmp_path):
    scale = Scale(train_images=32, test_images=16, batch_size=16)
    network = AuditedNetwork(arch="resnet18", width=1, device=CPU, home=tmp_path / "home", scale=scale)
    return MachineSpeeds(network=network, planes=1, seeds=2, figure_resolution=20)


def test_rates_are_of_the_work_that_was_timed(monkeypatch):
    monkeypatch.setattr(upper_bounds, "steady_seconds", lambda *_, **__: 0.5)
    assert copy_rate(CPU) == pytest.approx(2 * 2**20 / 0.5 / 1e9)
    convolution_rate.cache_clear()
    assert convolution_rate(CPU, "fp32") == pytest.approx(2 * 256 * 256 * 9 * 16 * 16 / 0.5 / 1e12)
    convolution_rate.cache_clear()


def test_operations_are_counted_for_one_image():
    convolution = nn.Conv2d(3, 8, 3, padding=1)
    assert operations_per_image(convolution, (3, 4, 4), CPU) == 2 * 8 * 3 * 9 * 16
    resnet = operations_per_image(build("resnet18"), (3, 32, 32), CPU)
    assert resnet == pytest.approx(1.11e9, rel=0.01)  # as published: 0.56 G multiplications and additions


def test_precisions_are_those_of_the_device(monkeypatch):
    monkeypatch.setattr(upper_bounds, "default_precision", lambda _: "fp32")
    assert convolution_precisions(CPU) == ("fp32",)
    assert convolution_precisions(torch.device("cuda")) == ("fp32", "tf32", "fp16")
    monkeypatch.setattr(upper_bounds, "default_precision", lambda _: "bf16")
    assert convolution_precisions(CPU) == ("fp32", "bf16")


@pytest.mark.slow
def test_every_speed_is_measured_beside_its_bound(speeds):
    checks = {event.name: event for event in speeds.run(speeds.checks) if isinstance(event, Check)}
    assert [name for name, check in checks.items() if not check.passed] == [], checks
    assert tuple(checks) == tuple(SPEEDS)
    measured = {speed.what: speed for check in checks.values() for speed in check.speeds}
    assert all(speed.value > 0 for speed in measured.values())
    bounds = [what for what, speed in measured.items() if speed.bound is None]
    assert all(what.startswith(("memory copy", "convolution")) for what in bounds)
    assert {speed.unit for speed in measured.values()} == {"GB/s", "TFLOP/s", "points/s", "images/s", "s", "ms"}
    assert len(checks["training"].speeds) == len(checks["side by side"].speeds) == 3
    speeds.clean()
    assert not speeds.network.home.exists()
