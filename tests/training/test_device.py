"""Devices by name, their default precision, and settings that are restored."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.training import choose_device, default_precision
from dbviz.training.device import deterministic_algorithms, full_precision


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine look as if it had `count` CUDA devices."""

    def has(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return has


def test_auto_is_cuda_if_there_is_one(machine):
    machine(0)
    assert choose_device("auto") == choose_device() == torch.device("cpu")
    machine(2)
    assert choose_device("auto") == torch.device("cuda")


def test_a_device_has_a_name(machine):
    machine(2)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_absent_cuda_is_named_with_its_remedy(machine, name):
    machine(0)
    with pytest.raises(InputError, match=rf"device '{name}' requested, but torch .* finds no CUDA.*--device cpu"):
        choose_device(name)


def test_a_cuda_device_beyond_the_last_is_refused(machine):
    machine(2)
    with pytest.raises(InputError, match="'cuda:2' requested, but there are 2"):
        choose_device("cuda:2")


@pytest.mark.parametrize(
    ("name", "nearest"), [("cdua", "cuda"), ("cup", "cpu"), ("CUDA:0", None), ("cuda:", "cuda"), ("cuda:x", "cuda")]
)
def test_an_unknown_device_suggests_the_nearest(name, nearest):
    with pytest.raises(InputError, match=f"unknown device '{name}'.* auto, cpu, cuda, cuda:N") as error:
        choose_device(name)
    assert nearest is None or f"did you mean '{nearest}" in str(error.value)


def test_bf16_is_the_default_if_the_device_has_instructions_for_it(monkeypatch):
    for able, expected in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert default_precision(torch.device("cpu")) == expected
    for native, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda native=native, **_: native)
        assert default_precision(torch.device("cuda")) == expected


def settings() -> tuple:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # pyright: ignore[reportAttributeAccessIssue]
        torch.backends.cudnn.benchmark,
    )


def test_deterministic_algorithms_are_used_within_the_block_and_are_restored(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = settings()
    with deterministic_algorithms():
        assert settings()[:2] == (True, False)
        assert torch.backends.cudnn.benchmark is False
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        with pytest.raises(RuntimeError, match="deterministic"):
            torch.nn.functional.max_unpool2d(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, dtype=torch.int64), [1])
    assert settings() == before
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")


def test_a_users_cublas_setting_stays(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic_algorithms():
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


_IMPORT = """
import os, sys
{before}
import dbviz
print(os.environ.get("CUBLAS_WORKSPACE_CONFIG"), "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("before", "printed"),
    [
        ("", ":4096:8 False"),
        ("os.environ['CUBLAS_WORKSPACE_CONFIG'] = ':16:8'", ":16:8 False"),
        ("import torch; torch.cuda.is_initialized = lambda: True", "None True"),
    ],
)
def test_importing_dbviz_sets_the_cublas_workspace_where_cublas_can_still_read_it(before, printed):
    variables = {name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"}
    code = _IMPORT.format(before=before)
    ran = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == printed


def test_cuda_initialised_without_a_cublas_workspace_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = settings()
    with pytest.raises(InputError, match=r"CUBLAS_WORKSPACE_CONFIG.*import dbviz before"), deterministic_algorithms():
        pass
    assert settings() == before
    with deterministic_algorithms(False):
        pass
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic_algorithms():
        assert settings()[0] is True


def test_cudnn_may_benchmark_without_determinism():
    before = settings()
    with deterministic_algorithms(False):
        assert settings()[0] is False
        assert torch.backends.cudnn.benchmark is True
    assert settings() == before


def test_settings_are_restored_after_an_error_and_when_nested():
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        before = settings()
        with (
            pytest.raises(ZeroDivisionError),
            deterministic_algorithms(),
            deterministic_algorithms(False),
        ):
            raise ZeroDivisionError
        assert settings() == before
    finally:
        torch.use_deterministic_algorithms(False)


def test_full_precision_is_requested_and_put_back():
    kinds: list[Any] = [getattr(torch.backends.cudnn, "conv"), torch.backends.cuda.matmul]  # noqa: B009
    before = [kind.fp32_precision for kind in kinds]
    with full_precision():
        assert [kind.fp32_precision for kind in kinds] == ["ieee", "ieee"]
    assert [kind.fp32_precision for kind in kinds] == before


@pytest.mark.parametrize("name", ["mps", "mps:0", "xpu"])
def test_an_untested_device_is_refused_in_one_line(name):
    with pytest.raises(InputError, match=f"device '{name}' is not supported: .* use --device cpu$"):
        choose_device(name)
