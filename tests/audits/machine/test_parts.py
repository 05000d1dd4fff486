"""Checks of one part: a fault is the check's own, and the others are still done."""

import os
import time
from dataclasses import dataclass

import pytest

from dbviz.audits.machine.findings import Check, Finding, Started
from dbviz.audits.machine.isolation import TimeLimitReached
from dbviz.audits.machine.parts import run_checks, run_part

FINE = Finding(passed=True, detail="fine")


def fail(message: str) -> Finding:
    raise RuntimeError(message)


def fine() -> Finding:
    return FINE


def die() -> Finding:
    os._exit(7)


def hang() -> Finding:
    time.sleep(60)
    return FINE


def cuda_error() -> Finding:
    return fail("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA")


WORK = {"fine": fine, "die": die, "hang": hang, "cuda": cuda_error, "last": fine}


@dataclass(frozen=True)
class FakePart:
    checks: tuple[str, ...]
    name: str = "fake"
    time_share: float = 1.0

    def run(self, checks):
        yield from run_checks({name: WORK[name] for name in checks})

    def clean(self):
        pass


def results(events) -> dict[str, tuple[bool, str]]:
    return {event.name: (event.passed, event.detail) for event in events if isinstance(event, Check)}


def test_a_check_that_raises_fails_with_the_reason_in_one_line_and_the_next_is_done():
    events = list(run_checks({"engine": lambda: fail("unable to find an engine\nmore"), "last": fine}))
    assert [event.name for event in events if isinstance(event, Started)] == ["engine", "last"]
    assert results(events) == {"engine": (False, "RuntimeError: unable to find an engine"), "last": (True, "fine")}


def test_after_an_error_of_cuda_a_process_does_no_more():
    events = list(run_checks({"cuda": cuda_error, "last": fine}))
    message = "RuntimeError: CUDA error: an illegal memory access was encountered"
    assert results(events) == {"cuda": (False, message)}


def test_what_ends_a_process_fails_its_check_and_the_others_are_done_in_a_new_one():
    checks = ("fine", "die", "cuda", "last")
    outcome = results(run_part(FakePart(checks), checks, seconds=120.0))
    assert outcome["die"] == (False, "exit status 7")
    assert outcome["cuda"][0] is False
    assert outcome["fine"] == outcome["last"] == (True, "fine")


@pytest.mark.slow
def test_a_part_that_hangs_is_stopped_with_what_it_has_done():
    seen = []

    def do_all():
        for event in run_part(FakePart(("fine", "hang")), ("fine", "hang"), seconds=15.0):
            seen.append(event)

    with pytest.raises(TimeLimitReached):
        do_all()
    assert results(seen) == {"fine": (True, "fine")}
