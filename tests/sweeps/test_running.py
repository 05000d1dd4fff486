"""Sweeps: only what is missing is done, the longest runs first, and interruptions lose nothing."""

import errno
import gc
import os
import resource

import pytest
from helpers import sealed_files

from dbviz.core import files
from dbviz.executors import Finished, InProcess, Started
from dbviz.sweeps import estimate_sweep, measuring, run_sweep, unfinished_runs


def test_runs_are_finished_reported_and_never_repeated(make, study, monkeypatch):
    specs = [*make(width=4), *make(width=16)]
    events = []
    assert run_sweep(specs, study, InProcess(), progress=False, on_event=events.append) == []
    assert [type(event) for event in events] == [Started, Finished] * 4
    assert {event.item for event in events} == set(specs)
    assert unfinished_runs(specs, study) == []
    monkeypatch.setattr(measuring, "fit_specs", None)
    more = make(width=4, seeds=(2,))
    assert unfinished_runs([*specs, *more], study) == more
    assert run_sweep(specs, study, InProcess(), progress=False) == []


def test_the_longest_runs_come_first(make, study):
    events = []
    run_sweep([*make(width=2), *make(width=32)], study, InProcess(), progress=False, on_event=events.append)
    assert [event.item.width for event in events if isinstance(event, Started)] == [32, 32, 2, 2]


def test_a_full_disk_stops_the_sweep_and_finished_runs_are_kept(make, study, monkeypatch):
    specs = make(seeds=(0, 1, 2))
    assert run_sweep(specs[:1], study, InProcess(), progress=False) == []
    before = sealed_files(study.home)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            run_sweep(specs, study, InProcess(), progress=False)
    assert sealed_files(study.home) == before
    assert run_sweep(specs, study, InProcess(), progress=False) == []
    assert unfinished_runs(specs, study) == []


def test_lost_measurements_are_made_again_without_training(make, study, monkeypatch):
    (spec,) = make(seeds=(0,))
    run_sweep([spec], study, InProcess(), progress=False)
    (path,) = study.home.glob("*/measured-*")
    before = path.read_bytes()
    path.unlink()
    monkeypatch.setattr("dbviz.runs.training_run.least_squares", None)
    assert run_sweep([spec], study, InProcess(), progress=False) == []
    assert path.read_bytes() == before


def test_memory_stays_flat_over_many_runs(make, study):
    specs = make(seeds=tuple(range(20)), width=2)

    def peak() -> int:
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    run_sweep(specs[:5], study, InProcess(), progress=False)
    before = peak()
    run_sweep(specs, study, InProcess(), progress=False)
    assert peak() - before < 15_000  # KiB, for 15 runs


def test_the_estimate_counts_training_and_measuring_on_all_workers(make, study, monkeypatch):
    specs = make(seeds=(0, 1, 2, 3))
    monkeypatch.setattr("dbviz.sweeps.running.estimate_seconds", lambda specs, *_: dict.fromkeys(specs, 10.0))
    monkeypatch.setattr("dbviz.sweeps.running.estimate_measuring_seconds", lambda *_: 5.0)
    assert [estimate_sweep(specs, study, workers) for workers in (1, 2, 9)] == [60.0, 30.0, 15.0]
