"""The exactness checks: a sound machine passes, and every planted fault is named."""

import dataclasses

import numpy as np
import pytest
import torch

from dbviz.audits.machine import CHECKS, AuditedNetwork, Scale, label_checks, network_width
from dbviz.audits.machine.isolation import ProcessEnded
from dbviz.audits.machine.label_checks import check_batch_sizes, check_fast_form, check_margins, check_refined
from dbviz.audits.machine.training_checks import (
    _kill_in_other_process,
    check_repeats,
    check_resumes,
    killed_training,
)
from dbviz.audits.machine.width_check import check_odd_widths
from dbviz.label_maps import calibration, refinement
from dbviz.models import ARCHITECTURES
from dbviz.runs import store
from dbviz.training import loop

CPU = torch.device("cpu")
SMALL = Scale(train_images=48, test_images=24, batch_size=16, resolution=20, margin_images=4, margin_directions=2)
OWN = """
import random
import torch
from torch import nn


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x * (1 + 0.1 * random.SystemRandom().random()) if self.training else x).flatten(1))

"""


@pytest.fixture
def network(tmp_path):
    return AuditedNetwork(arch="mlp", width=32, device=CPU, home=tmp_path / "home", scale=SMALL)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The name of a module with networks that have faults."""
    name = f"faulty_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


class Interrupted(Exception):
    pass


def interrupt(network: AuditedNetwork) -> None:
    """Interrupts both trainings in this process."""

    def stop():
        raise Interrupted

    with pytest.raises(Interrupted):
        next(killed_training(network, stop))


def test_a_sound_network_passes_every_check(network):
    interrupt(network)  # else `check_resumes` would kill a process
    findings = {name: check(network) for name, check in CHECKS.items()}
    assert [name for name, finding in findings.items() if not finding.passed] == []
    assert findings["resumes, Adam"].detail == "killed and resumed after epoch 1: bitwise identical"
    assert "0 of 400 labels differ from plain fp32's" in findings["refined map"].detail
    assert findings["odd widths"].detail == "widths 1, 2, 3, 5 train and are labelled exactly"
    assert len(set(network.plain_labels.tolist())) > 2  # else nothing could be wrong


def test_a_process_is_really_killed_in_the_middle_of_both_trainings(network):
    home = network.home / "killed"
    assert check_resumes(network, "sgd").passed
    adam = store.last_checkpoint(network.spec("adam"), home)
    assert adam is not None
    assert adam[0].metrics.epoch == 1
    assert store.find(network.spec("adam"), home) is None


def test_a_training_that_ends_before_it_is_killed_says_why(network):
    unknown = dataclasses.replace(network, width=0)
    with pytest.raises(ProcessEnded, match="width is 0: it must be"):
        _kill_in_other_process(unknown)


def test_random_features_have_nothing_to_resume(network):
    features = dataclasses.replace(network, arch="random_features", width=20)
    assert check_resumes(features, "adam").detail == "solved in closed form: nothing to resume"
    assert check_repeats(features).passed


def test_a_nondeterministic_operation_is_named(network, own):
    finding = check_repeats(dataclasses.replace(network, arch=f"{own}:Noisy", width=None))
    assert not finding.passed
    assert finding.detail.startswith("two trainings differ: the loss of epoch 1, ")
    assert finding.detail.endswith(
        "step 1: loss; the operation that differs is aten.mul.Tensor in the forward of Noisy itself"
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resume_that_loses_the_optimizers_state_is_named(network, optimizer, monkeypatch):
    def restore_the_model_only(model, _, tensors):
        model.load_state_dict(
            {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
        )

    monkeypatch.setattr(loop, "_restore", restore_the_model_only)
    finding = check_resumes(network, optimizer, interrupt)
    assert not finding.passed
    assert finding.detail.startswith("killed and resumed after epoch 1, it differs: the loss of epoch 2, ")


def test_a_training_without_a_checkpoint_is_named(network, monkeypatch):
    monkeypatch.setattr(store, "save_checkpoint", lambda *_: None)
    monkeypatch.setattr("dbviz.audits.machine.training_checks._CHECKPOINT_SECONDS", 0.0)
    finding = check_resumes(network, "sgd", interrupt)
    assert not finding.passed
    assert finding.detail.startswith("no checkpoint of the first epoch")


def test_a_fast_form_whose_error_bound_is_too_small_is_named(network, monkeypatch):
    def forms(module, *_, **__):
        ramp = torch.arange(10) - 4.5
        yield (
            "bf16, planted",
            lambda images: module(images) + 0.1 * torch.sin(1e4 * images.mean((1, 2, 3)))[:, None] * ramp,
        )

    monkeypatch.setattr(calibration, "forms", forms)
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", float("inf"))
    resnet = dataclasses.replace(network, arch="resnet18", width=1)
    assert check_fast_form(resnet).passed
    assert "bf16, planted" in check_fast_form(resnet).detail
    monkeypatch.setitem(calibration._SAFETY_FACTORS, "bf16", 0.02)
    finding = check_fast_form(resnet)
    assert not finding.passed
    assert finding.detail.startswith("bf16, planted, ")
    assert "ABOVE its bound" in finding.detail


def test_a_refinement_that_misses_a_boundary_is_named(network, monkeypatch):
    assert check_refined(network).passed
    monkeypatch.setattr(refinement, "_is_uniform", lambda values, _: np.ones(len(values), bool))
    monkeypatch.setattr(refinement, "_is_contradicted", lambda _, __, cells: np.zeros(len(cells), bool))
    finding = check_refined(network)
    assert not finding.passed
    assert "labels differ from plain fp32's" in finding.detail


def test_labels_that_depend_on_the_batch_size_are_named(network, monkeypatch):
    sample = label_checks.sample

    def other_labels_in_batches_of_1000(*arguments, batch_size=None, **options):
        maps = sample(*arguments, batch_size=batch_size, **options)
        return maps.assign(labels=9 - maps.labels) if batch_size == 1000 else maps

    monkeypatch.setattr(label_checks, "sample", other_labels_in_batches_of_1000)
    finding = check_batch_sizes(network)
    assert not finding.passed
    assert "batches of 24: 0 of 400" in finding.detail
    assert "batches of 1,000: 400 of 400" in finding.detail


def test_margins_that_are_not_those_of_plain_fp32_are_named(network, monkeypatch):
    measure = label_checks.measure_margins

    def shorter_for_modules(models, *arguments, **options):
        margins = measure(models, *arguments, **options)
        return (
            margins
            if not isinstance(next(iter(models.values())), torch.nn.Module)
            else margins.assign(margin=margins.margin - 0.1)
        )

    monkeypatch.setattr(label_checks, "measure_margins", shorter_for_modules)
    finding = check_margins(network)
    assert not finding.passed
    assert finding.detail.endswith("margins differ by at most 0.1 pixels")


def test_a_width_without_a_kernel_is_named(network, monkeypatch):
    trained = AuditedNetwork.trained

    def without_an_engine(self, spec, way="reference"):
        if self.width == 3:
            raise RuntimeError("GET was unable to find an engine to execute this computation")
        return trained(self, spec, way)

    monkeypatch.setattr(AuditedNetwork, "trained", without_an_engine)
    finding = check_odd_widths(network)
    assert not finding.passed
    assert finding.detail == "width 3: RuntimeError: GET was unable to find an engine to execute this computation"


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_architecture_has_a_width_that_it_can_be_built_with(arch, quick, device):
    width = network_width(arch, torch.device(device), quick=quick)
    assert width is not None
    assert width % ARCHITECTURES[arch].multiple_of == 0
    assert width <= ARCHITECTURES[arch].width or arch == "random_features"
