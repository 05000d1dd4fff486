"""Runs on disk, trained or loaded: `fit`, the store, training one run, pretrained backbones, tasks for executors."""

from dbviz.runs.fitting import fit
from dbviz.runs.run import Run

__all__ = [
    "Run",
    "fit",
]
