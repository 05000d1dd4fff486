"""dbviz: would this network draw the same decision boundary if it were trained again?

    spec -> data -> models -> training -> executors -> runs -> planes -> label maps -> margins, scores
         -> sweeps, audits -> figures, reports -> benchmarks -> commands

The public names below load on first use, so that `import dbviz` and `--help` need no torch.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from dbviz.core.deprecation import renamed_module

if TYPE_CHECKING:
    from dbviz import (
        audits,
        data,
        executors,
        figures,
        label_maps,
        margins,
        models,
        planes,
        reports,
        runs,
        scores,
        sweeps,
    )
    from dbviz import training as training
    from dbviz.core.environment import environment
    from dbviz.core.errors import InputError
    from dbviz.core.seeding import seed_everything, seed_worker, worker_generator
    from dbviz.data import Images, ImageSet, load_images, seeded_loader
    from dbviz.figures import RegionDisplay
    from dbviz.label_maps import sample
    from dbviz.planes import Plane, PlaneSet, draw_planes
    from dbviz.runs import Run, fit
    from dbviz.spec import LabelNoise, Recipe, RunSpec, Seeds

__version__ = "0.2.0"

if "torch.cuda" not in sys.modules or not sys.modules["torch.cuda"].is_initialized():
    # cuBLAS reads this once, at its first product, which may come long before the first deterministic one
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

_MODULES = {
    "ImageSet": "dbviz.data",
    "Images": "dbviz.data",
    "InputError": "dbviz.core.errors",
    "LabelNoise": "dbviz.spec",
    "Plane": "dbviz.planes",
    "PlaneSet": "dbviz.planes",
    "Recipe": "dbviz.spec",
    "RegionDisplay": "dbviz.figures",
    "Run": "dbviz.runs",
    "RunSpec": "dbviz.spec",
    "Seeds": "dbviz.spec",
    "draw_planes": "dbviz.planes",
    "environment": "dbviz.core.environment",
    "fit": "dbviz.runs",
    "load_images": "dbviz.data",
    "sample": "dbviz.label_maps",
    "seed_everything": "dbviz.core.seeding",
    "seed_worker": "dbviz.core.seeding",
    "seeded_loader": "dbviz.data",
    "worker_generator": "dbviz.core.seeding",
}
"""The module of each public name."""
_PACKAGES = (
    "audits",
    "benchmarks",
    "data",
    "executors",
    "figures",
    "label_maps",
    "margins",
    "models",
    "planes",
    "reports",
    "runs",
    "scores",
    "spec",
    "sweeps",
    "training",
)

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
    "benchmarks",
    "data",
    "draw_planes",
    "environment",
    "executors",
    "figures",
    "fit",
    "label_maps",
    "load_images",
    "margins",
    "models",
    "planes",
    "reports",
    "runs",
    "sample",
    "scores",
    "seed_everything",
    "seed_worker",
    "seeded_loader",
    "spec",
    "sweeps",
    "training",
    "worker_generator",
]


_RENAMED = {
    "images": {
        "dbviz.data": (
            *("Batches", "DATASETS", "DeviceBatches", "ImageSet", "Images", "LoaderBatches", "SeededSampler"),
            *("labels_digest", "load_images", "mislabelled", "noisy_labels", "parse_noise", "read_labels"),
            *("seeded_loader", "shapes"),
        ),
        "dbviz.planes": ("check_triplets", "draw_triplets"),
    },
    "regions": {
        "dbviz.planes": ("Plane", "PlaneSet", "draw_planes"),
        "dbviz.label_maps": ("combine", "environment_differences", "load", "sample", "save"),
        "dbviz.margins": ("measure_margins",),
    },
}
"""Packages of dbviz 0.1, and where their public names are now."""
for _old, _homes in _RENAMED.items():
    renamed_module(f"dbviz.{_old}", {name: home for home, names in _homes.items() for name in names})


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        return importlib.import_module(f"dbviz.{name}")
    if name in _PACKAGES:
        return importlib.import_module(f"dbviz.{name}")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'dbviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
