"""A training as a task: the weights, what is reported meanwhile, the threads."""

import json

import pytest
import torch

from dbviz.core.progress import shares_reported_to
from dbviz.executors import InProcess, Pool, run_tasks
from dbviz.runs import store
from dbviz.runs.fitting import fit_specs
from dbviz.runs.specs import make_specs
from dbviz.runs.task import Training
from dbviz.spec import RunSpec, SpecChanges

CPU = torch.device("cpu")


def test_runs_trained_by_an_executor_are_those_of_this_process(small_images, tmp_path):
    tiny: SpecChanges = {"width": 4, "train_size": 32, "epochs": 2}
    specs = make_specs(["mlp"], [0, 1], images=small_images, preset="quick", device=CPU, **tiny)
    here = fit_specs(specs, small_images, device=CPU, home=tmp_path / "here", progress=False)
    for name, executor in {"in process": InProcess(), "pool": Pool(processes=1)}.items():
        task = Training(dataset=small_images.name, images=small_images, home=tmp_path / name, device="cpu")
        assert run_tasks(dict.fromkeys(specs, 1.0), task, executor, progress=False) == []
        assert all(store.find(spec, task.home) is not None for spec in specs)
        there = fit_specs(specs, small_images, device=CPU, home=task.home, progress=False)
        assert [run.fingerprint for run in there] == [run.fingerprint for run in here]
    assert here[0].fingerprint != here[1].fingerprint


@pytest.fixture
def spec(small_images) -> RunSpec:
    tiny: SpecChanges = {"width": 4, "train_size": 32, "epochs": 2, "batch_size": 16}
    (spec,) = make_specs(["mlp"], [0], images=small_images, preset="quick", device=CPU, **tiny)
    return spec


@pytest.fixture
def task(small_images, tmp_path) -> Training:
    return Training(dataset=small_images.name, images=small_images, home=tmp_path, device="cpu", threads=1)


def test_the_trained_share_of_a_run_is_reported_after_every_batch(task, spec):
    shares = []
    with shares_reported_to(shares.append):
        task(spec)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_a_run_is_trained_with_the_threads_of_the_task(task, spec, monkeypatch):
    number = [3]  # torch is only told
    monkeypatch.setattr(torch, "set_num_threads", number.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: number[-1])
    task(spec)
    assert json.loads((task.home / spec.name / "environment.json").read_text())["threads"] == 1
    assert number[-1] == 3
