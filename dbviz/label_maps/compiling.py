"""Compiled forms of a network, and whether compiling repays itself.

The code is kept between processes, in torch's own cache below the user's cache directory (`TORCHINDUCTOR_CACHE_DIR`
where that is set). It depends on the architecture, not on the weights.
"""

import hashlib
import logging
import os
from pathlib import Path
from types import FunctionType
from typing import Any

import platformdirs
import torch
from torch import Tensor, nn

from dbviz.label_maps.batches import Forward

__all__ = ["compiled", "record_compilation", "repays_compilation"]

_COMPILATION_SAVES = 0.08
"""Share of the time saved by compiling: 6 to 15 % of folded bf16 on one core of an AMD EPYC, by architecture."""
_COMPILATION_SECONDS, _CACHED_COMPILATION_SECONDS = 0.3, 0.05
"""Seconds to compile a layer: resnet18 (62 layers) took 20 s, densenet121 (about 370) 90 to 130 s, same machine. With
the code kept by another process resnet18 took 3.1 s, where it took 40 s without (two cores with other work)."""


def compiled(forward: Forward, device: torch.device) -> Forward:
    """A form that is compiled when it is first called, for batches of one size and weights that do not change.

    On CUDA it is recorded as a graph, so that the host launches a batch in one call (not measured yet).
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
    _cache_directory()
    own = _with_own_code(forward)
    if device.type == "cuda":
        return torch.compile(own, dynamic=False, mode="reduce-overhead")
    return torch.compile(own, dynamic=False, options={"freezing": True})


def repays_compilation(module: nn.Module, how: str, batch: int, seconds: float) -> bool:
    """Whether compiling a form would take less time than it saves of `seconds` of evaluation."""
    layers = sum(not list(part.children()) for part in module.modules())
    kept = _record(module, how, batch).exists()
    return _COMPILATION_SAVES * seconds > (_CACHED_COMPILATION_SECONDS if kept else _COMPILATION_SECONDS) * layers


def record_compilation(module: nn.Module, how: str, batch: int) -> None:
    """Records that the code of a form is kept."""
    try:
        _record(module, how, batch).touch()
    except OSError:
        return


def _record(module: nn.Module, how: str, batch: int) -> Path:
    text = f"{module!r} {how} {batch} {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"
    return _cache_directory() / f"dbviz-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _cache_directory() -> Path:
    """torch's cache of compiled code; where the user has not chosen one, a directory that outlives a restart."""
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        path = platformdirs.user_cache_path("dbviz") / "compiled"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:  # without a home: torch's default, among temporary files
            return Path(os.devnull)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(path)
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])


def _with_own_code(forward: Forward) -> Forward:
    """The form as a function with a code object of its own.

    The compiler keeps what it compiled by code object, at most eight forms each: the ninth network whose form is made
    by the same line of Python would silently not be compiled.
    """

    def own(images: Tensor) -> Any:
        return forward(images)

    return FunctionType(own.__code__.replace(), own.__globals__, "own", None, own.__closure__)
