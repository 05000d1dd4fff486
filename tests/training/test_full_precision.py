"""What is called fp32 is computed in fp32, not TF32, and the user's precision is restored exactly."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dbviz.audits.settings import Settings, apply_settings
from dbviz.core.environment import environment
from dbviz.data import DeviceBatches, ImageSet, shapes
from dbviz.margins import measure_margins
from dbviz.models import build
from dbviz.spec import Recipe, Seeds
from dbviz.training import logits, train
from dbviz.training.device import full_precision
from dbviz.training.heads import head_logits

CPU = torch.device("cpu")
BACKENDS: Any = torch.backends
PARENTS = {"all": BACKENDS, "cuda": BACKENDS.cudnn, "mkldnn": BACKENDS.mkldnn}
ON_CUDA = {"conv": BACKENDS.cudnn.conv, "rnn": BACKENDS.cudnn.rnn, "matmul": BACKENDS.cuda.matmul}
OPERATIONS = ON_CUDA | {"mkldnn.conv": BACKENDS.mkldnn.conv, "mkldnn.matmul": BACKENDS.mkldnn.matmul}


def precisions() -> dict[str, str]:
    return {name: operation.fp32_precision for name, operation in (PARENTS | OPERATIONS).items()}


def legacy() -> list[Any]:
    """What the older interface returns; "raises" where it disagrees with the newer one."""
    values = []
    for read in (
        lambda: BACKENDS.cuda.matmul.allow_tf32,
        lambda: BACKENDS.cudnn.allow_tf32,
        torch.get_float32_matmul_precision,
    ):
        try:
            values.append(read())
        except RuntimeError:
            values.append("raises")
    return values


def inherited() -> dict[str, str]:
    """The precisions under each parent's: those of operations without a precision of their own follow it."""
    before = BACKENDS.cudnn.fp32_precision
    followed = {}
    for parent in ("ieee", "tf32"):
        BACKENDS.cudnn.fp32_precision = parent
        followed |= {f"{name} under {parent}": operation.fp32_precision for name, operation in ON_CUDA.items()}
    BACKENDS.cudnn.fp32_precision = "none" if before == BACKENDS.fp32_precision else before
    return followed


def everything() -> tuple[Any, ...]:
    return precisions(), legacy(), inherited()


@pytest.fixture
def user(request) -> Iterator[None]:
    """The settings of a user, set back as far as torch lets them be."""
    before, matmul = precisions(), torch.get_float32_matmul_precision()
    request.param()
    yield
    torch.set_float32_matmul_precision(matmul)
    for name, operation in (PARENTS | OPERATIONS).items():
        if operation.fp32_precision != before[name]:
            operation.fp32_precision = before[name]


def set_precision(target: Any, precision: str) -> Callable[[], None]:
    return lambda: setattr(target, "fp32_precision", precision)


USERS = {
    "default": lambda: None,
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "cuda ieee": set_precision(BACKENDS.cudnn, "ieee"),
    "all tf32": set_precision(BACKENDS, "tf32"),
    "matmul tf32": set_precision(BACKENDS.cuda.matmul, "tf32"),
    "conv ieee": set_precision(BACKENDS.cudnn.conv, "ieee"),
}
any_user = pytest.mark.parametrize("user", USERS.values(), ids=USERS.keys(), indirect=True)


@any_user
@pytest.mark.parametrize("block", [full_precision, lambda: apply_settings(Settings())], ids=["full", "audit"])
def test_every_operation_is_ieee_within_the_block_and_as_before_after_it(user, block):  # noqa: ARG001
    before = everything()
    on_cpu = {name: precision for name, precision in precisions().items() if name.startswith("mkldnn")}
    with block():
        assert {name: operation.fp32_precision for name, operation in ON_CUDA.items()} == dict.fromkeys(ON_CUDA, "ieee")
        assert on_cpu.items() <= precisions().items()
        if before[1][0] != "raises":
            assert BACKENDS.cuda.matmul.allow_tf32 is False
        if before[1][2] != "raises":
            assert environment()["float32_matmul_precision"] == before[1][2]
    assert everything() == before
    with pytest.raises(ZeroDivisionError), block():
        raise ZeroDivisionError
    assert everything() == before


@any_user
def test_an_audit_of_tf32_restores_the_settings_of_the_user(user):  # noqa: ARG001
    before = everything()
    with apply_settings(Settings(tf32=True)):
        assert {name: operation.fp32_precision for name, operation in ON_CUDA.items()} == dict.fromkeys(ON_CUDA, "tf32")
        if before[1][0] != "raises":
            assert BACKENDS.cuda.matmul.allow_tf32 is True
        assert environment()["fp32_precision"]["cuda.matmul"] == "tf32"
    assert everything() == before


class Recorder(nn.Module):
    """Class 0 for every image; records the precision of each forward pass, and raises where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.recorded: set[tuple[str, ...]] = set()
        self.raises = False

    def forward(self, x: Tensor) -> Tensor:
        self.recorded.add(tuple(operation.fp32_precision for operation in ON_CUDA.values()))
        if self.raises:
            raise ZeroDivisionError
        return self.weight + torch.zeros(len(x), 3).index_fill(1, torch.tensor(0), 1.0)


def trained(model: nn.Module, images: ImageSet, **changes: Any) -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1, augmentation="none", **changes)
    list(train(model, DeviceBatches.of(images, recipe, Seeds(), CPU), recipe, Seeds()))


PATHS: dict[str, Callable[[Recorder, ImageSet], Any]] = {
    "margins": lambda model, images: measure_margins(model, images, directions=2, device="cpu"),
    "logits": lambda model, images: logits(model, images, CPU),
    "head": lambda model, _: head_logits(model, torch.ones(4, 2)),
    "training": trained,
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_fp32_is_ieee_in_every_forward_pass(path, striped):
    model, before = Recorder(), everything()
    path(model, striped)
    assert model.recorded == {("ieee", "ieee", "ieee")}
    assert everything() == before
    model.raises = True
    with pytest.raises(ZeroDivisionError):
        path(model, striped)
    assert everything() == before


def test_bf16_leaves_the_settings_of_the_user(striped):
    model, users = Recorder(), tuple(operation.fp32_precision for operation in ON_CUDA.values())
    logits(model, striped, CPU, precision="bf16")
    head_logits(model, torch.ones(4, 2), precision="bf16")
    trained(model, striped, precision="bf16")
    assert model.recorded == {users}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_fp32_on_a_gpu_is_as_exact_as_on_a_cpu():
    images, model = shapes(64, split="test"), build("resnet18", width=16)
    with torch.no_grad():
        exact = copy.deepcopy(model).double().eval()(images.normalized(np.arange(64)).double())
    on_gpu = logits(model.cuda(), images, torch.device("cuda"))
    error = (on_gpu.double() - exact).norm() / exact.norm()
    assert error < 2e-5  # TF32 has 10 bits: 1e-4 or more
