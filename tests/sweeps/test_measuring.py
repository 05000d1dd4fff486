"""Measurements of one run: those of its model, where they are stored, and how long they take."""

import dataclasses
import functools
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.runs import store
from dbviz.sweeps import is_measured, load_measurements, measurement_environment, measuring, train_and_measure


def test_predictions_are_those_of_the_model(make, study, small_images):
    (spec,) = make(seeds=(0,))
    train_and_measure(spec, study)
    run = store.find(spec, study.home)
    assert run is not None
    with torch.no_grad():
        labels = run.model()(small_images.train.normalized(np.arange(32))).argmax(1)
    assert load_measurements(spec, study, 1).train_predictions.tolist() == labels.tolist()


def test_measurements_are_files_beside_the_weights(make, study):
    (spec,) = make(seeds=(0,))
    assert not is_measured(spec, study, 1)
    assert measurement_environment(spec, study, 1) == {}
    with pytest.raises(InputError, match=r"measured-1-.* does not exist"):
        load_measurements(spec, study, 1)
    train_and_measure(spec, study)
    assert is_measured(spec, study, 1)
    names = {path.name for path in (study.home / spec.name).iterdir()}
    assert {f"measured-1-{study.identity}.safetensors", f"environment-1-{study.identity}.json"} <= names
    assert measurement_environment(spec, study, 1)["device"] == "cpu"
    finer = dataclasses.replace(study, resolution=7)
    assert not is_measured(spec, finer, 1)


def test_more_margins_than_test_images_are_refused(make, study):
    with pytest.raises(InputError, match="margins at 65 test images requested, but there are 64"):
        train_and_measure(make(seeds=(0,))[0], dataclasses.replace(study, margin_images=65))


def test_measuring_is_estimated_from_one_batch(make, study, monkeypatch):
    """A clock that advances by a second at each reading: 64 images take one; planes cost nothing where the first layer
    is linear, and 3 planes of 6 x 6 points where it is not."""
    ticks = itertools.count()
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    (features,), (network,) = make(seeds=(0,)), make("resnet18k", seeds=(0,), width=1)
    assert measuring.estimate_measuring_seconds(features, study) == pytest.approx(32 / 64)
    assert measuring.estimate_measuring_seconds(network, study) == pytest.approx((32 + 3 * 36) / 64)
    wider = dataclasses.replace(study, margin_images=2, directions=5)
    assert measuring.estimate_measuring_seconds(features, wider) == pytest.approx((32 + 2 * 5 * 35) / 64)


def test_regions_and_margins_are_measured_on_the_device_of_the_study(make, study, monkeypatch):
    devices = {}

    def recorded(name, function, *arguments, **options):
        devices[name] = options.get("device")
        return function(*arguments, **options)

    for name in ("sample", "measure_margins"):
        monkeypatch.setattr(measuring, name, functools.partial(recorded, name, getattr(measuring, name)))
    (spec,) = make(seeds=(0,))
    train_and_measure(spec, dataclasses.replace(study, margin_images=2, directions=2))
    assert devices == {"sample": "cpu", "measure_margins": "cpu"}
