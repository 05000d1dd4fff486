"""One run of a sweep: trained or found, then measured; what was measured stands beside its weights.

    HOME/RUN/measured-EPOCH-STUDY.safetensors
    HOME/RUN/environment-EPOCH-STUDY.json      with what it was measured

A measurement is written whole, with the digest of the weights it was made with; apart from its environment, so that
equal measurements are equal bytes. A sweep that was interrupted anywhere
does only what is missing.
"""

import functools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor, nn

from dbviz.core import files
from dbviz.core.environment import environment
from dbviz.core.errors import InputError
from dbviz.data import Images
from dbviz.label_maps import sample
from dbviz.label_maps.linear_first_layer import linear_first
from dbviz.margins import measure_margins
from dbviz.margins.measuring import DISTANCES
from dbviz.models.build import build
from dbviz.planes import PlaneSet, draw_planes
from dbviz.runs import Run
from dbviz.runs.fitting import fit_specs
from dbviz.runs.training_run import training_images
from dbviz.spec import RunSpec
from dbviz.sweeps.study import Study
from dbviz.training import choose_device, logits
from dbviz.training.device import deterministic_algorithms

__all__ = [
    "Measured",
    "estimate_measuring_seconds",
    "is_measured",
    "measured",
    "measurement_environment",
    "train_and_measure",
]

_EVALUATIONS_A_HALF_LINE = 35
"""About what finding a margin takes: most of the 31 steps outwards, then halvings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What was measured of one run after one epoch."""

    train_predictions: UInt8[np.ndarray, " n"]
    test_predictions: UInt8[np.ndarray, " m"]
    label_maps: UInt8[np.ndarray, "plane row column"]
    margin: Float32[np.ndarray, "image direction"]
    """Distance of the first label change; see `dbviz.margins.measure_margins`."""
    crossed: Bool[np.ndarray, "image direction"]
    margin_image: Int64[np.ndarray, " image"]
    """The test images that have a margin."""


def train_and_measure(spec: RunSpec, study: Study) -> None:
    """Trains the run of `spec` where it is not trained yet, and measures what is not measured yet.

    Raises:
        InputError: spec and study do not fit together.
        TrainingDiverged: a loss is not finite.
    """
    images, planes = _shared(study)
    device = choose_device(study.device)
    epochs = study.measured_after(spec)
    keep = [epoch for epoch in epochs if epoch < spec.recipe.epochs]
    only = {"seconds": {spec: 1.0}, "progress": False}
    (run,) = fit_specs([spec], images, device=device, home=study.home, keep=keep, **only)
    for epoch in epochs:
        if not is_measured(spec, study, epoch):
            _measure(run.at(epoch), images, planes, study, device)


def estimate_measuring_seconds(spec: RunSpec, study: Study) -> float:
    """Estimated seconds that measuring a run of `spec` takes, from one batch through the network untrained."""
    images, device = study.load_images(), choose_device(study.device)
    model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(device)
    few = images.test.first(min(len(images.test), 128))
    logits(model, few, device)
    began = time.perf_counter()
    logits(model, few, device)
    each = (time.perf_counter() - began) / len(few)
    points = 0 if linear_first(model) else study.triplets * study.resolution**2
    half_lines = study.margin_images * study.directions
    evaluated = len(images.train.first(spec.train_size)) + points + half_lines * _EVALUATIONS_A_HALF_LINE
    return each * evaluated * len(study.measured_after(spec))


def is_measured(spec: RunSpec, study: Study, epoch: int) -> bool:
    """Whether what `study` measures of the run of `spec` after `epoch` is in the store."""
    return _path(study, spec, epoch).exists() and (study.home / spec.name / "metrics.json").exists()


def measured(spec: RunSpec, study: Study, epoch: int) -> Measured:
    """What was measured of the run of `spec` after `epoch`.

    Raises:
        InputError: nothing was, or its file is damaged.
    """
    tensors, _ = files.load_tensors(_path(study, spec, epoch))
    return Measured(**{name: tensor.numpy() for name, tensor in tensors.items()})


def measurement_environment(spec: RunSpec, study: Study, epoch: int) -> dict[str, Any]:
    """The environment in which the run was measured after `epoch`; nothing where that is not there."""
    path = _environment_path(study, spec, epoch)
    return json.loads(path.read_bytes()) if path.exists() else {}


@functools.lru_cache(maxsize=1)
def _shared(study: Study) -> tuple[Images, PlaneSet]:
    """The images and planes of a study, kept in memory for a process's next run."""
    images = study.load_images()
    return images, draw_planes(images.test, study.triplets, seed=study.triplet_seed)


def _measure(run: Run, images: Images, planes: PlaneSet, study: Study, device: torch.device) -> None:
    model = run.model(device)
    train = training_images(run.spec, images, study.home)
    tested = run.test_logits() if run.epoch is None else logits(model, images.test, device)
    tensors = {
        "train_predictions": _predictions(logits(model, train, device)),
        "test_predictions": _predictions(tested),
        "label_maps": torch.from_numpy(_label_maps(model, planes, study)),
        **_margins(model, images, study),
    }
    epoch = run.epoch or len(run.epochs)
    metadata = {"spec": run.spec.identity, "epoch": epoch, "weights": run.fingerprint}
    with deterministic_algorithms():  # as they were while it was measured
        text = json.dumps(environment(device), indent=2) + "\n"
    files.atomic_write(_environment_path(study, run.spec, epoch), text.encode())
    files.save_tensors(_path(study, run.spec, epoch), tensors, metadata)


def _label_maps(model: nn.Module, planes: PlaneSet, study: Study) -> UInt8[np.ndarray, "plane row column"]:
    maps = sample(model, planes, resolution=study.resolution, padding=study.padding, device=study.device)
    return maps.labels.values[0]


def _margins(model: nn.Module, images: Images, study: Study) -> dict[str, Tensor]:
    """Margins of the first test images, which are in no order of class; none where none are asked for."""
    count = study.margin_images
    if count == 0:
        none = torch.zeros(0, study.directions)
        return {"margin": none, "crossed": none.bool(), "margin_image": torch.zeros(0, dtype=torch.int64)}
    if count > len(images.test):
        raise InputError(f"margins of {count} test images asked for, but there are {len(images.test)}")
    which = np.arange(count)
    found = measure_margins(model, images.test, indices=which, directions=study.directions, distances=DISTANCES)
    return {
        "margin": torch.from_numpy(found.margin.values[0]),
        "crossed": torch.from_numpy(found.crossed.values[0]),
        "margin_image": torch.from_numpy(which),
    }


def _predictions(outputs: Tensor) -> Tensor:
    return outputs.argmax(1).to(torch.uint8)


def _path(study: Study, spec: RunSpec, epoch: int) -> Path:
    return study.home / spec.name / f"measured-{epoch}-{study.identity}.safetensors"


def _environment_path(study: Study, spec: RunSpec, epoch: int) -> Path:
    return study.home / spec.name / f"environment-{epoch}-{study.identity}.json"
