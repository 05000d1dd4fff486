"""A training as a task: an executor trains the same weights as this process."""

import torch

from dbviz.executors import InProcess, Pool, run_tasks
from dbviz.runs import store
from dbviz.runs.fitting import fit_specs
from dbviz.runs.specs import make_specs
from dbviz.runs.task import Training
from dbviz.spec import SpecChanges

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
