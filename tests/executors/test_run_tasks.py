"""Tasks in this process: their order, what the progress bar counts, and a full disk."""

import contextlib
import errno
import os
import sys

import pytest

from dbviz.core.errors import InputError
from dbviz.executors import Failed, Finished, InProcess, Progressed, Retried, Started, run_tasks


def test_the_most_expensive_task_comes_first_and_every_event_is_passed_on(make):
    specs, events, done = make(seeds=(0, 1, 2)), [], []
    cost = dict(zip(specs, (1.0, 3.0, 2.0), strict=True))
    assert run_tasks(cost, done.append, InProcess(), progress=False, on_event=events.append) == []
    assert done == [specs[1], specs[2], specs[0]]
    assert events == [event for spec in done for event in (Started(item=spec), Finished(item=spec))]


def test_the_progress_bar_counts_what_was_ready_done_and_failed(make, monkeypatch):
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


@pytest.mark.parametrize(("number", "stops"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_a_full_disk_stops_all_tasks_and_another_error_none(make, number, stops):
    specs, done = make(seeds=(0, 1)), []

    def task(spec):
        done.append(spec)
        raise OSError(number, os.strerror(number))

    cost = dict.fromkeys(specs, 1.0)
    if stops:
        with pytest.raises(OSError, match="No space left on device"):
            run_tasks(cost, task, InProcess(), progress=False)
        assert done == specs[:1]
    else:
        failed = run_tasks(cost, task, InProcess(), progress=False)
        assert [failure.item for failure in failed] == done == specs
        assert all(isinstance(failure, Failed) and failure.errno == number for failure in failed)


class Reporting:
    """An executor that reports shares: one task is lost half-way and retried."""

    concurrency = threads = 1

    def run(self, items, task):  # noqa: ARG002
        (item,) = items
        yield Started(item=item)
        yield Progressed(item=item, share=0.5)
        yield Retried(item=item, reason="lost")
        yield Started(item=item)
        yield Progressed(item=item, share=0.75)
        yield Finished(item=item)


def test_the_progress_bar_moves_with_the_shares_of_a_task_and_back_when_it_is_lost(make, monkeypatch):
    shown = []

    @contextlib.contextmanager
    def bar(*_, **__):
        yield lambda amount, at_work: shown.append((amount, at_work))

    monkeypatch.setattr(sys.modules["dbviz.executors.run_tasks"], "progress_bar", bar)
    run_tasks(dict.fromkeys(make(seeds=(0,)), 4.0), print, Reporting())
    assert [amount for amount, _ in shown] == [0, 2, -2, 0, 3, 1]
    assert [text.split(", ")[1] for _, text in shown] == [f"{n} running" for n in (1, 1, 0, 1, 1, 0)]
