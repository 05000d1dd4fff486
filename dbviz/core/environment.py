"""The environment of a result: packages, machine and settings; and the settings in which several results differ."""

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
"""Environment variables that select kernels, numbers of threads, or the order of sets."""

_COMPUTING = ("dbviz-repro", "torch", "numpy", "scipy", "timm")
"""The packages that can change a result's bits; the others read, write and draw."""
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
"""For each setting, by its name: for each of its values, the most frequent first, the names of the results with it."""


def environment(device: Any = None) -> dict[str, Any]:
    """Packages, machine, threads, settings that can change bits, and git commits, as plain JSON values.

    The settings are the current ones: call it inside the block that sets them. `git_commit` is that of the current
    directory's repository, the user's own project; `dbviz_commit` that of dbviz where it is run from a checkout.

    Args:
        device: the torch device computed on; for CUDA, its name, driver and libraries are added.

    Example:
        >>> environment("cpu")["device"]
        'cpu'
    """
    import torch

    return {
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "platform": platform.platform(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": torch.cpu.get_capabilities().get("cpu_name", ""),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device or "cpu"),
        **_numerical_settings(),
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
        "git_commit": _commit(Path()),
        "dbviz_commit": _own_commit(),
        "argv": sys.argv,
        **_gpu(device),
    }


def _numerical_settings() -> dict[str, Any]:
    """Torch's current settings that can change bits."""
    import torch

    backends: Any = torch.backends
    operations = {
        "cuda.matmul": backends.cuda.matmul,
        "cudnn.conv": backends.cudnn.conv,
        "mkldnn.matmul": backends.mkldnn.matmul,
        "mkldnn.conv": backends.mkldnn.conv,
    }
    return {
        "float32_matmul_precision": _matmul_precision(),
        "fp32_precision": {name: operation.fp32_precision for name, operation in operations.items()},
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": backends.cudnn.benchmark,
        "cudnn_deterministic": backends.cudnn.deterministic,
    }


def _matmul_precision() -> str:
    """`torch.get_float32_matmul_precision`, which raises where precisions of single libraries differ from it.

    There it is the value that would give the CPU's precision, or else the one that allows TF32 on CUDA.
    """
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        backends: Any = torch.backends
        return "medium" if backends.mkldnn.matmul.fp32_precision == "bf16" else "high"


def _gpu(device: Any) -> dict[str, Any]:
    """Name, driver and libraries of a CUDA device; nothing for a CPU."""
    import torch

    if device is None or torch.device(device).type != "cuda":
        return {}
    return {
        "gpu": torch.cuda.get_device_name(device),
        "driver": _gpu_driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def differences(environments: Mapping[str, Mapping[str, Any]]) -> Differences:
    """The settings that can change bits and in which the environments differ, with the results that have each value.

    Dates, paths, commands, the user's own commit and packages that only read or draw are not compared; settings of
    CUDA are compared among results of a GPU only. A setting that an environment lacks, as one written by an older
    dbviz may, is not compared for it.

    Args:
        environments: what `environment` returned, by the result's name.

    Returns:
        Empty if there is no difference.

    Example:
        >>> differences({"a": {"threads": 1}, "b": {"threads": 2}, "c": {"threads": 1}})
        {'threads': {'1': ['a', 'c'], '2': ['b']}}
    """
    settings = {name: _settings(recorded) for name, recorded in environments.items()}
    differing: Differences = {}
    for setting in dict.fromkeys(setting for values in settings.values() for setting in values):
        by_value: dict[str, list[str]] = {}
        for name, values in settings.items():
            if setting in values:
                by_value.setdefault(values[setting], []).append(name)
        if len(by_value) > 1:
            differing[setting] = dict(sorted(by_value.items(), key=lambda item: -len(item[1])))
    return differing


def describe_differences(differing: Differences, of: str = "runs") -> str:
    """The differences as one line of text.

    Args:
        differing: what `differences` returned.
        of: what the results are, in the plural.

    Example:
        >>> describe_differences({"torch": {"2.11.0": ["a", "b"], "2.15.0": ["c"]}})
        'torch 2.11.0 (2 runs), 2.15.0 (1 run)'
    """
    return "; ".join(
        f"{setting} {', '.join(f'{value} ({_counted(len(names), of)})' for value, names in by_value.items())}"
        for setting, by_value in differing.items()
    )


def _counted(count: int, of: str) -> str:
    return f"{count} {of.removesuffix('s') if count == 1 else of}"


def _settings(recorded: Mapping[str, Any]) -> dict[str, str]:
    """The settings of an environment that can change bits, by the names that messages use."""
    packages, variables = recorded.get("packages", {}), recorded.get("variables", {})
    on_gpu = str(recorded.get("device", "cpu")).startswith("cuda")
    fields = _COMPARED | (_COMPARED_ON_A_GPU if on_gpu else {})
    names = (*_COMPARED_VARIABLES, *(_COMPARED_VARIABLES_ON_A_GPU if on_gpu else ()))
    settings = {name.removesuffix("-repro"): packages[name] for name in _COMPUTING if name in packages}
    settings |= {"device": "GPU" if on_gpu else "CPU"} if "device" in recorded else {}
    settings |= {title: _shown(recorded[name]) for name, title in fields.items() if name in recorded}
    settings |= {f"fp32 in {name}": value for name, value in _precisions(recorded, on_gpu).items()}
    return settings | {name: _shown(variables[name]) for name in names if name in variables}


def _precisions(recorded: Mapping[str, Any], on_gpu: bool) -> dict[str, str]:
    """The precision in which each library of the device computes fp32 products."""
    libraries = ("cuda", "cudnn") if on_gpu else ("mkldnn",)
    return {name: value for name, value in recorded.get("fp32_precision", {}).items() if name.startswith(libraries)}


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
    """The commit of dbviz's own checkout; None for an installed copy, even within another repository's directory."""
    package = Path(__file__).parent
    tracked = _output(["git", "-C", str(package), "ls-files", "--error-unmatch", Path(__file__).name])
    return _commit(package) if tracked else None


def _commit(directory: Path) -> str | None:
    """The commit of a directory's repository, followed by + if tracked files were changed."""
    return _output(["git", "-C", str(directory), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"])


@functools.cache
def _gpu_driver() -> str | None:
    """The version of the NVIDIA driver, which torch does not provide."""
    versions = _output(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    return versions.splitlines()[0] if versions else None


def _output(command: list[str]) -> str | None:
    """The standard output of a program; None if it is absent, fails or hangs."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
