"""What is called fp32 is computed in fp32, not TF32, and the user's precision is restored exactly."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from dbviz.audits.settings import Settings, apply_settings
from dbviz.core.environment import environment
from dbviz.training.device import full_precision

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
