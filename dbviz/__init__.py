"""dbviz: would this network draw the same decision boundary if it were trained again?

    spec -> images -> models -> training -> store -> planes -> label maps -> scores -> figures -> commands

The public names below load on first use, so that `import dbviz` and `--help` need no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dbviz.environment import environment  # at once: else its module, once loaded, would stand under this name

if TYPE_CHECKING:
    from dbviz import audits, executors, figures, images, models, regions, scores, sweeps, training
    from dbviz.errors import InputError
    from dbviz.figures import RegionDisplay
    from dbviz.images import Images, ImageSet, load_images, seeded_loader
    from dbviz.regions import Plane, PlaneSet, draw_planes, sample
    from dbviz.runs import fit
    from dbviz.seeding import seed_everything, seed_worker, worker_generator
    from dbviz.spec import LabelNoise, Recipe, RunSpec, Seeds
    from dbviz.store import Run

__version__ = "0.1.0"

_HOMES = {
    "ImageSet": "dbviz.images",
    "Images": "dbviz.images",
    "InputError": "dbviz.errors",
    "LabelNoise": "dbviz.spec",
    "Plane": "dbviz.regions",
    "PlaneSet": "dbviz.regions",
    "Recipe": "dbviz.spec",
    "RegionDisplay": "dbviz.figures",
    "Run": "dbviz.store",
    "RunSpec": "dbviz.spec",
    "Seeds": "dbviz.spec",
    "draw_planes": "dbviz.regions",
    "fit": "dbviz.runs",
    "load_images": "dbviz.images",
    "sample": "dbviz.regions",
    "seed_everything": "dbviz.seeding",
    "seed_worker": "dbviz.seeding",
    "seeded_loader": "dbviz.images",
    "worker_generator": "dbviz.seeding",
}
_SUBPACKAGES = ("audits", "executors", "figures", "images", "models", "regions", "scores", "sweeps", "training")

__all__ = [
    "ImageSet",
    "Images",
    "InputError",
    "LabelNoise",
    "Plane",
    "PlaneSet",
    "Recipe",
    "RegionDisplay",
    "Run",
    "RunSpec",
    "Seeds",
    "audits",
    "draw_planes",
    "environment",
    "executors",
    "figures",
    "fit",
    "images",
    "load_images",
    "models",
    "regions",
    "sample",
    "scores",
    "seed_everything",
    "seed_worker",
    "seeded_loader",
    "sweeps",
    "training",
    "worker_generator",
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"dbviz.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'dbviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
