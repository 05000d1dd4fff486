"""What is done, and what is not: parts that are ready, too slow, or out of time."""

import pytest

from dbviz.audits.machine import plan
from dbviz.audits.machine.findings import Check, Started
from dbviz.audits.machine.isolation import TimeLimitReached
from dbviz.audits.machine.plan import run_parts, unfinished_checks
from dbviz.benchmarks.machine import MachineSpeeds
from dbviz.models import ARCHITECTURES


def check(name: str, passed: bool = True) -> Check:
    return Check(name=name, passed=passed, detail="", seconds=1.0)


class FakePart:
    checks = ("a", "b")

    def __init__(self, name: str, time_share: float = 0.5) -> None:
        self.name, self.time_share, self.clean_ups = name, time_share, 0

    def run(self, checks):
        raise NotImplementedError(checks)

    def clean(self):
        self.clean_ups += 1


@pytest.fixture
def done(monkeypatch) -> list:
    """What `run_part` was called with; a part called slow starts `b` and takes too long."""
    calls = []

    def run_part(part, names, *, seconds):
        calls.append((part.name, list(names), seconds))
        for name in names:
            yield Started(name=name)
            if part.name == "slow" and name == "b":
                raise TimeLimitReached
            yield check(name)

    monkeypatch.setattr(plan, "run_part", run_part)
    return calls


def test_only_what_is_missing_or_failed_is_done(done):
    parts = [FakePart("one"), FakePart("two"), FakePart("three")]
    ready = {"one": [check("a"), check("b")], "two": [check("a", passed=False), check("b")]}
    assert [unfinished_checks(part, ready) for part in parts] == [[], ["a"], ["a", "b"]]
    list(run_parts(parts, ready, seconds=100.0))
    assert [(name, names) for name, names, _ in done] == [("two", ["a"]), ("three", ["a", "b"])]
    assert all(seconds == pytest.approx(50, abs=1) for _, _, seconds in done)


@pytest.mark.parametrize(("load", "why"), [(1.0, ""), (9.2, "; the machine is busy (load 9.2 on 2 cores)")])
def test_a_part_that_takes_half_of_the_time_fails_and_the_next_is_done(done, monkeypatch, load, why):
    monkeypatch.setattr(plan.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(plan.os, "cpu_count", lambda: 2)
    parts = [FakePart("slow"), FakePart("one")]
    events = list(run_parts(parts, {}, seconds=100.0))
    (failed,) = (event for _, event in events if isinstance(event, Check) and not event.passed)
    assert (failed.name, failed.detail) == ("b", f"not done when slow had taken 50 s{why}")
    assert done[-1][0] == "one"
    assert [part.clean_ups for part in parts] == [1, 1]


def test_when_time_is_over_nothing_is_started_and_nothing_failed(done):
    with pytest.raises(TimeLimitReached):
        list(run_parts([FakePart("one")], {}, seconds=1.0))
    assert done == []


def test_the_last_part_that_is_cut_off_by_the_limit_for_all_did_not_fail(done, monkeypatch):
    clock = iter([0.0, 60.0])
    monkeypatch.setattr(plan.time, "monotonic", lambda: next(clock))
    seen = []

    def do_all():
        for _, event in run_parts([FakePart("slow")], {}, seconds=100.0):
            seen.append(event)

    with pytest.raises(TimeLimitReached):
        do_all()
    assert [event.name for event in seen if isinstance(event, Check)] == ["a"]
    assert done[0][2] == 40.0


@pytest.mark.usefixtures("done")
def test_a_part_that_may_take_all_of_the_time_never_fails_for_it():
    events = run_parts([FakePart("slow", time_share=1.0)], {}, seconds=100.0)
    with pytest.raises(TimeLimitReached):
        list(events)
    assert MachineSpeeds.time_share.fget(None) == 1.0  # pyright: ignore[reportOptionalCall]


def test_every_architecture_is_audited():
    assert sorted(plan.ALL) == sorted(ARCHITECTURES)
    assert set(plan.QUICK) <= set(plan.ALL)
