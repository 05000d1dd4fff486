"""Errors of CUDA in a training: one line that names what to change, and status 2; others are left as they are."""

import dataclasses
from typing import Any

import pytest
import torch

from dbviz import fit
from dbviz.cli.console import run_command
from dbviz.cli.train import TrainOptions
from dbviz.core.errors import DeviceOutOfMemory, InputError
from dbviz.executors.events import Failed
from dbviz.runs import fitting, training_run
from dbviz.spec import Recipe, RunSpec
from dbviz.training import time_estimate
from dbviz.training.device_errors import explained_device_errors

SPEC = RunSpec(dataset="shapes", arch="resnet18k", width=3, recipe=Recipe(epochs=1, learning_rate=0.1))
BF16 = dataclasses.replace(SPEC, recipe=dataclasses.replace(SPEC.recipe, precision="bf16"))
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.20 GiB is "
    "free. Process 7 has 77.90 GiB memory in use. Of the allocated memory 70.00 GiB is allocated by PyTorch."
)
NO_ENGINE = "GET was unable to find an engine to execute this computation"


def raised(error: Exception, spec: RunSpec) -> str:
    with pytest.raises((DeviceOutOfMemory, InputError)) as caught, explained_device_errors(spec):
        raise error
    assert caught.value.__cause__ is error
    return str(caught.value)


def test_out_of_memory_names_what_was_needed_what_was_free_and_what_to_lower():
    assert raised(torch.OutOfMemoryError(OUT_OF_MEMORY), SPEC) == (
        "training resnet18k needs 2.50 GiB more memory on the GPU (1.20 GiB of 79.11 GiB are free): "
        "lower --batch-size (128) or --width (3), or free the GPU"
    )
    assert raised(torch.OutOfMemoryError("no numbers"), dataclasses.replace(SPEC, width=None)) == (
        "training resnet18k needs more memory than is free on the GPU: "
        "lower --batch-size (128) or --width, or free the GPU"
    )


def test_out_of_memory_may_pass_so_that_the_run_is_retried():
    assert not Failed.from_exception(SPEC, DeviceOutOfMemory("full")).permanent


@pytest.mark.parametrize(
    "message", [NO_ENGINE, "FIND was unable to find an engine to", "Unable to find a valid cuDNN algorithm to run"]
)
def test_a_convolution_that_bf16_lacks_is_refused_with_the_remedy(message):
    assert raised(RuntimeError(message), BF16) == (
        "cuDNN has no deterministic algorithm for resnet18k of width 3 in bf16 on this GPU: "
        "give --precision fp32, or --fast"
    )
    fast = dataclasses.replace(BF16, width=None, recipe=dataclasses.replace(BF16.recipe, deterministic=False))
    assert raised(RuntimeError(message), fast) == (
        "cuDNN has no algorithm for resnet18k in bf16 on this GPU: give --precision fp32"
    )


@pytest.mark.parametrize(("spec", "message"), [(SPEC, NO_ENGINE), (BF16, "CUDA error: an illegal memory access")])
def test_other_errors_are_left_as_they_are(spec, message):
    with pytest.raises(RuntimeError, match=message), explained_device_errors(spec):
        raise RuntimeError(message)


@pytest.mark.parametrize("part", ["training", "estimate"])
def test_a_training_and_its_time_estimate_raise_it(part, small_images, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    if part == "training":
        monkeypatch.setattr(fitting, "seconds_per_run", lambda *_: 1.0)
        monkeypatch.setattr(training_run, "train", failing)
    else:
        monkeypatch.setattr(time_estimate, "training_step", failing)
    options: dict[str, Any] = {"width": 1, "train_size": 32, "epochs": 1, "preset": "quick", "progress": False}
    with pytest.raises(DeviceOutOfMemory, match=r"training resnet18k needs 2.50 GiB more memory"):
        fit("resnet18k", dataset=small_images, home=tmp_path, device="cpu", **options)


def test_a_command_ends_with_one_line_and_status_2(capsys):
    def main(_: object) -> None:
        raise DeviceOutOfMemory("too little")

    assert run_command("python -m dbviz.train", TrainOptions, main, []) == 2
    assert capsys.readouterr().err == "dbviz.train: error: too little\n"
