"""What a result was computed with: packages, machine, settings; and in what of it several results differ."""

import functools
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["Differences", "describe_differences", "differences", "environment"]

_PACKAGES = ("dbviz-repro", "torch", "torchvision", "numpy", "scipy", "xarray", "matplotlib", "timm")
_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MKL_CBWR",
    "PYTHONHASHSEED",
)
"""Environment variables that choose kernels, numbers of threads, or the order of sets."""

_COMPUTING = ("dbviz-repro", "torch", "numpy", "scipy", "timm")
"""The packages whose numbers reach a result's bits; the others read, write and draw."""
_COMPARED = {
    "dbviz_commit": "dbviz commit",
    "system": "system",
    "processor": "processor",
    "cpu_capability": "CPU kernels",
    "threads": "threads",
    "float32_matmul_precision": "float32 matmul precision",
    "deterministic_algorithms": "deterministic algorithms",
}
_COMPARED_ON_A_GPU = {
    "gpu": "GPU",
    "driver": "GPU driver",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "cudnn_benchmark": "cuDNN benchmark",
    "cudnn_deterministic": "cuDNN deterministic",
}
_COMPARED_VARIABLES = ("MKL_CBWR", "PYTHONHASHSEED")
_COMPARED_VARIABLES_ON_A_GPU = ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE")

Differences = dict[str, dict[str, list[str]]]
"""By the setting's name, and in it by its value, the most frequent first, the results that were computed so."""


def environment(device: Any = None) -> dict[str, Any]:
    """Packages, machine, threads, settings that change bits, and git commits, as plain JSON values.

    The settings are those of this moment: ask inside whatever block sets them. `git_commit` is that of the current
    directory's repository, the user's own project; `dbviz_commit` that of dbviz where it is run from a checkout.

    Args:
        device: the torch device computed on; its name and, for CUDA, its driver and libraries are added.
    """
    import torch

    backends: Any = torch.backends
    kinds = {
        "cuda.matmul": backends.cuda.matmul,
        "cudnn.conv": backends.cudnn.conv,
        "mkldnn.matmul": backends.mkldnn.matmul,
        "mkldnn.conv": backends.mkldnn.conv,
    }
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "platform": platform.platform(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": torch.cpu.get_capabilities().get("cpu_name", ""),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device or "cpu"),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "fp32_precision": {name: kind.fp32_precision for name, kind in kinds.items()},
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": backends.cudnn.benchmark,
        "cudnn_deterministic": backends.cudnn.deterministic,
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
        "git_commit": _commit(Path()),
        "dbviz_commit": _own_commit(),
        "argv": sys.argv,
    }
    if device is not None and torch.device(device).type == "cuda":
        found |= {
            "gpu": torch.cuda.get_device_name(device),
            "driver": _gpu_driver(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def differences(environments: Mapping[str, Mapping[str, Any]]) -> Differences:
    """In which settings that may change bits results differ, and which of them have which value; empty if in none.

    Dates, paths, commands, the user's own commit and packages that only read or draw are not compared; settings of
    CUDA are among results of a GPU. Nor is what an environment does not tell, as one of an older dbviz may.

    Args:
        environments: what `environment` gave, by the result's name.

    Example:
        >>> differences({"a": {"threads": 1}, "b": {"threads": 2}, "c": {"threads": 1}})
        {'threads': {'1': ['a', 'c'], '2': ['b']}}
    """
    settings = {name: _settings(found) for name, found in environments.items()}
    said: Differences = {}
    for setting in dict.fromkeys(setting for found in settings.values() for setting in found):
        by_value: dict[str, list[str]] = {}
        for name, found in settings.items():
            if setting in found:
                by_value.setdefault(found[setting], []).append(name)
        if len(by_value) > 1:
            said[setting] = dict(sorted(by_value.items(), key=lambda item: -len(item[1])))
    return said


def describe_differences(found: Differences, of: str = "runs") -> str:
    """The differences in a line.

    Example:
        >>> describe_differences({"torch": {"2.11.0": ["a", "b"], "2.15.0": ["c"]}})
        'torch 2.11.0 (2 runs), 2.15.0 (1 run)'
    """
    return "; ".join(
        f"{setting} {', '.join(f'{value} ({_counted(len(names), of)})' for value, names in by_value.items())}"
        for setting, by_value in found.items()
    )


def _counted(count: int, of: str) -> str:
    return f"{count} {of.removesuffix('s') if count == 1 else of}"


def _settings(found: Mapping[str, Any]) -> dict[str, str]:
    """What of an environment may change bits, by the name that a reader knows it by."""
    packages, variables = found.get("packages", {}), found.get("variables", {})
    on_gpu = str(found.get("device", "cpu")).startswith("cuda")
    fields = _COMPARED | (_COMPARED_ON_A_GPU if on_gpu else {})
    names = (*_COMPARED_VARIABLES, *(_COMPARED_VARIABLES_ON_A_GPU if on_gpu else ()))
    said = {name.removesuffix("-repro"): packages[name] for name in _COMPUTING if name in packages}
    said |= {"device": "GPU" if on_gpu else "CPU"} if "device" in found else {}
    said |= {shown: _shown(found[name]) for name, shown in fields.items() if name in found}
    said |= {f"fp32 in {name}": value for name, value in _precisions(found, on_gpu).items()}
    return said | {name: _shown(variables[name]) for name in names if name in variables}


def _precisions(found: Mapping[str, Any], on_gpu: bool) -> dict[str, str]:
    """In what fp32 products are computed, by the libraries of the device."""
    libraries = ("cuda", "cudnn") if on_gpu else ("mkldnn",)
    return {name: value for name, value in found.get("fp32_precision", {}).items() if name.startswith(libraries)}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    text = "none" if value is None else str(value)
    return f"{text[:10]}{text[40:]}" if re.fullmatch(r"[0-9a-f]{40}\+?", text) else text


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _own_commit() -> str | None:
    """The commit of dbviz's own checkout; None where it is installed, also into another repository's directory."""
    package = Path(__file__).parent
    tracked = _said(["git", "-C", str(package), "ls-files", "--error-unmatch", Path(__file__).name])
    return _commit(package) if tracked else None


def _commit(place: Path) -> str | None:
    """The commit of a directory's repository, with + where tracked files differ from it."""
    return _said(["git", "-C", str(place), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"])


@functools.cache
def _gpu_driver() -> str | None:
    """The version of the NVIDIA driver, which torch does not tell."""
    said = _said(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    return said.splitlines()[0] if said else None


def _said(command: list[str]) -> str | None:
    """What a program prints; None where it is absent, fails or hangs."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
