"""The chosen form is correct, its error is measured, and networks without other forms stay as they are."""

import os
from dataclasses import replace

import jaxtyping
import pytest
import torch
from helpers import points_of
from torch import Tensor, nn

from dbviz.label_maps import calibration, compiling
from dbviz.label_maps.calibration import calibrated, forms
from dbviz.label_maps.grid import GridPoints
from dbviz.label_maps.kept_calibration import Calibration, CalibrationFile
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
def test_compilation_repays_itself_in_long_evaluations(seconds, pays, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    # 62 layers, about 20 seconds to compile
    assert compiling.repays_compilation(network(), "bf16, folded", 128, seconds) is pays


def test_code_that_is_kept_repays_itself_sooner(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compiling.record_compilation(network(), "bf16, folded", 128)
    assert compiling.repays_compilation(network(), "bf16, folded", 128, 100.0)  # of other weights: the same code
    assert not compiling.repays_compilation(network(), "fp32, folded", 128, 100.0)
    assert not compiling.repays_compilation(build("resnet18", width=3), "bf16, folded", 128, 100.0)


def test_compiled_code_is_kept_below_the_users_cache_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "restored afterwards")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr(compiling.platformdirs, "user_cache_path", lambda _: tmp_path)
    compiling.record_compilation(network(), "bf16, folded", 128)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compiled")
    assert list((tmp_path / "compiled").iterdir())


def test_more_networks_are_compiled_than_the_compiler_keeps_for_one_line_of_python():
    def form(weight: Tensor):
        return lambda images: images * weight

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = [torch.compile(compiling._with_own_code(form(torch.ones(3 + n))), backend="eager") for n in range(10)]
    for n, forward in enumerate(compiled):
        assert forward(torch.ones(2, 3 + n)).sum() == 2 * (3 + n)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 10


def test_forms_in_half_precision_are_tried_by_device(monkeypatch):
    monkeypatch.setattr(calibration, "default_precision", lambda _: "bf16")
    tried = {kind: [how for how, _ in forms(network(), torch.device(kind))] for kind in ("cpu", "cuda")}
    assert tried["cuda"] == ["fp16, folded", "fp16 autocast, folded", "fp32, folded"]
    assert tried["cpu"] == ["bf16, folded", "bf16 autocast, folded", "fp32, folded"]
    monkeypatch.setattr(calibration, "default_precision", lambda _: "fp32")
    assert [how for how, _ in forms(network(), CPU)] == ["fp32, folded"]


@pytest.mark.usefixtures("always_faster")
def test_a_form_that_overflows_in_fp16_is_not_used(monkeypatch):
    monkeypatch.setattr(calibration, "low_precision", lambda _: "fp16")
    first = nn.Linear(3072, 5)
    large = nn.Sequential(nn.Flatten(), nn.Identity(), first, nn.Linear(5, 5)).eval()
    nn.init.constant_(first.weight, 1e5)
    monkeypatch.setattr(calibration, "linear_first", lambda _: None)
    assert calibrated(plain_predictor("net", large, CPU), sample(), 10_000).how == "plain"


@pytest.fixture
def kept(tmp_path) -> CalibrationFile:
    return CalibrationFile(tmp_path / "calibration.json", "resnet18 on this machine")


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_kept_calibration_is_used_without_measuring_again(kept, monkeypatch):
    predictor = plain_predictor("net", network(), CPU)
    first = calibrated(predictor, sample(), 10_000, kept=kept).fast
    monkeypatch.setattr(calibration, "_fastest", None)
    second = calibrated(predictor, sample(), 10_000, kept=kept).fast
    assert first is not None
    assert second is not None
    assert (second.how, second.error_bound) == (first.how, first.error_bound)
    assert torch.equal(second.offset, first.offset)
    with pytest.raises(TypeError):
        calibrated(predictor, sample(), 10_000, kept=replace(kept, key="another machine"))


@pytest.mark.usefixtures("always_faster", "in_bf16")
@pytest.mark.parametrize(("share", "measured"), [(0.9, False), (0.3, True)])
def test_a_kept_bound_is_raised_or_measured_anew_where_it_is_too_small(kept, share, measured, monkeypatch):
    predictor = plain_predictor("net", network(), CPU)
    calibrated(predictor, sample(), 10_000, kept=kept)
    right = kept.read()
    assert right is not None
    kept.write(replace(right, error_bound=share * right.error_bound))
    calls, fastest = [], calibration._fastest
    monkeypatch.setattr(calibration, "_fastest", lambda *a: calls.append(a) or fastest(*a))
    fast = calibrated(predictor, sample(), 10_000, kept=kept).fast
    assert fast is not None
    assert bool(calls) == measured
    assert fast.error_bound == pytest.approx(right.error_bound, rel=1e-3)
    assert kept.read() == replace(right, error_bound=fast.error_bound, seconds=kept.read().seconds)  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"resnet18 on this machine": {"how": 3}}', '{"resnet18 on this machine": 1}']
)
def test_a_damaged_calibration_is_none(kept, text):
    kept.path.write_text(text)
    assert kept.read() is None
    choice = Calibration("plain", (), 0.0, 1e-3)
    kept.write(choice)
    assert kept.read() == choice
    kept.write(None)
    assert kept.read() is None


def test_a_calibration_that_cannot_be_written_is_not_kept(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    unwritable = CalibrationFile(tmp_path / "file" / "calibration.json", "key")
    unwritable.write(Calibration("plain", (), 0.0, 1e-3))
    assert unwritable.read() is None


@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_form_that_cannot_be_compiled_is_used_uncompiled(monkeypatch):
    def fail(*_, **__):
        return lambda _: 1 / 0

    monkeypatch.setattr(calibration, "repays_compilation", lambda *_: True)
    monkeypatch.setattr(torch, "compile", fail)
    assert calibrated(plain_predictor("net", network(), CPU), sample(), 10**9).how in (
        "bf16, folded",
        "bf16 autocast, folded",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("always_faster", "in_bf16")
def test_a_compiled_form_is_as_accurate_as_any(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(calibration, "repays_compilation", lambda *_: True)
    predictor = calibrated(plain_predictor("net", network(), CPU), sample(), 10**9)
    assert predictor.how.endswith("compiled")
    assert predictor.fast is not None
    difference = fast_logits(predictor.fast, sample()) - predictor.plain(images())
    assert float(difference.abs().amax()) < 0.1
