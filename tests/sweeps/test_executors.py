"""Executors: equal results wherever runs are done, failures told, lost workers replaced, full disks said."""

import errno
import gc
import os
import resource
from pathlib import Path

import pytest

from dbviz import sealed
from dbviz.errors import InputError
from dbviz.executors import Failed, Finished, InProcess, Pool, Retried, Started
from dbviz.executors.events import WORKER_DIED
from dbviz.sweeps import measure, missing, run_sweep

DIVERGING = {"learning_rate": 1e30, "epochs": 2, "train_size": 32, "batch_size": 16}


def contents(home: Path) -> dict[str, bytes]:
    """Every file that does not hold times, by its place."""
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.glob("*/*.safetensors"))}


def test_runs_are_done_told_of_and_never_repeated(make, study, monkeypatch):
    specs = [*make(width=4), *make(width=16)]
    told = []
    assert run_sweep(specs, study, InProcess(), progress=False, on_event=told.append) == []
    assert [type(event) for event in told] == [Started, Finished] * 4
    assert {event.spec for event in told} == set(specs)
    assert missing(specs, study) == []
    monkeypatch.setattr(measure, "fit_specs", None)
    more = make(width=4, seeds=(2,))
    assert missing([*specs, *more], study) == more
    assert run_sweep(specs, study, InProcess(), progress=False) == []


def test_the_longest_runs_come_first(make, study):
    told = []
    run_sweep([*make(width=2), *make(width=32)], study, InProcess(), progress=False, on_event=told.append)
    assert [event.spec.width for event in told if isinstance(event, Started)] == [32, 32, 2, 2]


def test_processes_give_the_bytes_of_this_process(make, study, tmp_path):
    specs = [*make(width=4), *make("mlp", width=4, epochs=2, label_noise=None)]
    for executor, home in ((InProcess(), tmp_path / "a"), (Pool(processes=2), tmp_path / "b")):
        there = type(study)(**{**vars(study), "home": home})
        assert run_sweep(specs, there, executor, progress=False) == []
    found = contents(tmp_path / "a")
    assert found == contents(tmp_path / "b")
    assert len([name for name in found if "measured-" in name]) == 4


def test_a_failing_run_is_told_with_its_traceback_and_stops_no_other(make, study):
    bad = make("mlp", seeds=(0,), **DIVERGING)
    good = make(seeds=(0,))
    for executor in (InProcess(), Pool(processes=1)):
        (failed,) = run_sweep([*bad, *good], study, executor, progress=False)
        assert failed.spec == bad[0]
        assert "training diverged in epoch 1 of 2" in failed.error
        assert "TrainingDiverged" in failed.traceback
        assert missing([*bad, *good], study) == bad


def test_a_killed_worker_is_replaced_and_its_run_ends_in_the_same_bytes(killed_once, make, study, tmp_path):
    spec, once = killed_once
    others = make(seeds=(0, 1))
    told = []
    assert run_sweep([spec, *others], study, Pool(processes=1), progress=False, on_event=told.append) == []
    assert once.exists()
    assert [event.why for event in told if isinstance(event, Retried)] == [WORKER_DIED]
    undisturbed = type(study)(**{**vars(study), "home": tmp_path / "undisturbed"})
    assert run_sweep([spec, *others], undisturbed, InProcess(), progress=False) == []
    assert contents(study.home) == contents(undisturbed.home)


@pytest.mark.slow
def test_a_run_that_kills_every_worker_is_given_up(killed_once, study):
    spec, once = killed_once
    source = Path("net_that_is_killed.py")
    source.write_text(source.read_text().replace("ONCE.touch()", "pass"))
    (failed,) = run_sweep([spec], study, Pool(processes=1, retries=1), progress=False)
    assert failed.error == f"{WORKER_DIED}, each time it was tried"
    assert not once.exists()


def test_a_failure_that_may_pass_is_tried_again(make):
    (spec,) = make(seeds=(0,))
    assert not Failed.of(spec, RuntimeError("CUDA out of memory")).lasting
    assert Failed.of(spec, InputError("no")).lasting
    assert Failed.of(spec, KeyError("no")).error == "'no'"


def test_a_full_disk_stops_the_sweep_and_finished_runs_stay(make, study, monkeypatch):
    specs = make(seeds=(0, 1, 2))
    assert run_sweep(specs[:1], study, InProcess(), progress=False) == []
    before = contents(study.home)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(sealed.os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            run_sweep(specs, study, InProcess(), progress=False)
    assert contents(study.home) == before
    assert run_sweep(specs, study, InProcess(), progress=False) == []
    assert missing(specs, study) == []


def test_a_measurement_that_was_lost_is_made_again_without_training(make, study, monkeypatch):
    (spec,) = make(seeds=(0,))
    run_sweep([spec], study, InProcess(), progress=False)
    (path,) = study.home.glob("*/measured-*")
    before = path.read_bytes()
    path.unlink()
    monkeypatch.setattr("dbviz.runs.least_squares", None)
    assert run_sweep([spec], study, InProcess(), progress=False) == []
    assert path.read_bytes() == before


def test_memory_stays_flat_over_many_runs(make, study):
    specs = make(seeds=tuple(range(30)), width=2)

    def peak() -> int:
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    run_sweep(specs[:10], study, InProcess(), progress=False)
    before = peak()
    run_sweep(specs, study, InProcess(), progress=False)
    assert peak() - before < 30_000  # KiB


def test_no_process_at_all_is_refused():
    with pytest.raises(InputError, match="0 processes: give at least 1"):
        Pool(processes=0)
