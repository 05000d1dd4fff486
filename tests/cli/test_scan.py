"""python -m dbviz.scan: what it trains, prints, writes and draws, and what it refuses."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from dbviz.cli.scan import main
from dbviz.cli.train import main as train_main
from dbviz.runs import store, training_run

PLACE = shlex.split("--dataset shapes --device cpu --home home")
TINY = [*PLACE, *shlex.split("--executor here --arch mlp --width 4 --train-size 32 --splits 5")]


pytestmark = pytest.mark.usefixtures("few_images")


def numbers(place: str = "results/scan") -> dict:
    (path,) = Path(place).glob("*.json")
    return json.loads(path.read_text())


def stored() -> list[dict]:
    paths = sorted(Path("home").glob("*/metrics.json"))
    return [json.loads(path.read_text()) | {"name": path.parent.name} for path in paths]


def test_a_scan_is_trained_printed_stored_and_drawn(capsys):
    assert main([*TINY, "--seeds", "0-4", "--epochs", "1", "3"]) == 0
    out = capsys.readouterr().out
    first = out.splitlines()[0]
    assert "shapes: 10 networks (mlp of width 4, 1 epoch of 32 images, mlp of width 4, 3 epochs of 32 images)" in first
    assert "on CPU, in this process, 1 thread: 10 to train, about" in first
    results = numbers()
    assert [group["name"] for group in results["groups"]] == ["mlp epochs 1", "mlp epochs 3"]
    accuracies = {run["name"]: run["test_accuracy"] for run in stored()}
    for group, epochs in zip(results["groups"], (1, 3), strict=True):
        assert group["seeds"] == ["0", "1", "2", "3", "4"]
        assert group["accuracies"] == [accuracies[name] for name in group["run_names"]]
        assert np.shape(group["accuracy_after_epochs"]) == (5, epochs)
        assert [after[-1] for after in group["accuracy_after_epochs"]] == group["accuracies"]
        assert [after[:-1] for after in group["accuracy_after_epochs"]] == [[None] * (epochs - 1)] * 5  # not tested
        assert group["spec"]["recipe"]["epochs"] == epochs
        deviation = np.std(group["accuracies"], ddof=1)
        assert group["deviation"]["value"] == pytest.approx(deviation)
        assert f"{deviation:.3%} [{group['deviation']['low']:.3%}, {group['deviation']['high']:.3%}]" in out
        assert f"{group['best']['value']:.2%} ({group['best']['seed']})" in out
        assert group["best"]["value"] == max(group["accuracies"])
    written = sorted(path.name.rpartition("-")[2] for path in Path("results/scan").iterdir())
    assert [name for name in written if name.endswith("png")] == [
        f"{kind}.png" for kind in ("epochs", "halves", "histogram", "lengths")
    ]
    assert sorted(name.partition(".")[2] for name in written if not name.endswith("png")) == ["csv", "json", "tex"]
    assert all(str(path) in out for path in Path("results/scan").iterdir())
    assert "mlp epochs 3: seeds differ by" in out


def test_more_seeds_train_the_new_ones_alone(capsys, monkeypatch):
    assert main([*TINY, "--seeds", "0-1", "--epochs", "1"]) == 0
    before = {path: path.stat().st_mtime_ns for path in Path("home").glob("*/*")}
    trained, train = [], training_run.train
    monkeypatch.setattr(training_run, "train", lambda *a, **k: trained.append(a[3].init) or train(*a, **k))
    assert main([*TINY, "--seeds", "0-3", "--epochs", "1"]) == 0
    assert trained == [2, 3]
    assert "2 ready, 2 to train" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    monkeypatch.setattr(training_run, "train", None)
    assert main([*TINY, "--seeds", "0-3", "--epochs", "1"]) == 0
    assert "all trained already" in capsys.readouterr().out


def test_seeds_of_different_environments_are_pointed_out(capsys):
    scan = [*TINY, "--seeds", "0-2", "--epochs", "1"]
    assert main(scan) == 0
    assert "environments" not in capsys.readouterr().out
    assert numbers()["environment_differences"] == {"trained": {}}
    one = min(Path("home").glob("*/environment.json"))
    one.write_text(json.dumps(json.loads(one.read_text()) | {"threads": 77}))
    assert main(scan) == 0
    said = "Note: trained in different environments, which may change bits: threads 1 (2 models), 77 (1 model)."
    assert said in capsys.readouterr().out
    assert numbers()["environment_differences"]["trained"]["threads"]["77"] == [one.parent.name]


def test_networks_stand_side_by_side_and_few_runs_say_so(capsys):
    assert main([*TINY, "--arch", "mlp", "fcnet", "--width", "16", "--seeds", "0-1", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert [group["name"] for group in numbers()["groups"]] == ["mlp", "fcnet"]
    assert "too few runs to tell whether lucky seeds stay lucky" in out
    assert not list(Path("results/scan").glob("*lengths*"))


@pytest.mark.parametrize("source", ["run", "file"])
def test_heads_are_trained_on_a_network_that_stays(source, capsys):
    width = ["--width", "2", "--train-size", "32", "--epochs", "1"]
    assert train_main([*PLACE, "--arch", "resnet18k", *width, "--seeds", "0"]) == 0
    (body,) = stored()
    given = body["name"] if source == "run" else f"home/{body['name']}/weights.safetensors"
    arch = [] if source == "run" else ["--arch", "resnet18k", "--width", "2"]
    options = [*PLACE, "--executor", "here", "--train-size", "32", "--splits", "5", "--seeds", "0-2", "--epochs", "1"]
    assert main([*options, *arch, "--pretrained", given]) == 0
    out = capsys.readouterr().out
    assert ", a new head on " in out
    (group,) = numbers()["groups"]
    assert group["spec"]["arch"] == "resnet18k"
    assert group["spec"]["width"] == 2
    tensors = [store.load_tensors(Path("home") / name / "weights.safetensors")[0] for name in group["run_names"]]
    same = [name for name in tensors[0] if all((one[name] == tensors[0][name]).all() for one in tensors)]
    assert len(tensors[0]) - len(same) == 2


@pytest.mark.parametrize(("unlucky", "left"), [((1,), ["0", "2"]), ((1, 2), None)])
def test_a_run_that_fails_leaves_the_scan_of_the_others(unlucky, left, capsys, monkeypatch):
    train = training_run.train

    def failing(model, batches, recipe, seeds, **options):
        if seeds.init in unlucky:
            raise ValueError("no such luck")
        return train(model, batches, recipe, seeds, **options)

    monkeypatch.setattr(training_run, "train", failing)
    assert main([*TINY, "--seeds", "0-2", "--epochs", "1"]) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith(f"dbviz.scan: error: {len(unlucky)} of 3 runs failed, first shapes-mlp-w4")
    results = numbers()
    assert [group["seeds"] for group in results["groups"]] == ([left] if left else [])
    assert [failed["spec"]["seeds"]["init"] for failed in results["failed"]] == [*unlucky]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--seeds 3", "1 seed shows no spread: give at least two, such as --seeds 0-9"),
        ("--seeds x", "seed 'x': give whole numbers"),
        ("--epochs 2 2", "--epochs 2 2 repeat one: give each once"),
        ("--epochs 0", "recipe.epochs is 0"),
        ("--splits 0", "splits are 0: give at least 1"),
        ("--pretrained nothing", "no finished run is called 'nothing'"),
        ("--pretrained nothing.safetensors", "nothing.safetensors does not exist"),
        ("--pretrained timm:test_resnet", "is a timm:test_resnet, not the mlp requested: leave --arch out"),
        ("--arch mlp fcnet --pretrained a.safetensors", "--pretrained goes with one architecture, 2 are given"),
        ("--workers 0 --executor processes", "--workers is 0: give a whole number of at least 1"),
    ],
)
def test_bad_input_is_said_in_one_line(arguments, expected, capsys, monkeypatch):
    monkeypatch.setattr(training_run, "train", None)
    assert main([*TINY, *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert err.count("\n") == 1, err
