"""A pool of processes, in one sweep: bitwise identical files, a killed worker's run retried, a failure returned."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import half_done, sealed_files

from dbviz.core.errors import InputError
from dbviz.executors import Failed, Finished, InProcess, Pool, Progressed, Retried, Started, pool
from dbviz.executors.events import WORKER_DIED
from dbviz.sweeps import run_sweep, unfinished_runs


@pytest.fixture(scope="module")
def sweep(make, make_study, make_killed_run, tmp_path_factory):
    """One sweep by two processes: three ordinary runs, one whose worker is killed once, and one that diverges."""
    directory = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.syspath_prepend(directory)
        study, in_process = make_study(directory / "home"), make_study(directory / "in_process")
        killed = make_killed_run(directory, study.home)
        good = [*make(width=4), *make("mlp", seeds=(0,), width=4, epochs=2), killed.spec]
        (diverging,) = make("mlp", seeds=(0,), learning_rate=1e30, epochs=2, batch_size=16)
        events = []
        failed = run_sweep([*good, diverging], study, Pool(processes=2), progress=False, on_event=events.append)
        assert run_sweep(good, in_process, InProcess(), progress=False) == []
    return SimpleNamespace(**locals())


def test_files_are_bitwise_identical_to_those_of_this_process(sweep):
    files = sealed_files(sweep.in_process.home)
    assert len([name for name in files if "measured-" in name]) == 4
    of_pool = sealed_files(sweep.study.home)
    assert {name: of_pool.get(name) for name in files} == files


def test_the_run_of_a_killed_worker_is_retried(sweep):
    assert sweep.killed.marker.exists()
    retried = [event for event in sweep.events if isinstance(event, Retried)]
    assert retried == [Retried(item=sweep.killed.spec, reason=WORKER_DIED)]


def test_a_failing_run_is_returned_with_its_traceback_and_stops_no_other(sweep):
    (failed,) = sweep.failed
    assert failed.item == sweep.diverging
    assert "training diverged in epoch 1 of 2" in failed.error
    assert "TrainingDiverged" in failed.traceback
    assert unfinished_runs([*sweep.good, sweep.diverging], sweep.study) == [sweep.diverging]


def test_every_run_starts_and_ends_two_at_a_time(sweep):
    ended = [event.item for event in sweep.events if isinstance(event, Finished | Failed)]
    assert sorted(map(str, ended)) == sorted(map(str, [*sweep.good, sweep.diverging]))
    running = list(itertools.accumulate(1 if isinstance(event, Started) else -1 for event in sweep.events))
    assert max(running) == 2
    assert running[-1] == 0


@pytest.mark.slow
def test_a_run_that_kills_every_worker_is_given_up(make_study, make_killed_run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    study = make_study(tmp_path / "home")
    killed = make_killed_run(tmp_path, study.home, always=True)
    (failed,) = run_sweep([killed.spec], study, Pool(processes=1, retries=1), progress=False)
    assert failed.error == f"{WORKER_DIED}, each time it was tried"
    assert not killed.marker.exists()


@dataclass(frozen=True)
class Number:
    """An item that is no run."""

    value: int

    @property
    def name(self) -> str:
        return f"number {self.value}"


@dataclass(frozen=True)
class CudaErrorOnce:
    """Raises what CUDA raises after an illegal address, in the process that does the first task."""

    marker: Path

    def __call__(self, _: Number) -> int:
        if not self.marker.exists():
            self.marker.write_text(str(os.getpid()))
        if self.marker.read_text() == str(os.getpid()):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return os.getpid()


def test_after_a_cuda_error_another_process_takes_over(tmp_path):
    task, numbers = CudaErrorOnce(tmp_path / "poisoned"), [Number(0), Number(1)]
    events = list(Pool(processes=1, retries=1).run(numbers, task))
    assert [event.item for event in events if isinstance(event, Retried)] == [Number(0)]
    finished = {event.item: event.result for event in events if isinstance(event, Finished)}
    assert set(finished) == set(numbers)
    assert len(set(finished.values())) == 1
    assert str(finished[Number(0)]) != task.marker.read_text()


def visible_gpu(_: Number) -> str | None:
    import torch

    assert not torch.cuda.is_initialized()
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_each_process_sees_one_gpu_and_this_one_as_before(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    pool = Pool(processes=2, gpus=("5", "7"))
    events = list(pool.run([Number(0), Number(1)], visible_gpu))
    assert sorted(event.result for event in events if isinstance(event, Finished)) == ["5", "7"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,7"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (event,) = [event for event in Pool(processes=1).run([Number(0)], visible_gpu) if isinstance(event, Finished)]
    assert event.result is None


def torch_threads(_: Number) -> int:
    import torch

    return torch.get_num_threads()


@pytest.mark.parametrize("executor", [InProcess(threads=3), Pool(processes=1, threads=3)], ids=str)
def test_a_task_has_the_threads_of_its_executor(executor):
    before = torch_threads(Number(0))
    events = list(executor.run([Number(0)], torch_threads))
    assert [event.result for event in events if isinstance(event, Finished)] == [3]
    assert torch_threads(Number(0)) == before


def test_a_pool_says_what_it_is():
    assert str(Pool(processes=1, threads=2)) == "in 1 process of 2 threads"
    assert str(Pool(processes=8, threads=1, gpus=("0", "1"))) == "in 8 processes of 1 thread on 2 GPUs"


def test_zero_processes_are_refused():
    with pytest.raises(InputError, match="0 processes: give at least 1"):
        Pool(processes=0)
    with pytest.raises(InputError, match="0 threads: give at least 1"):
        Pool(processes=1, threads=0)


def test_a_share_is_sent_once_in_an_interval(monkeypatch):
    clock, sent = [0.0], []
    monkeypatch.setattr(pool.time, "monotonic", lambda: clock[0])
    report = pool._at_intervals(sent.append)
    for clock[0], share in ((0.5, 0.1), (1.0, 0.2), (1.9, 0.3), (2.5, 0.4)):
        report(share)
    assert sent == [0.2, 0.4]


def test_a_worker_reports_how_much_of_a_task_is_done(make):
    (spec,) = make("mlp", seeds=(0,), width=4, epochs=2)
    events = list(Pool(processes=1).run([spec], half_done))
    assert events == [Started(item=spec), Progressed(item=spec, share=0.5), Finished(item=spec)]
