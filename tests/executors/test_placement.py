"""How many processes share a GPU, and which GPUs they are given."""

import pytest
import torch

from dbviz.executors.placement import parameter_count, processes_per_gpu, visible_gpus

GIB = 2**30


@pytest.mark.parametrize(
    ("parameters", "memory", "cores", "gpus", "expected"),
    [
        (11_000_000, 80 * GIB, 64, 1, 1),  # large networks fill a GPU
        (1_000_000, 80 * GIB, 64, 1, 1),
        (999_999, 80 * GIB, 64, 1, 8),
        (100_000, 80 * GIB, 5, 1, 4),  # one core is left to the command
        (100_000, 80 * GIB, 17, 8, 2),  # the cores are shared by all GPUs
        (100_000, 80 * GIB, 2, 4, 1),
        (100_000, 6 * GIB, 64, 1, 3),
        (100_000, 1 * GIB, 64, 1, 1),
    ],
)
def test_small_networks_share_a_gpu_as_memory_and_cores_allow(parameters, memory, cores, gpus, expected):
    assert processes_per_gpu(parameters, memory=memory, cores=cores, gpus=gpus) == expected


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, ("0", "1")), ("", ("0", "1")), ("2,3", ("2", "3")), (" GPU-a , GPU-b,GPU-c", ("GPU-a", "GPU-b"))],
)
def test_gpus_are_named_as_this_process_sees_them(visible, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus(torch.device("cuda")) == expected
    assert visible_gpus(torch.device("cuda:1")) == ()
    assert visible_gpus(torch.device("cpu")) == ()


def test_parameters_are_counted_without_making_the_network(make):
    (spec,) = make("mlp", seeds=(0,), width=4)
    assert parameter_count(spec) == 3072 * 4 + 4 + 4 * 10 + 10
