"""A run whose worker process is killed, for the executors that have workers."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbviz.spec import RunSpec
from dbviz.sweeps import Study

NETWORK = """
import os, signal
from pathlib import Path
import torch
from torch import nn

HOME, MARKER = Path({home!r}), Path({marker!r})

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(3072, num_classes)

    def forward(self, x):
        if self.training and list(HOME.glob("*/resume.safetensors")) and not MARKER.exists():
            {mark}
            os.kill(os.getpid(), signal.SIGKILL)
        return self.head(x.flatten(1))
"""


@dataclass(frozen=True, kw_only=True)
class KilledRun:
    """A run whose process kills itself in the second epoch, and the file that it writes before."""

    spec: RunSpec
    marker: Path


@pytest.fixture(scope="session")
def make_killed_run(make) -> Callable[..., KilledRun]:
    """Writes the network of such a run to `directory`, the working directory of the test, and makes its spec."""

    def killed_run(directory: Path, home: Path, *, always: bool = False) -> KilledRun:
        marker, name = directory / "killed", f"net_killed_{abs(hash(str(directory)))}"
        text = NETWORK.format(home=str(home), marker=str(marker), mark="pass" if always else "MARKER.touch()")
        (directory / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        (spec,) = make(f"{name}:Net", seeds=(0,), width=None, epochs=3)
        return KilledRun(spec=spec, marker=marker)

    return killed_run


@pytest.fixture(scope="session")
def make_study(small_images) -> Callable[[Path], Study]:
    """A tiny study with its runs in `home`."""

    def study(home: Path) -> Study:
        return Study(dataset=small_images.name, images=small_images, home=home, device="cpu", triplets=3, resolution=6)

    return study
