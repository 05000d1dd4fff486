"""The chosen form is correct, its error is measured, and networks without other forms stay as they are."""

import jaxtyping
import pytest
import torch
from helpers import points_of
from torch import Tensor, nn

from dbviz.label_maps import calibration
from dbviz.label_maps.calibration import calibrated
from dbviz.label_maps.grid import GridPoints
from dbviz.label_maps.linear_first_layer import LinearFirstForm
from dbviz.label_maps.predictor import errors, fast_logits, plain_predictor
from dbviz.models import build

CPU = torch.device("cpu")


def images(count: int = 128) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def sample() -> GridPoints:
    return points_of(images())


@pytest.fixture(autouse=True)
def _evaluation():
    jaxtyping.config.update("jaxtyping_disable", True)  # the proxies of torch.fx are not tensors to it
    with torch.inference_mode():
        yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def always_faster(monkeypatch):
    """Makes every form good enough, whatever the times measured."""
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", torch.inf)
    monkeypatch.setattr(calibration, "_GOOD_RELATIVE_TIME", torch.inf)


@pytest.fixture
def in_bf16(monkeypatch):
    monkeypatch.setattr(calibration, "default_precision", lambda _: "bf16")


def network(**options) -> nn.Module:
    return build("resnet18", width=2, **options).eval()


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_the_error_bound_in_bf16_is_twice_the_largest_error():
    predictor = plain_predictor("net", network(), CPU)
    fast = calibrated(predictor, sample(), 10_000).fast
    assert fast is not None
    assert fast.how.startswith("bf16")
    logits, exact = fast_logits(fast, sample()), predictor.plain(images())
    assert 0 < fast.error_bound == pytest.approx(2 * float(errors(logits, exact).amax()), rel=1e-3)
    assert torch.allclose((logits - exact).mean(0), torch.zeros(10), atol=1e-6)


@pytest.mark.usefixtures("always_faster")
def test_hardware_without_bf16_uses_fp32(monkeypatch):
    monkeypatch.setattr(calibration, "default_precision", lambda _: "fp32")
    assert calibrated(plain_predictor("net", network(), CPU), sample(), 10_000).how == "fp32, folded"


def test_a_form_that_saves_no_time_is_not_used(monkeypatch):
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", 0.0)
    assert calibrated(plain_predictor("net", network(), CPU), sample(), 10_000).how == "plain"


class Picky(nn.Module):
    """Accepts images in fp32 only."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 32 * 32, 5)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            raise TypeError("not fp32")
        return self.head(x.flatten(1))


def without_statistics() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(4 * 900, 5)
    )


@pytest.mark.usefixtures("always_faster", "in_bf16")
@pytest.mark.parametrize(
    "module",
    [Picky(), without_statistics(), Picky().double(), nn.Flatten()],
    ids=["fails in bf16", "depends on its batch", "fp64", "no parameters"],
)
def test_networks_without_other_forms_stay_as_they_are(module):
    predictor = plain_predictor("net", module.eval(), CPU)
    assert calibrated(predictor, sample(), 10_000) is predictor


@pytest.mark.usefixtures("always_faster", "in_bf16")
@pytest.mark.parametrize("arch", ["mlp", "random_features"])
def test_a_linear_first_layer_is_evaluated_by_plane(arch):
    predictor = plain_predictor("net", build(arch, width=8).eval(), CPU)
    fast = calibrated(predictor, sample(), 10_000).fast
    assert fast is not None
    assert isinstance(fast.evaluate, LinearFirstForm)
    assert fast.how == "fp32, first layer by plane"
    largest = float(errors(fast_logits(fast, sample()), predictor.plain(images()).float()).amax())
    assert fast.error_bound == pytest.approx(16 * largest, rel=1e-3)
    assert 0 < fast.error_bound < 1e-4


@pytest.mark.parametrize(("seconds", "pays"), [(100.0, False), (1000.0, True)])
def test_compilation_repays_itself_in_long_evaluations(seconds, pays):
    assert calibration._repays_compilation(network(), seconds) is pays  # 62 layers, about 20 seconds to compile


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_form_that_cannot_be_compiled_is_used_uncompiled(monkeypatch):
    def fail(*_, **__):
        return lambda _: 1 / 0

    monkeypatch.setattr(calibration, "_repays_compilation", lambda *_: True)
    monkeypatch.setattr(torch, "compile", fail)
    assert calibrated(plain_predictor("net", network(), CPU), sample(), 10**9).how in (
        "bf16, folded",
        "bf16 autocast, folded",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_compiled_form_is_as_accurate_as_any(monkeypatch):
    monkeypatch.setattr(calibration, "_repays_compilation", lambda *_: True)
    predictor = calibrated(plain_predictor("net", network(), CPU), sample(), 10**9)
    assert predictor.how.endswith("compiled")
    assert predictor.fast is not None
    difference = fast_logits(predictor.fast, sample()) - predictor.plain(images())
    assert float(difference.abs().amax()) < 0.1
