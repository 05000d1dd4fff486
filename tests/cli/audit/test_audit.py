"""The command: what it prints and stores, planted faults through it, and what it refuses in one line."""

import json
import shlex
from pathlib import Path
from typing import get_args

import pytest

from dbviz.audits import initial_fingerprint
from dbviz.audits.settings import SETTINGS
from dbviz.cli.audit import main
from dbviz.data import datasets
from dbviz.models import build
from dbviz.runs import store
from dbviz.runs.fitting import fit
from dbviz.spec import Setting

TINY = shlex.split("--dataset shapes --preset quick --train-size 64 --batch-size 8 --steps 2 --images 8 --device cpu")
OWN = """
import torch, torch.nn.functional as F
from torch import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.stem(x).flatten(1))


class Longer(Plain):
    def __init__(self):
        nn.Module.__init__(self)
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.middle = nn.Linear(7, 5)
        self.head = nn.Linear(256, 10)


class Dropping(Plain):
    def forward(self, x):
        return self.head(F.dropout(self.stem(x).flatten(1)))


class Needy(Plain):
    def __init__(self, depth):
        super().__init__()
"""


@pytest.fixture(autouse=True)
def _few_images(small_images, monkeypatch):
    monkeypatch.setitem(datasets.DATASETS, "shapes", lambda _: small_images)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Four networks in a file of the user's, under a name that no other test has imported."""
    name = f"own_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def said(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def stored(name: str) -> dict:
    return json.loads(Path("results/audit", f"{name}.json").read_text())


def one_line(capsys, status: int) -> str:
    err = capsys.readouterr().err
    assert status == 2, err
    assert err.count("\n") == 1, err
    assert err.startswith("dbviz.audit: error: ")
    return err


# ---- determinism


def test_a_training_is_audited_printed_and_stored(capsys):
    assert main(["determinism", "--arch", "fcnet", "--width", "16", *TINY, "--vary", "bf16", "evaluation-batch"]) == 0
    lines = said(capsys)
    assert lines[0].startswith("shapes: determinism of fcnet of width 16: 2 steps of 8 images twice, deterministic")
    assert lines[0].endswith(" s.")
    assert "fcnet: every batch, loss, gradient, weight and buffer of two trainings is bitwise identical." in lines
    assert lines[-2:] == ["Written:", "  results/audit/determinism-shapes-fcnet-cpu.json"]
    results = stored("determinism-shapes-fcnet-cpu")
    assert results["repeats"] is True
    assert results["first"] is None
    assert [row["setting"] for row in results["varied"]] == ["nothing", "bf16", "batch size of evaluation"]
    changed = results["varied"][1]
    assert changed["same_bits"] is False
    (row,) = (line for line in lines if line.startswith("│ bf16 "))
    assert f"{changed['weights']:.1e}" in row
    assert f"{changed['logits']:.1e}" in row
    assert results["loader"]["faults"] == []
    assert results["spec"]["arch"] == "fcnet"
    assert {"command", "date", "environment"} <= results.keys()


def test_what_this_machine_lacks_stands_in_the_table(capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)  # no compiler
    assert main(["determinism", "--arch", "fcnet", "--width", "16", *TINY]) == 0
    lines = said(capsys)
    for name, lacks in (("cuDNN benchmark", "CUDA"), ("TF32", "CUDA"), ("torch.compile", "a C++ compiler")):
        (row,) = (line for line in lines if line.startswith(f"│ {name} "))
        assert f"needs {lacks} " in row
    rows = {row["setting"]: row for row in stored("determinism-shapes-fcnet-cpu")["varied"]}
    assert list(rows) == ["nothing", *SETTINGS.values()]
    assert rows["TF32"]["weights"] is None
    assert rows["data workers"]["same_bits"] is True


def test_a_users_network_that_is_random_in_evaluation_is_named(own, capsys):
    assert main(["determinism", "--arch", f"{own}:Dropping", *TINY, "--vary", "deterministic"]) == 1
    lines = said(capsys)
    (line,) = (line for line in lines if "random in evaluation" in line)
    assert "the same images give other outputs in Dropping itself" in line
    assert any(line.startswith("│ aten.convolution.default ") and "become deterministic" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 0", "--steps 0 --images 8: an audit needs at least one of each"),
        ("--images 0", "--steps 2 --images 0: an audit needs"),
        ("--images 65", "65 images requested, but shapes test has 64"),
        ("--seeds 0 1", "2 seeds given: an audit repeats one training (--seeds)"),
        ("--tf32", "TF32 needs CUDA, and the device is cpu: leave tf32 out"),
        ("--cudnn-benchmark", "cuDNN benchmark needs CUDA, and the device is cpu: leave cudnn-benchmark out"),
        ("--vary tf32", "TF32 needs CUDA, and the device is cpu: leave tf32 out"),
        ("--threads 0", "threads is 0: it must be at least 1"),
        ("--threads 100000", "100000 threads requested, but there are"),
        ("--arch nowhere:Net", "'nowhere:Net' cannot be imported"),
        ("--arch OWN:Needy", "needs the argument 'depth'"),
        ("--arch random_features", "takes no steps: audit one that is trained"),
        ("--arch resnet81", "did you mean 'resnet18'?"),
    ],
)
def test_what_cannot_be_audited_is_said_in_a_line(arguments, message, own, capsys):
    given = [*TINY, *arguments.replace("OWN", own).split()]
    arch = [] if "--arch" in given else ["--arch", "fcnet", "--width", "16"]
    assert message in one_line(capsys, main(["determinism", *arch, *given]))


def test_every_setting_can_be_asked_for():
    assert get_args(Setting) == tuple(SETTINGS)


# ---- initial weights


def test_two_definitions_are_compared_and_the_layer_between_them_is_named(own, capsys):
    assert main(["init", f"{own}:Plain", f"{own}:Longer"]) == 0
    lines = said(capsys)
    assert lines[0].startswith(f"Initial weights of {own}:Plain and of {own}:Longer under seed 0")
    assert "Drawn in sequence: 2 of 4 parameters of one name and shape begin with equal values." in lines
    assert (
        f"  The first that differs is head.weight: middle (Linear) is in {own}:Longer only and drew 40 values "
        "before head.weight." in lines
    )
    assert "Drawn by name: 4 of 4 parameters of one name and shape begin with equal values." in lines
    (path,) = Path("results/audit").glob("init-*.json")
    results = json.loads(path.read_text())
    assert results["sequential"]["first_unequal"] == "head.weight"
    assert results["by_name"]["cause"] is None
    assert all(any(print_ in line for line in lines) for print_ in results["by_name"]["fingerprints"])


def test_one_definition_shows_its_fingerprint(capsys):
    assert main(["init", "fcnet", "--width", "16", "--seed", "3"]) == 0
    expected = initial_fingerprint(build("fcnet", width=16, seed=3))
    assert expected in said(capsys)
    assert stored("init-fcnet")["initial_fingerprint"] == expected


def test_a_stored_run_shows_the_fingerprint_it_kept(small_images, tmp_path, capsys):
    tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "device": "cpu", "progress": False}
    (run,) = fit("fcnet", seeds=[3], dataset=small_images, home=tmp_path / "runs", **tiny)
    assert run.initial_fingerprint == initial_fingerprint(build("fcnet", width=16, seed=3))
    for name in (run.directory.name, run.spec.identity[:10]):
        assert main(["init", name]) == 0
        lines = said(capsys)
        assert lines[:3] == [
            f"{run.directory.name}: before its first step its weights had the digest",
            run.initial_fingerprint,
            "Drawn again on this machine they are the same.",
        ]

    metrics = run.directory / "metrics.json"
    kept = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(kept | {"initial_fingerprint": "0" * 64}))
    assert main(["init", run.directory.name]) == 0
    assert f"Drawn again on this machine they are DIFFERENT, of digest {run.initial_fingerprint}." in said(capsys)

    del kept["initial_fingerprint"]  # as an earlier dbviz wrote it
    metrics.write_text(json.dumps(kept))
    assert store.find_by_name(run.directory.name, tmp_path / "runs").initial_fingerprint is None
    assert main(["init", run.directory.name]) == 0
    lines = said(capsys)
    assert lines[1] == "(not stored: an earlier dbviz trained this run)"
    assert lines[2] == f"Drawn again on this machine they are of digest {run.initial_fingerprint}."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "0 names given: give one to see its fingerprint, or two to compare them"),
        ("fcnet vit mlp", "3 names given"),
        ("resnet81", "did you mean 'resnet18'?"),
        ("fcnet nowhere:Net", "'nowhere:Net' cannot be imported"),
        ("OWN:Needy", "needs the argument 'depth'"),
        ("fcnet --width 17", "width 17 is not available for fcnet"),
        ("fcnet --seed -1", "seed -1 and 10 classes"),
    ],
)
def test_what_has_no_initial_weights_is_said_in_a_line(arguments, message, own, capsys):
    assert message in one_line(capsys, main(["init", *arguments.replace("OWN", own).split()]))
