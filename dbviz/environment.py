"""What a result was computed with: packages, machine, settings."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

__all__ = ["environment"]

_PACKAGES = ("dbviz-repro", "torch", "torchvision", "numpy", "scipy", "xarray", "matplotlib", "timm")


def environment(device: Any = None) -> dict[str, Any]:
    """Packages, machine, threads, settings and the git commit of the current directory, as plain JSON values.

    Args:
        device: the torch device computed on; its name and, for CUDA, its driver and libraries are added.
    """
    import torch

    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "platform": platform.platform(),
        "processor": torch.cpu.get_capabilities().get("cpu_name", ""),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device or "cpu"),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "git_commit": _git_commit(),
        "argv": sys.argv,
    }
    if device is not None and torch.device(device).type == "cuda":
        found |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        }
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the current directory's repository, with + where tracked files differ from it."""
    described = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(described, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
