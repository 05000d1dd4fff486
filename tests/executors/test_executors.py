"""Executors: equal results wherever runs are done, failures told, lost workers replaced, full disks said."""

import contextlib
import dataclasses
import errno
import gc
import itertools
import os
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dbviz.core import files
from dbviz.core.errors import InputError
from dbviz.executors import Failed, Finished, InProcess, Pool, Retried, Started, run_tasks
from dbviz.executors.events import WORKER_DIED
from dbviz.sweeps import estimate_sweep, measuring, missing, run_sweep

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
    monkeypatch.setattr(measuring, "fit_specs", None)
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
        patch.setattr(files.os, "fsync", full)
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
    monkeypatch.setattr("dbviz.runs.training_run.least_squares", None)
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


def test_the_display_counts_what_was_ready_done_and_failed(make, monkeypatch):
    bad, *good = make(seeds=(0, 1, 2))
    shown = []

    @contextlib.contextmanager
    def bar(*_, **__):
        yield lambda amount, at_work: shown.append((amount, at_work))

    def task(spec):
        if spec == bad:
            raise InputError("no")

    monkeypatch.setattr(sys.modules["dbviz.executors.run_tasks"], "progress_bar", bar)
    run_tasks({bad: 3.0, good[0]: 2.0, good[1]: 1.0}, task, InProcess(), ready=4)
    assert [amount for amount, _ in shown] == [0, 3, 0, 2, 0, 1]
    assert shown[0][1] == "4 of 7 runs done, 1 running, 0 failed"
    assert shown[-1][1] == "6 of 7 runs done, 0 running, 1 failed"


def test_the_estimate_counts_training_and_measuring_on_all_workers(make, study, monkeypatch):
    specs = make(seeds=(0, 1, 2, 3))
    monkeypatch.setattr("dbviz.sweeps.sweep.estimate_seconds", lambda some, *_: dict.fromkeys(some, 10.0))
    monkeypatch.setattr("dbviz.sweeps.sweep.estimate_measuring_seconds", lambda *_: 5.0)
    assert [estimate_sweep(specs, study, workers) for workers in (1, 2, 9)] == [60.0, 30.0, 15.0]


def test_measuring_is_estimated_from_one_batch(make, study, monkeypatch):
    """A clock that advances by a second at each look: 64 images take one, planes cost nothing where the first layer is
    linear, and 3 planes of 6 x 6 points where it is not."""
    ticks = itertools.count()
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    (features,), (network,) = make(seeds=(0,)), make("resnet18k", seeds=(0,), width=1)
    assert measuring.estimate_measuring_seconds(features, study) == pytest.approx(32 / 64)
    assert measuring.estimate_measuring_seconds(network, study) == pytest.approx((32 + 3 * 36) / 64)
    wider = dataclasses.replace(study, margin_images=2, directions=5)
    assert measuring.estimate_measuring_seconds(features, wider) == pytest.approx((32 + 2 * 5 * 35) / 64)
