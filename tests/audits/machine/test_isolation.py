"""Work in a process of its own: what it yields arrives, and however it ends, the caller learns why."""

import os
import signal
import time

import pytest

from dbviz.audits.machine.isolation import KILLED, ProcessEnded, TimeLimitReached, isolated


def counting(to: int):
    yield from range(to)
    yield os.getpid()


def killed_after_one():
    yield "one"
    os.kill(os.getpid(), signal.SIGKILL)
    yield "two"


def raising():
    yield "one"
    raise ValueError("no such engine")


def hanging():
    yield os.getpid()
    time.sleep(60)


def test_what_is_yielded_arrives_from_another_process():
    *numbers, process = isolated(counting, 3, seconds=60.0)
    assert numbers == [0, 1, 2]
    assert process != os.getpid()


@pytest.mark.parametrize(("work", "message"), [(killed_after_one, KILLED), (raising, "ValueError: no such engine")])
def test_a_process_that_ends_early_says_why_after_what_it_yielded(work, message):
    events = isolated(work, seconds=60.0)
    assert next(events) == "one"
    with pytest.raises(ProcessEnded, match=message):
        next(events)


@pytest.mark.slow
def test_work_that_takes_too_long_is_killed():
    events = isolated(hanging, seconds=20.0)
    process = next(events)
    with pytest.raises(TimeLimitReached):
        next(events)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
