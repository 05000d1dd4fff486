"""Settings that may change the results of a training bitwise, and what each requires of the machine."""

import contextlib
import dataclasses
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dbviz.core.errors import InputError
from dbviz.spec import Precision, Setting
from dbviz.training.device import deterministic_algorithms, evaluation_batch, fp32_precision

__all__ = ["SETTINGS", "Settings", "apply_settings", "check_settings", "missing_requirement", "with_changed"]

SETTINGS: dict[Setting, str] = {
    "deterministic": "deterministic algorithms",
    "cudnn-benchmark": "cuDNN benchmark",
    "tf32": "TF32",
    "bf16": "bf16",
    "compile": "torch.compile",
    "threads": "threads",
    "evaluation-batch": "batch size of evaluation",
    "workers": "data workers",
}
"""The settings that can be varied, with their names in tables."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained and evaluated, besides its recipe.

    Raises:
        InputError: `threads` or `evaluation_batch` is below 1.

    Example:
        >>> settings = Settings(precision="bf16", threads=1)
        >>> settings.value("bf16", torch.device("cpu"))
        'bf16'
    """

    deterministic: bool = True
    """Deterministic algorithms; operations that have none emit a warning."""
    cudnn_benchmark: bool = False
    tf32: bool = False
    precision: Precision = "fp32"
    compiled: bool = False
    threads: int | None = None
    """None is torch's current number."""
    evaluation_batch: int | None = None
    """Images per evaluation batch; None is the device's default."""
    workers: int = 0
    """Worker processes of the data loader, if there is one."""

    def __post_init__(self) -> None:
        for name in ("threads", "evaluation_batch"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"{name.replace('_', ' ')} is {value}: it must be at least 1")

    def value(self, setting: Setting, device: torch.device) -> str:
        """The value of a setting, as text."""
        return {
            "deterministic": _on(self.deterministic),
            "cudnn-benchmark": _on(self.cudnn_benchmark),
            "tf32": _on(self.tf32),
            "bf16": self.precision,
            "compile": _on(self.compiled),
            "threads": str(self.threads or torch.get_num_threads()),
            "evaluation-batch": str(self.evaluation_batch or evaluation_batch(device)),
            "workers": str(self.workers),
        }[setting]


def with_changed(settings: Settings, setting: Setting, device: torch.device) -> Settings:
    """The settings with one of them changed: switched on or off, or set to another number."""
    threads = settings.threads or torch.get_num_threads()
    batch = settings.evaluation_batch or evaluation_batch(device)
    changes: dict[Setting, dict[str, Any]] = {
        "deterministic": {"deterministic": not settings.deterministic},
        "cudnn-benchmark": {"cudnn_benchmark": not settings.cudnn_benchmark},
        "tf32": {"tf32": not settings.tf32},
        "bf16": {"precision": "fp32" if settings.precision == "bf16" else "bf16"},
        "compile": {"compiled": not settings.compiled},
        "threads": {"threads": 2 if threads == 1 else 1},
        "evaluation-batch": {"evaluation_batch": 1 if batch > 1 else 2},
        "workers": {"workers": 0 if settings.workers else 2},
    }
    return dataclasses.replace(settings, **changes[setting])


def missing_requirement(setting: Setting, device: torch.device) -> str | None:
    """What this machine lacks for a setting, such as `needs CUDA`; None if it has all."""
    if setting in ("cudnn-benchmark", "tf32") and device.type != "cuda":
        return "needs CUDA"
    if setting == "tf32" and torch.cuda.get_device_capability(device) < (8, 0):
        return "needs a GPU of compute capability 8.0"
    if setting == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "needs a GPU that computes in bf16"
    if setting == "compile" and device.type == "cpu" and not any(map(shutil.which, ("g++", "c++", "clang++"))):
        return "needs a C++ compiler"
    if setting == "threads" and (os.cpu_count() or 1) < 2:
        return "needs two cores"
    return None


def check_settings(settings: Settings, device: torch.device, *, also: Sequence[Setting] = ()) -> None:
    """Checks that this machine supports the settings that are on, and those in `also`.

    Raises:
        InputError: it lacks something that one of them needs.
    """
    on: dict[Setting, bool] = {
        "cudnn-benchmark": settings.cudnn_benchmark,
        "tf32": settings.tf32,
        "bf16": settings.precision == "bf16",
        "compile": settings.compiled,
    }
    for setting in SETTINGS:
        if (on.get(setting) or setting in also) and (missing := missing_requirement(setting, device)) is not None:
            raise InputError(f"{SETTINGS[setting]} {missing}, and the device is {device}: leave {setting} out")
    if (settings.threads or 1) > (os.cpu_count() or 1):
        raise InputError(f"{settings.threads} threads requested, but there are {os.cpu_count()} cores: choose fewer")


@contextlib.contextmanager
def apply_settings(settings: Settings) -> Iterator[None]:
    """Within the block torch computes under the settings; afterwards all are restored."""
    threads = torch.get_num_threads()
    with (
        deterministic_algorithms(settings.deterministic),  # restores what is set here too
        fp32_precision("tf32" if settings.tf32 else "ieee"),
    ):
        # `torch.use_deterministic_algorithms` would also import torch's compiler
        torch._C._set_deterministic_algorithms(settings.deterministic, warn_only=settings.deterministic)
        torch.backends.cudnn.benchmark = settings.cudnn_benchmark
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
        try:
            torch.set_num_threads(settings.threads or threads)
            yield
        finally:
            torch.set_num_threads(threads)


def _on(value: bool) -> str:
    return "on" if value else "off"
