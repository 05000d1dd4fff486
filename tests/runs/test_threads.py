"""The number of threads of a run: the executor's, kept when it resumes, and the same bits wherever it is trained."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dbviz.core.threads import using_threads
from dbviz.executors import InProcess, Pool, run_tasks
from dbviz.runs import fit, fitting, store, training_run
from dbviz.runs.fitting import fit_specs
from dbviz.runs.specs import make_specs
from dbviz.runs.task import Training

CPU = torch.device("cpu")


@pytest.fixture
def specs(small_images):
    tiny: dict[str, Any] = {"width": 4, "train_size": 64, "epochs": 2, "batch_size": 32}
    return make_specs(["resnet18k"], [0, 1], images=small_images, preset="quick", device=CPU, **tiny)


def recorded_threads(spec, home: Path) -> int:
    return json.loads((home / spec.name / "environment.json").read_text())["threads"]


@pytest.fixture
def told(monkeypatch):
    """torch is only told how many threads to use: on a busy machine several would wait for each other."""
    number = [1]
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: number.append(threads))
    monkeypatch.setattr(torch, "get_num_threads", lambda: number[-1])


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_weights_do_not_depend_on_the_executor(threads, specs, small_images, tmp_path):
    with using_threads(threads):
        runs = fit_specs(specs, small_images, device=CPU, home=tmp_path / "fit", progress=False)
    for name, executor in {"here": InProcess(threads=threads), "pool": Pool(processes=2, threads=threads)}.items():
        task = Training(dataset=small_images.name, images=small_images, home=tmp_path / name, device="cpu")
        assert run_tasks(dict.fromkeys(specs, 1.0), task, executor, progress=False) == []
        assert [recorded_threads(spec, task.home) for spec in specs] == [threads, threads]
        done = [store.find(spec, task.home) for spec in specs]
        assert [run.fingerprint for run in done if run] == [run.fingerprint for run in runs]


def interrupt_after_an_epoch(monkeypatch) -> None:
    train = training_run.train

    def interrupted(*arguments, **options):
        yield next(train(*arguments, **options))
        monkeypatch.setattr(training_run, "train", train)
        raise KeyboardInterrupt

    monkeypatch.setattr(training_run, "train", interrupted)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(("given", "expected"), [(None, 2), (3, 3)])
def test_a_run_resumes_with_the_threads_it_was_started_with_unless_others_are_given(
    given, expected, specs, small_images, tmp_path, monkeypatch
):
    place: dict[str, Any] = {"device": CPU, "home": tmp_path, "progress": False}
    interrupt_after_an_epoch(monkeypatch)
    with pytest.raises(KeyboardInterrupt), using_threads(2):
        fit_specs(specs[:1], small_images, **place)
    assert (tmp_path / specs[0].name / "resume.safetensors").exists()
    with using_threads(1):
        runs = fit_specs(specs, small_images, threads=given, **place)
    assert recorded_threads(specs[0], tmp_path) == expected
    assert recorded_threads(specs[1], tmp_path) == (given or 1)
    if given is None:
        with using_threads(2):
            (whole,) = fit_specs(specs[:1], small_images, **place | {"home": tmp_path / "whole"})
        assert runs[0].fingerprint == whole.fingerprint


@pytest.mark.usefixtures("told")
def test_a_finished_run_is_trained_again_for_other_epochs_with_its_threads(specs, small_images, tmp_path):
    place: dict[str, Any] = {"device": CPU, "home": tmp_path, "progress": False}
    with using_threads(2):
        (run,) = fit_specs(specs[:1], small_images, **place)
    (again,) = fit_specs(specs[:1], small_images, keep=[1], **place)
    assert again.at(1).weights.exists()
    assert recorded_threads(specs[0], tmp_path) == 2
    assert again.fingerprint == run.fingerprint


@pytest.mark.parametrize("text", [None, "{", "{}", '{"threads": null}'])
def test_a_run_of_unknown_threads_has_the_current_number(text, specs, tmp_path):
    assert store.started_with_threads(specs[0], tmp_path) is None
    directory = tmp_path / specs[0].name
    directory.mkdir()
    (directory / "resume.safetensors").touch()
    if text is not None:
        (directory / "environment.json").write_text(text)
    assert store.started_with_threads(specs[0], tmp_path) is None
    (directory / "environment.json").write_text('{"threads": 5}')
    assert store.started_with_threads(specs[0], tmp_path) == 5
    (directory / "resume.safetensors").unlink()  # nothing of it is left that other threads could contradict
    assert store.started_with_threads(specs[0], tmp_path) is None


@pytest.mark.usefixtures("told")
def test_fit_trains_with_a_quarter_of_the_cores_and_restores_torchs_threads(small_images, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "default_threads", lambda: 3)
    before = torch.get_num_threads()
    tiny: dict[str, Any] = {
        "width": 4,
        "train_size": 32,
        "epochs": 1,
        "preset": "quick",
        "device": "cpu",
        "progress": False,
    }
    for threads, expected in ((None, 3), (2, 2)):
        home = tmp_path / str(threads)
        (run,) = fit("mlp", dataset=small_images, home=home, threads=threads, **tiny)
        assert recorded_threads(run.spec, home) == expected
    assert torch.get_num_threads() == before
