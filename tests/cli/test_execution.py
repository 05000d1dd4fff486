"""Where a command's runs and label maps are made, and what becomes of those that fail."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

import dbviz.cli.label_maps
from dbviz import label_maps
from dbviz.cli import execution
from dbviz.cli.execution import choose_executor
from dbviz.cli.options import ExecutorOptions
from dbviz.cli.plot import main as plot_main
from dbviz.cli.score import main as score_main
from dbviz.cli.train import main as train_main
from dbviz.core import threads
from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.data import datasets
from dbviz.executors import InProcess, Pool
from dbviz.executors.ray_cluster import RayCluster
from dbviz.label_maps import content_digest
from dbviz.runs import training_run

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GIB = 2**30
TINY = shlex.split("--dataset shapes --train-size 32 --epochs 1 --width 16 --arch mlp --device cpu --home home")


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine look as if it had so many cores, and GPUs of 80 GiB."""

    def has(cores: int, gpus: int = 0) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        for module in (threads, execution):
            monkeypatch.setattr(module, "cores", lambda: cores)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(execution, "gpu_memory", lambda _: 80 * GIB)

    return has


@pytest.fixture(autouse=True)
def _few_images(small_images, monkeypatch):
    monkeypatch.setitem(datasets.DATASETS, "shapes", lambda _: small_images)


@pytest.mark.parametrize(
    ("cores", "options", "expected"),
    [
        (2, {}, Pool(processes=2, threads=1)),
        (16, {}, Pool(processes=4, threads=4)),
        (1, {}, InProcess(threads=1)),
        (16, {"threads": 1}, Pool(processes=16, threads=1)),
        (16, {"threads": 16}, InProcess(threads=16)),
        (16, {"threads": 32}, InProcess(threads=32)),
        (16, {"workers": 3}, Pool(processes=3, threads=4)),
        (16, {"executor": "here"}, InProcess(threads=4)),
        (1, {"executor": "processes", "retries": 0}, Pool(processes=1, threads=1, retries=0)),
        (16, {"executor": "ray"}, RayCluster(threads=4, gpus_per_run=0.0)),
    ],
)
def test_on_a_cpu_runs_go_side_by_side_with_a_quarter_of_the_cores_each(cores, options, expected, machine, make):
    machine(cores)
    assert choose_executor(ExecutorOptions(**options), CPU, make(seeds=(0, 1))) == expected


LARGE, SMALL = ("resnet18", 64), ("mlp", 4)


@pytest.mark.parametrize(
    ("gpus", "network", "options", "expected"),
    [
        (1, LARGE, {}, InProcess(threads=4)),
        (4, LARGE, {}, Pool(processes=4, threads=4, gpus=("0", "1", "2", "3"))),
        (1, SMALL, {}, Pool(processes=8, threads=4, gpus=("0",))),
        (4, SMALL, {}, Pool(processes=12, threads=4, gpus=("0", "1", "2", "3"))),
        (2, LARGE, {"workers": 6}, Pool(processes=6, threads=4, gpus=("0", "1"))),
        (2, LARGE, {"executor": "here"}, InProcess(threads=4)),
        (2, LARGE, {"executor": "ray"}, RayCluster(gpus_per_run=1.0, threads=4)),
        (1, SMALL, {"executor": "ray"}, RayCluster(gpus_per_run=0.125, threads=4)),
        (1, SMALL, {"executor": "ray", "gpus_per_run": 0.5}, RayCluster(gpus_per_run=0.5, threads=4)),
        (1, SMALL, {"executor": "ray", "gpus_per_run": 0.0}, RayCluster(gpus_per_run=0.0, threads=4)),
    ],
)
def test_on_gpus_each_has_one_large_or_several_small_runs(gpus, network, options, expected, machine, make):
    machine(16, gpus)
    specs = make(network[0], seeds=(0, 1), width=network[1])
    assert choose_executor(ExecutorOptions(**options), CUDA, specs) == expected


def test_one_gpu_that_was_chosen_is_the_only_one(machine, make):
    machine(16, 4)
    specs = make("mlp", seeds=(0, 1), width=4)
    assert choose_executor(ExecutorOptions(), torch.device("cuda:2"), specs) == Pool(processes=8, threads=4)


def test_gpus_for_runs_on_a_cpu_are_refused():
    options = ExecutorOptions(executor="ray", gpus_per_run=0.5)
    with pytest.raises(InputError, match=r"--gpus-per-run is 0\.5, but runs are trained on the CPU"):
        choose_executor(options, CPU)


def environment_of(home: str, seed: int) -> dict[str, Any]:
    (path,) = Path(home).glob(f"*-s{seed}-*/environment.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("seconds", "arguments", "where"),
    [
        (4.0, "", "on CPU, in this process, 1 thread: 2 to train"),
        (6.0, "", "on CPU, in 2 processes of 1 thread: 2 to train"),
        (0.1, "--workers 2", "on CPU, in 2 processes of 1 thread: 2 to train"),
        (6.0, "--executor here --threads 2", "on CPU, in this process, 2 threads: 2 to train"),
        (6.0, "--seeds 0", "on CPU, in this process, 1 thread: 1 to train"),
    ],
)
def test_the_first_line_says_how_many_processes_and_threads(seconds, arguments, where, machine, monkeypatch, capsys):
    machine(2)
    monkeypatch.setattr(execution, "estimate_seconds", lambda specs, *_: dict.fromkeys(specs, seconds))
    trained = []
    monkeypatch.setattr(execution, "run_tasks", lambda specs, *_, **__: trained.extend(specs) or [])
    monkeypatch.setattr(execution, "fit_specs", lambda specs, *_, **__: trained.extend(specs))
    assert train_main([*TINY, "--seeds", "0-1", *arguments.split()]) == 0
    assert where in capsys.readouterr().out.splitlines()[0]
    assert len(trained) == (1 if "--seeds 0" in arguments else 2)


def test_a_run_that_fails_stops_no_other_and_the_exit_status_says_so(monkeypatch, capsys):
    train = training_run.train

    def diverging(model, batches, recipe, seeds, **hooks):
        if seeds.init == 1:
            raise TrainingDiverged("training diverged in epoch 1 of 1")
        return train(model, batches, recipe, seeds, **hooks)

    monkeypatch.setattr(training_run, "train", diverging)
    small = ["--resolution", "6", "--seeds", "0-2"]
    for main, arguments in {train_main: [], plot_main: small[:2], score_main: [*small[:2], "--triplets", "2"]}.items():
        assert main([*TINY, "--seeds", "0-2", *arguments]) == 1
        captured = capsys.readouterr()
        assert captured.err.splitlines()[-1].endswith(": training diverged in epoch 1 of 1")
        assert "1 of 3 runs failed, first shapes-mlp-w16-n32-e1-s1-" in captured.err.splitlines()[-1]
        assert "mlp" in captured.out.split("to train", 1)[1]  # the table of those that did not
    (path,) = Path("results/score").glob("*.nc")
    assert label_maps.load(path).seed.values.tolist() == ["0", "2"]
    assert len(list(Path("home").glob("*/metrics.json"))) == 2


def test_fewer_than_two_runs_have_no_scores(monkeypatch, capsys):
    def diverging(*_, **__):
        raise TrainingDiverged("training diverged in epoch 1 of 1")

    monkeypatch.setattr(training_run, "train", diverging)
    assert score_main([*TINY, "--seeds", "0-1", "--triplets", "2"]) == 1
    assert "2 of 2 runs failed" in capsys.readouterr().err.splitlines()[-1]


def test_networks_that_cannot_be_trained_are_bad_input(monkeypatch, capsys):
    def refused(*_, **__):
        raise InputError("it is random in evaluation mode")

    monkeypatch.setattr(training_run, "_check_forward", refused)
    assert plot_main([*TINY, "--seeds", "0-1"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "dbviz.plot: error: it is random in evaluation mode"


def test_a_run_has_the_threads_that_it_is_given_and_differences_are_pointed_out(monkeypatch, capsys):
    number = [1]  # torch is only told: on a busy machine threads would wait for each other
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: number.append(threads))
    monkeypatch.setattr(torch, "get_num_threads", lambda: number[-1])
    train = ["--epochs", "2", "--seeds", "0", "--threads"]
    assert train_main([*TINY, *train, "2"]) == 0
    assert environment_of("home", 0)["threads"] == 2
    capsys.readouterr()
    assert train_main([*TINY, "--epochs", "2", "--seeds", "1"]) == 0
    assert environment_of("home", 1)["threads"] == threads.default_threads()
    assert plot_main([*TINY, "--epochs", "2", "--seeds", "0-1", "--resolution", "4"]) == 0
    assert "trained in different environments, which may change bits: threads" in capsys.readouterr().out


def test_few_points_are_sampled_here_and_many_in_parts_with_the_same_content(monkeypatch):
    def digest() -> str:
        assert score_main([*TINY, "--seeds", "0-1", "--triplets", "2", "--resolution", "8"]) == 0
        (path,) = Path("results/score").glob("*.nc")
        maps = label_maps.load(path)
        path.unlink()
        assert not list(Path("results/score").glob("*.parts"))
        return content_digest(maps)

    in_parts, sample_in_parts = [], dbviz.cli.label_maps.sample_in_parts
    monkeypatch.setattr(
        dbviz.cli.label_maps, "sample_in_parts", lambda *a, **k: in_parts.append(a) or sample_in_parts(*a, **k)
    )
    here = digest()
    assert not in_parts
    monkeypatch.setattr(dbviz.cli.label_maps, "_WORTH_PARTS", 1)
    assert digest() == here
    assert len(in_parts) == 1
