"""Shared fixtures; array shapes named in annotations are checked while the tests run."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before torch is imported, here and in the processes that tests start: two threads beside another busy process wait for
# each other and make the suite many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

# before the first import of a dbviz module that names shapes
_hook = install_import_hook("dbviz", "beartype.beartype")

from dbviz.data import Images, ImageSet, datasets, shapes  # noqa: E402
from dbviz.runs import task  # noqa: E402
from dbviz.runs.specs import make_specs  # noqa: E402
from dbviz.spec import RunSpec  # noqa: E402
from dbviz.sweeps import Study, measuring  # noqa: E402

mpl.use("agg")


@pytest.fixture(autouse=True)
def _places_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's runs, datasets or settings."""
    monkeypatch.setenv("DBVIZ_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("DBVIZ_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def small_images() -> Images:
    """128 training and 64 test images of the built-in set."""
    return Images(train=shapes(128, split="train"), test=shapes(64, split="test"))


@pytest.fixture
def few_images(small_images: Images, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The built-in dataset is made smaller, images that tasks keep in memory are forgotten, and figures are closed."""
    monkeypatch.setitem(datasets.DATASETS, "shapes", lambda _: small_images)
    task._images.cache_clear()
    measuring._shared.cache_clear()
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def striped() -> ImageSet:
    """Six 3 x 8 x 8 images, image i filled with the value 10 i, of three classes."""
    pixels = np.broadcast_to((10 * np.arange(6, dtype=np.uint8))[:, None, None, None], (6, 3, 8, 8)).copy()
    return ImageSet(
        name="striped",
        split="test",
        pixels=pixels,
        labels=np.array([0, 1, 2, 0, 1, 2]),
        class_names=("a", "b", "c"),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )


@pytest.fixture(scope="session")
def cifar10_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real CIFAR-10, unpacked from the folder `shared` beside the checkout where there is one."""
    unpack = Path(__file__).parents[2] / "shared" / "cifar10" / "unpack.py"
    if not unpack.exists():
        pytest.skip(f"real CIFAR-10 is not here: {unpack} is absent")
    place = tmp_path_factory.mktemp("cifar10")
    subprocess.run([sys.executable, str(unpack), str(place)], check=True)
    return place


CPU = torch.device("cpu")


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


@pytest.fixture(scope="session")
def make(small_images: Images) -> Callable[..., list[RunSpec]]:
    """Specs of random features, tiny unless `changes` state otherwise."""

    def specs(arch: str = "random_features", seeds: tuple[int, ...] = (0, 1), **changes: Any) -> list[RunSpec]:
        changes = {"train_size": 32, "width": 8} | changes
        return make_specs([arch], seeds, images=small_images, preset="quick", device=CPU, **changes)

    return specs
