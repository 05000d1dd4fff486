"""Small sweeps on small images, and a network that kills its process once."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dbviz.images import Images
from dbviz.runs import make_specs
from dbviz.spec import RunSpec
from dbviz.sweeps import Study

CPU = torch.device("cpu")

SUICIDAL = """
import os, signal
from pathlib import Path
import torch
from torch import nn

HOME, ONCE = Path({home!r}), Path({once!r})

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(3072, num_classes)

    def forward(self, x):
        if self.training and list(HOME.glob("*/resume.safetensors")) and not ONCE.exists():
            ONCE.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.head(x.flatten(1))
"""


@pytest.fixture
def study(small_images: Images, tmp_path: Path) -> Study:
    return Study(
        dataset=small_images.name,
        images=small_images,
        home=tmp_path / "home",
        device="cpu",
        triplets=3,
        resolution=6,
    )


@pytest.fixture
def make(small_images: Images) -> Callable[..., list[RunSpec]]:
    """Specs of random features, tiny unless something else is said."""

    def specs(arch: str = "random_features", seeds: tuple[int, ...] = (0, 1), **changes: Any) -> list[RunSpec]:
        changes = {"train_size": 32, "width": 8} | changes
        return make_specs([arch], seeds, images=small_images, preset="quick", device=CPU, **changes)

    return specs


@pytest.fixture
def killed_once(make, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunSpec, Path]:
    """The run of a network whose process is killed in its second epoch, and the file that is there once it was."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    once = tmp_path / "killed"
    text = SUICIDAL.format(home=str(study.home), once=str(once))
    (tmp_path / "net_that_is_killed.py").write_text(text)
    sys.modules.pop("net_that_is_killed", None)  # that of an earlier test would kill this process
    importlib.invalidate_caches()
    (spec,) = make("net_that_is_killed:Net", seeds=(0,), width=None, epochs=3)
    return spec, once
