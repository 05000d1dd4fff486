"""The command `audit machine`: one real run on a CPU, and its exit status, resumption and refusals."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dbviz.audits.machine import CHECKS, ArchitectureChecks, Check, Started, plan
from dbviz.audits.machine.isolation import TimeLimitReached
from dbviz.cli.audit import main

TINY = ["machine", "--arch", "fcnet", "--quick", "--no-speeds", "--device", "cpu"]
STORED = Path("results/audit/machine-cpu-quick.json")


def check(name: str, passed: bool = True, detail: str = "fine") -> Check:
    return Check(name=name, passed=passed, detail=detail, seconds=1.0)


@pytest.fixture
def machine(monkeypatch):
    """A machine in which the checks in `faults` fail, and time runs out at those in `too_slow`."""

    state = SimpleNamespace(faults={}, too_slow=set(), done=[])

    def run_part(part, names, *, seconds):
        assert seconds > 0
        for name in names:
            yield Started(name=name)
            if name in state.too_slow:
                raise TimeLimitReached
            state.done.append(f"{part.name} {name}")
            yield check(name, name not in state.faults, state.faults.get(name, "fine"))

    monkeypatch.setattr(plan, "run_part", run_part)
    monkeypatch.setattr(ArchitectureChecks, "time_share", 1.0)
    return state


def test_a_real_audit_of_one_architecture_finds_all_right(capsys):
    assert main(TINY) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Audit of this machine (")
    assert lines[0].endswith("at most 5 min 0 s.")
    (row,) = (line for line in lines if line.startswith("│ fcnet "))
    assert row.count(" ok ") == len(CHECKS)
    assert lines[-3:] == ["All is right.", "Written:", f"  {STORED}"]
    stored = json.loads(STORED.read_text())
    assert [done["name"] for done in stored["parts"]["fcnet"]] == list(CHECKS)
    assert "0 of 2,304 labels differ" in stored["parts"]["fcnet"][3]["detail"]
    assert [path.name for path in STORED.parent.iterdir()] == [STORED.name]  # the runs are deleted


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_audit_of_a_gpu_finds_all_right(capsys):
    assert main(["machine", "--arch", "fcnet", "resnet18", "--quick", "--device", "cuda"]) == 0
    assert "convolution, tf32" in capsys.readouterr().out


def test_a_fault_is_printed_and_the_status_is_1(machine, capsys):
    machine.faults = {"margins": "margins differ"}
    assert main(TINY) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "WRONG: fcnet, margins: margins differ" in lines
    assert "1 check failed." in lines


def test_only_what_failed_is_done_again(machine, capsys):
    machine.faults = {"margins": "margins differ"}
    main(TINY)
    machine.faults, machine.done = {}, []
    assert main(TINY) == 0
    assert machine.done == ["fcnet margins"]
    assert "7 of 8 checks ready" in capsys.readouterr().out
    machine.done = []
    assert main([*TINY, "--fresh"]) == 0
    assert machine.done == [f"fcnet {name}" for name in CHECKS]


def test_when_time_runs_out_results_are_kept_and_the_status_is_3(machine, capsys):
    machine.too_slow = {"refined map"}
    assert main(TINY) == 3
    lines = capsys.readouterr().out.splitlines()
    assert "Time ran out after 5 min 0 s: the same command resumes from here." in lines
    assert "4 checks not done." in lines
    machine.too_slow, machine.done = set(), []
    assert main(TINY) == 0
    assert machine.done == [f"fcnet {name}" for name in list(CHECKS)[4:]]


def test_what_is_wrong_weighs_more_than_what_is_missing(machine):
    machine.faults, machine.too_slow = {"repeats": "differ"}, {"margins"}
    assert main(TINY) == 1


def test_results_of_another_architecture_are_kept_and_those_of_another_torch_are_not(machine, monkeypatch):
    main(TINY)
    main([*TINY[:1], "--arch", "vit", *TINY[3:]])
    assert list(json.loads(STORED.read_text())["parts"]) == ["fcnet", "vit"]
    machine.done = []
    monkeypatch.setattr("dbviz.__version__", "9.0")
    main(TINY)
    assert machine.done == [f"fcnet {name}" for name in CHECKS]


def test_speeds_are_a_part_of_it(machine, capsys):
    assert main([argument for argument in TINY if argument != "--no-speeds"]) == 0
    assert "speeds sampling" in machine.done
    printed = capsys.readouterr().out
    assert "fcnet, speeds: about " in printed
    assert "│ fcnet" in printed
    assert "│ speeds" not in printed  # they are no architecture


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--arch resnet81", "did you mean 'resnet18'?"),
        ("--minutes 0", "--minutes is 0: give more than 0"),
        ("--device tpu", "unknown device 'tpu'"),
    ],
)
def test_what_cannot_work_is_refused_in_a_line(arguments, message, capsys):
    assert main(["machine", *arguments.split()]) == 2
    assert message in capsys.readouterr().err
