"""Runs on disk: written atomically, verified, never a pickle, one process at a time."""

import dataclasses
import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from importlib import metadata
from pathlib import Path

import jaxtyping
import pytest
import torch
from torch import nn

from dbviz.core import files
from dbviz.core.errors import InputError
from dbviz.core.files import atomic_write, digest, load_tensors, save_tensors
from dbviz.models.build import construct
from dbviz.runs import store
from dbviz.spec import Recipe, RunSpec, Seeds
from dbviz.training import Checkpoint, EpochMetrics

CPU = torch.device("cpu")
SPEC = RunSpec(dataset="shapes", arch="fcnet", width=16, recipe=Recipe(epochs=2, learning_rate=0.1))


def epoch(number: int) -> EpochMetrics:
    return EpochMetrics(
        epoch=number, train_loss=1.5, train_accuracy=0.25, test_accuracy=0.5, learning_rate=0.1, seconds=2.0
    )


def network() -> nn.Module:
    return construct("fcnet", 10, 16, (3, 32, 32))


LOGITS = torch.arange(40.0).view(4, 10)


def finished(home: Path) -> Path:
    """A finished run of `SPEC`; its directory."""
    store.begin(SPEC, home, CPU)
    tested = {"test_accuracy": 0.5, "test_logits": LOGITS, "class_count": 10, "image_shape": (3, 32, 32)}
    store.finish(SPEC, home, network(), [epoch(1), epoch(2)], **tested)
    return home / SPEC.name


def test_a_finished_run_is_loaded_with_its_metrics(tmp_path):
    directory = finished(tmp_path)
    run = store.find(SPEC, tmp_path)
    assert run is not None
    assert run.spec == SPEC
    assert (run.class_count, run.image_shape, run.test_accuracy) == (10, (3, 32, 32), 0.5)
    assert run.epochs == (epoch(1), epoch(2))
    assert run.seconds == 4
    assert run.fingerprint == digest(load_tensors(directory / "weights.safetensors")[0])
    assert digest(run.model().state_dict()) == run.fingerprint
    assert not run.model().training
    assert torch.equal(run.test_logits(), LOGITS)
    assert json.loads((directory / "spec.json").read_text()) == SPEC.to_dict()
    environment = json.loads((directory / "environment.json").read_text())
    assert environment["packages"]["torch"] == metadata.version("torch")


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_environment_of_a_run_is_that_of_its_training(deterministic, tmp_path):
    spec = dataclasses.replace(SPEC, recipe=dataclasses.replace(SPEC.recipe, deterministic=deterministic))
    before = torch.are_deterministic_algorithms_enabled()
    store.begin(spec, tmp_path, CPU)
    recorded = json.loads((tmp_path / spec.name / "environment.json").read_text())
    assert recorded["deterministic_algorithms"] == deterministic
    assert torch.are_deterministic_algorithms_enabled() == before


def test_the_environment_of_a_run_may_be_absent_but_not_damaged(tmp_path):
    path = finished(tmp_path) / "environment.json"
    run = store.find(SPEC, tmp_path)
    assert run is not None
    assert run.environment == json.loads(path.read_text())
    path.write_text("{")
    with pytest.raises(InputError, match=r"environment\.json is damaged"):
        _ = run.environment
    path.unlink()
    assert run.environment == {}


@pytest.mark.parametrize("called", ["name", "identity", "start of the identity"])
def test_a_run_is_found_by_its_name(called, tmp_path):
    directory = finished(tmp_path)
    name = {"name": directory.name, "identity": SPEC.identity[:10]}.get(called, SPEC.identity[:6])
    assert store.find_by_name(name, tmp_path) == store.find(SPEC, tmp_path)


def test_an_unknown_run_suggests_the_closest(tmp_path):
    name = finished(tmp_path).name
    with pytest.raises(InputError, match=rf"no finished run is called '{name}x' in .*\({name}\?\)"):
        store.find_by_name(f"{name}x", tmp_path)


def test_another_spec_is_another_run(tmp_path):
    finished(tmp_path)
    for spec in (
        dataclasses.replace(SPEC, seeds=Seeds.all(1)),
        dataclasses.replace(SPEC, recipe=dataclasses.replace(SPEC.recipe, momentum=0.8)),
    ):
        assert store.find(spec, tmp_path) is None


def test_a_run_is_unfinished_until_its_metrics_are_written(tmp_path, monkeypatch):
    written = []

    def recording(path: Path, content: bytes) -> None:
        if path.name == "metrics.json":
            raise OSError(errno.ENOSPC, "No space left")
        written.append(path.name)
        atomic_write(path, content)

    store.begin(SPEC, tmp_path, CPU)
    store.save_checkpoint(SPEC, tmp_path, Checkpoint(metrics=epoch(1), tensors={"a": torch.ones(1)}), [epoch(1)])
    for module in (store, files):
        monkeypatch.setattr(module, "atomic_write", recording)
    with pytest.raises(OSError, match="No space"):
        store.finish(
            SPEC,
            tmp_path,
            network(),
            [epoch(1)],
            test_accuracy=0.5,
            test_logits=torch.zeros(4, 10),
            class_count=10,
            image_shape=(3, 32, 32),
        )
    assert written == ["weights.safetensors", "test_logits.safetensors"]
    assert store.find(SPEC, tmp_path) is None
    assert store.last_checkpoint(SPEC, tmp_path) is not None


def test_finishing_drops_the_resume_state_and_beginning_removes_partial_files(tmp_path):
    directory = tmp_path / SPEC.name
    store.begin(SPEC, tmp_path, CPU)
    (directory / ".weights.safetensors.123.part").write_bytes(b"half")
    store.save_checkpoint(SPEC, tmp_path, Checkpoint(metrics=epoch(1), tensors={"a": torch.ones(1)}), [epoch(1)])
    finished(tmp_path)
    assert sorted(path.name for path in directory.iterdir()) == [
        "environment.json",
        "metrics.json",
        "spec.json",
        "test_logits.safetensors",
        "weights.safetensors",
    ]


def test_a_checkpoint_is_read_with_its_metrics(tmp_path):
    store.save_checkpoint(
        SPEC, tmp_path, Checkpoint(metrics=epoch(2), tensors={"a": torch.ones(3)}), [epoch(1), epoch(2)]
    )
    resumable = store.last_checkpoint(SPEC, tmp_path)
    assert resumable is not None
    checkpoint, epochs = resumable
    assert checkpoint.metrics == epoch(2)
    assert epochs == [epoch(1), epoch(2)]
    assert checkpoint.tensors["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "flipped", "pickle", "without epochs", "other metrics"])
def test_a_damaged_checkpoint_is_none(damage, tmp_path):
    path = tmp_path / SPEC.name / "resume.safetensors"
    store.save_checkpoint(SPEC, tmp_path, Checkpoint(metrics=epoch(1), tensors={"a": torch.ones(3)}), [epoch(1)])
    whole = path.read_bytes()
    if damage == "absent":
        path.unlink()
    elif damage in ("without epochs", "other metrics"):
        save_tensors(path, {"a": torch.ones(3)}, {} if damage == "without epochs" else {"epochs": [{"epoch": 1}]})
    else:
        damaged = {"empty": b"", "cut": whole[:-3], "flipped": whole[:-1] + b"\x00", "pickle": pickle.dumps(1)}
        path.write_bytes(damaged[damage])
    assert store.last_checkpoint(SPEC, tmp_path) is None


@pytest.mark.parametrize("file", ["spec.json", "metrics.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"epochs": 3}'])
def test_a_damaged_run_is_an_error_that_names_what_to_delete(file, content, tmp_path):
    directory = finished(tmp_path)
    (directory / file).write_bytes(content)
    jaxtyping.config.update("jaxtyping_disable", True)  # or the annotations complain first
    try:
        with pytest.raises(InputError, match=f"{directory}.*delete"):
            store.find(SPEC, tmp_path)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_a_run_whose_spec_is_another_is_an_error(tmp_path):
    directory = finished(tmp_path)
    another = dataclasses.replace(SPEC, seeds=Seeds.all(1))
    (directory / "spec.json").write_text(json.dumps(another.to_dict()))
    with pytest.raises(InputError, match="is not the spec that its name stands for: delete"):
        store.find(SPEC, tmp_path)


def test_damaged_weights_are_an_error_when_they_are_needed(tmp_path):
    directory = finished(tmp_path)
    whole = (directory / "weights.safetensors").read_bytes()
    (directory / "weights.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    run = store.find(SPEC, tmp_path)
    assert run is not None
    with pytest.raises(InputError, match=r"weights.safetensors is damaged"):
        run.model()


def test_the_home_is_the_argument_else_the_variable_else_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("DBVIZ_HOME", "elsewhere")
    assert store.home_directory(tmp_path) == tmp_path
    assert store.home_directory() == Path("elsewhere")
    monkeypatch.delenv("DBVIZ_HOME")
    assert store.home_directory() == Path("runs")
    monkeypatch.setenv("HOME", "/somebody")
    assert store.home_directory("~/runs") == Path("/somebody/runs")


# ---- several processes


def start(script: str, *arguments: object) -> subprocess.Popen:
    """A Python process that runs `script`."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(holds, process: subprocess.Popen) -> None:
    limit = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit, "waited a minute"
        time.sleep(0.01)


def test_a_lock_is_exclusive(tmp_path):
    with store.locked(SPEC, tmp_path) as held:
        assert held
        with store.locked(SPEC, tmp_path, wait=False) as second:
            assert not second
        with store.locked(dataclasses.replace(SPEC, width=32), tmp_path, wait=False) as held_2:
            assert held_2
    with pytest.raises(ZeroDivisionError), store.locked(SPEC, tmp_path, wait=False):
        raise ZeroDivisionError
    with store.locked(SPEC, tmp_path, wait=False) as held_3:
        assert held_3


def test_the_lock_of_another_process_is_free_once_that_is_killed(tmp_path):
    script = """
        import sys, time
        from pathlib import Path
        from dbviz.runs import store
        from dbviz.spec import Recipe, RunSpec
        spec = RunSpec(dataset="shapes", arch="fcnet", width=16, recipe=Recipe(epochs=2, learning_rate=0.1))
        with store.locked(spec, Path(sys.argv[1])):
            Path(sys.argv[1], "held").touch()
            time.sleep(600)
    """
    process = start(script, tmp_path)
    try:
        wait_until((tmp_path / "held").exists, process)
        with store.locked(SPEC, tmp_path, wait=False) as held:
            assert not held
        process.send_signal(signal.SIGKILL)
        process.wait()
        with store.locked(SPEC, tmp_path, wait=False) as held:
            assert held
    finally:
        process.kill()
        process.communicate()


def test_of_two_processes_that_fit_the_same_run_one_trains_and_the_other_loads_it(tmp_path):
    script = """
        import sys, time
        from pathlib import Path
        from dbviz.runs import fit, store, training_run
        from dbviz.data import Images, shapes

        home, name = Path(sys.argv[1]), sys.argv[2]
        locked, train = store.locked, training_run.train

        def both_at_once(*arguments):  # neither has found the run when they come here
            (home / f"ready {name}").touch()
            while len(list(home.glob("ready *"))) < 2:
                time.sleep(0.01)
            return locked(*arguments)

        def counting(*arguments, **options):
            (home / f"trained {name}").touch()
            return train(*arguments, **options)

        store.locked, training_run.train = both_at_once, counting
        images = Images(train=shapes(64), test=shapes(64, split="test"))
        run, = fit("resnet18k", dataset=images, home=home, preset="quick", device="cpu", progress=False,
                          width=1, train_size=64, epochs=4, batch_size=16)
        print(run.fingerprint, run.seconds, len(run.epochs))
    """
    processes = [start(script, tmp_path, name) for name in "ab"]
    try:
        answers = [process.communicate(timeout=100) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], answers
    assert len(list(tmp_path.glob("trained *"))) == 1
    assert answers[0][0] == answers[1][0]
    (directory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    metrics = json.loads((directory / "metrics.json").read_text())
    seconds = sum(epoch_["seconds"] for epoch_ in metrics["epochs"])
    assert answers[0][0].split() == [digest(load_tensors(directory / "weights.safetensors")[0]), str(seconds), "4"]
    assert not list(directory.glob(".*.part"))
