"""The form that is taken is right, its error is measured, and what has no other form stays as it is."""

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from dbviz.label_maps import calibration
from dbviz.label_maps.calibration import calibrated
from dbviz.label_maps.predictor import errors, fast_logits, plain_predictor
from dbviz.models import build

CPU = torch.device("cpu")


def sample(count: int = 128) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _evaluation():
    jaxtyping.config.update("jaxtyping_disable", True)  # a symbol that torch.fx traces with is no tensor to it
    with torch.inference_mode():
        yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def always_faster(monkeypatch):
    """Makes every form worth its while, however the clock ran."""
    monkeypatch.setattr(calibration, "_WORTH", torch.inf)
    monkeypatch.setattr(calibration, "_ENOUGH", torch.inf)


@pytest.fixture
def in_bf16(monkeypatch):
    monkeypatch.setattr(calibration, "default_precision", lambda _: "bf16")


def network(**options) -> nn.Module:
    return build("resnet18", width=2, **options).eval()


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_the_reach_is_twice_the_largest_error_found():
    predictor = plain_predictor("net", network(), CPU)
    found = calibrated(predictor, sample(), 10_000).fast
    assert found is not None
    assert found.how.startswith("bf16")
    logits, exact = fast_logits(found, sample(), predictor.batch), predictor.plain(sample())
    assert 0 < found.error_bound == pytest.approx(2 * float(errors(logits, exact).amax()), rel=1e-3)
    assert torch.allclose((logits - exact).mean(0), torch.zeros(10), atol=1e-6)


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_exact_logits_take_no_bf16():
    found = calibrated(plain_predictor("net", network(), CPU), sample(), 10_000, exact_logits=True).fast
    assert found is not None
    assert found.how == "fp32, folded"
    assert found.error_bound < 1e-5


@pytest.mark.usefixtures("always_faster")
def test_hardware_without_bf16_takes_none(monkeypatch):
    monkeypatch.setattr(calibration, "default_precision", lambda _: "fp32")
    found = calibrated(plain_predictor("net", network(), CPU), sample(), 10_000)
    assert found.how == "fp32, folded"


def test_no_form_is_taken_that_saves_no_time(monkeypatch):
    monkeypatch.setattr(calibration, "_WORTH", 0.0)
    assert calibrated(plain_predictor("net", network(), CPU), sample(), 10_000).how == "plain"


class Picky(nn.Module):
    """Takes no images but in fp32."""

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
def test_what_has_no_other_form_stays_as_it_is(module):
    given = sample().double() if any(p.dtype == torch.float64 for p in module.parameters()) else sample()
    predictor = plain_predictor("net", module.eval(), CPU)
    assert calibrated(predictor, given, 10_000) == predictor


@pytest.mark.parametrize(("seconds", "pays"), [(100.0, False), (1000.0, True)])
def test_compiling_repays_from_some_length_on(seconds, pays):
    assert calibration._repays(network(), seconds) is pays  # 62 layers, so some 20 seconds to compile


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_form_that_cannot_be_compiled_is_used_as_it_is(monkeypatch):
    def fail(*_, **__):
        return lambda _: 1 / 0

    monkeypatch.setattr(calibration, "_repays", lambda *_: True)
    monkeypatch.setattr(torch, "compile", fail)
    assert calibrated(plain_predictor("net", network(), CPU), sample(), 10**9).how in (
        "bf16, folded",
        "bf16 autocast, folded",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_compiled_form_is_as_right_as_any(monkeypatch):
    monkeypatch.setattr(calibration, "_repays", lambda *_: True)
    predictor = calibrated(plain_predictor("net", network(), CPU), sample(), 10**9)
    assert predictor.how.endswith("compiled")
    assert predictor.fast is not None
    difference = fast_logits(predictor.fast, sample(), predictor.batch) - predictor.plain(sample())
    assert float(difference.abs().amax()) < 0.1
