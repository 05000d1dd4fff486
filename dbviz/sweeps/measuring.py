"""Trains and measures one run of a sweep; the measurements are stored beside its weights.

    HOME/RUN/measured-EPOCH-STUDY.safetensors
    HOME/RUN/environment-EPOCH-STUDY.json      the environment in which they were made

A file of measurements is written atomically and holds the digest of the weights that were measured. The environment is
a file of its own, so that equal measurements are bitwise identical files. An interrupted sweep resumes with the
measurements that are not stored yet.
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
from dbviz.training.device import deterministic_algorithms, full_precision

__all__ = [
    "Measurements",
    "estimate_measuring_seconds",
    "is_measured",
    "load_measurements",
    "measurement_environment",
    "train_and_measure",
]

_EVALUATIONS_PER_MARGIN = 35
"""Approximate cost of one margin: most of the 31 steps outwards, then the bisection."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """The measurements of one run after one epoch.

    Example:
        >>> import numpy as np
        >>> nothing = np.zeros((0, 10), np.float32)
        >>> measurements = Measurements(
        ...     train_predictions=np.zeros(32, np.uint8),
        ...     test_predictions=np.zeros(16, np.uint8),
        ...     label_maps=np.zeros((2, 4, 4), np.uint8),
        ...     margin=nothing,
        ...     crossed=nothing.astype(bool),
        ...     margin_image=np.zeros(0, np.int64),
        ... )
        >>> measurements.label_maps.shape
        (2, 4, 4)
    """

    train_predictions: UInt8[np.ndarray, " n"]
    test_predictions: UInt8[np.ndarray, " m"]
    label_maps: UInt8[np.ndarray, "plane row column"]
    margin: Float32[np.ndarray, "image direction"]
    """Distance of the first change of the label; see `dbviz.margins.measure_margins`."""
    crossed: Bool[np.ndarray, "image direction"]
    margin_image: Int64[np.ndarray, " image"]
    """Indices of the test images at which margins were measured."""


def train_and_measure(spec: RunSpec, study: Study) -> None:
    """Trains the run of `spec` and measures it, unless the store has the run or the measurements already.

    Raises:
        InputError: spec and study do not fit together.
        TrainingDiverged: a loss is not finite.

    Example:
        >>> import tempfile, torch
        >>> from dbviz.data import shapes
        >>> from dbviz.runs.specs import make_specs
        >>> images = Images(train=shapes(32, split="train"), test=shapes(16, split="test"))
        >>> common = {"images": images, "preset": "quick", "device": torch.device("cpu"), "train_size": 32}
        >>> (spec,) = make_specs(["random_features"], seeds=[0], width=8, **common)
        >>> home = Path(tempfile.mkdtemp())
        >>> study = Study(dataset=images.name, images=images, home=home, device="cpu", triplets=2, resolution=4)
        >>> train_and_measure(spec, study)
        >>> is_measured(spec, study, epoch=1)
        True
    """
    images, planes = _shared(study)
    device = choose_device(study.device)
    epochs = study.measured_after(spec)
    keep = [epoch for epoch in epochs if epoch < spec.recipe.epochs]
    only = {"seconds": {spec: 1.0}, "progress": False}
    place = {"device": device, "home": study.home, "threads": study.threads}
    (run,) = fit_specs([spec], images, keep=keep, **place, **only)
    for epoch in epochs:
        if not is_measured(spec, study, epoch):
            _measure(run.at(epoch), images, planes, study, device)


def estimate_measuring_seconds(spec: RunSpec, study: Study) -> float:
    """Estimated seconds that measuring a run of `spec` takes, from one batch through the untrained network."""
    images, device = study.load_images(), choose_device(study.device)
    model = build(spec.arch, len(images.class_names), spec.width, image_shape=images.image_shape).to(device)
    few = images.test.first(min(len(images.test), 128))
    logits(model, few, device)
    began = time.perf_counter()
    logits(model, few, device)
    seconds_per_image = (time.perf_counter() - began) / len(few)
    points = 0 if linear_first(model) else study.triplets * study.resolution**2
    margins = study.margin_images * study.directions
    evaluated = len(images.train.first(spec.train_size)) + points + margins * _EVALUATIONS_PER_MARGIN
    return seconds_per_image * evaluated * len(study.measured_after(spec))


def is_measured(spec: RunSpec, study: Study, epoch: int) -> bool:
    """Whether the store has the measurements of `study` of the run of `spec` after `epoch`.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> is_measured(spec, Study(dataset="shapes", home=Path("runs")), epoch=1)
        False
    """
    return _path(study, spec, epoch).exists() and (study.home / spec.name / "metrics.json").exists()


def load_measurements(spec: RunSpec, study: Study, epoch: int) -> Measurements:
    """The stored measurements of the run of `spec` after `epoch`.

    Raises:
        InputError: there are none, or their file is damaged.

    Example:
        >>> import tempfile, torch
        >>> from dbviz.data import shapes
        >>> from dbviz.runs.specs import make_specs
        >>> images = Images(train=shapes(32, split="train"), test=shapes(16, split="test"))
        >>> common = {"images": images, "preset": "quick", "device": torch.device("cpu"), "train_size": 32}
        >>> (spec,) = make_specs(["random_features"], seeds=[0], width=8, **common)
        >>> home = Path(tempfile.mkdtemp())
        >>> study = Study(dataset=images.name, images=images, home=home, device="cpu", triplets=2, resolution=4)
        >>> train_and_measure(spec, study)
        >>> measurements = load_measurements(spec, study, epoch=1)
        >>> measurements.test_predictions.shape, measurements.label_maps.shape
        ((16,), (2, 4, 4))
    """
    tensors, _ = files.load_tensors(_path(study, spec, epoch))
    return Measurements(**{name: tensor.numpy() for name, tensor in tensors.items()})


def measurement_environment(spec: RunSpec, study: Study, epoch: int) -> dict[str, Any]:
    """The environment in which the run of `spec` was measured after `epoch`; empty if it is not stored.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> measurement_environment(spec, Study(dataset="shapes", home=Path("runs")), epoch=1)
        {}
    """
    path = _environment_path(study, spec, epoch)
    return json.loads(path.read_bytes()) if path.exists() else {}


@functools.lru_cache(maxsize=1)
def _shared(study: Study) -> tuple[Images, PlaneSet]:
    """The images and planes of a study, cached for the next run in this process."""
    images = study.load_images()
    return images, draw_planes(images.test, study.triplets, seed=study.triplet_seed)


def _measure(run: Run, images: Images, planes: PlaneSet, study: Study, device: torch.device) -> None:
    model = run.model(device)
    train = training_images(run.spec, images, study.home)
    test_logits = run.test_logits() if run.epoch is None else logits(model, images.test, device)
    tensors = {
        "train_predictions": _predictions(logits(model, train, device)),
        "test_predictions": _predictions(test_logits),
        "label_maps": torch.from_numpy(_label_maps(model, planes, study)),
        **_margins(model, images, study),
    }
    epoch = run.epoch or len(run.epochs)
    metadata = {"spec": run.spec.identity, "epoch": epoch, "weights": run.fingerprint}
    with deterministic_algorithms(), full_precision():  # the settings under which the run was measured
        text = json.dumps(environment(device), indent=2) + "\n"
    files.atomic_write(_environment_path(study, run.spec, epoch), text.encode())
    files.save_tensors(_path(study, run.spec, epoch), tensors, metadata)


def _label_maps(model: nn.Module, planes: PlaneSet, study: Study) -> UInt8[np.ndarray, "plane row column"]:
    maps = sample(model, planes, resolution=study.resolution, padding=study.padding, device=study.device)
    return maps.labels.values[0]


def _margins(model: nn.Module, images: Images, study: Study) -> dict[str, Tensor]:
    """Margins at the first test images, which are not sorted by class; empty arrays if none are requested."""
    count = study.margin_images
    if count == 0:
        empty = torch.zeros(0, study.directions)
        return {"margin": empty, "crossed": empty.bool(), "margin_image": torch.zeros(0, dtype=torch.int64)}
    if count > len(images.test):
        raise InputError(f"margins at {count} test images requested, but there are {len(images.test)}")
    indices = np.arange(count)
    margins = measure_margins(
        model,
        images.test,
        indices=indices,
        directions=study.directions,
        distances=DISTANCES,
        device=study.device,
    )
    return {
        "margin": torch.from_numpy(margins.margin.values[0]),
        "crossed": torch.from_numpy(margins.crossed.values[0]),
        "margin_image": torch.from_numpy(indices),
    }


def _predictions(outputs: Tensor) -> Tensor:
    return outputs.argmax(1).to(torch.uint8)


def _path(study: Study, spec: RunSpec, epoch: int) -> Path:
    return study.home / spec.name / f"measured-{epoch}-{study.identity}.safetensors"


def _environment_path(study: Study, spec: RunSpec, epoch: int) -> Path:
    return study.home / spec.name / f"environment-{epoch}-{study.identity}.json"
