"""python -m dbviz.audit sources: what it trains, prints and writes, goes on with, and refuses."""

import contextlib
import csv
import io
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from dbviz import label_maps
from dbviz.cli.audit import main
from dbviz.data import datasets
from dbviz.runs import task
from dbviz.scores import agreement

HOME, OUT = Path("home"), Path("results/audit")
TINY = shlex.split("sources --dataset shapes --device cpu --home home --executor here --triplets 3 --resolution 6")
SMALL = [*TINY, *shlex.split("--arch mlp --width 4 --train-size 64 --epochs 2 --batch-size 16")]
TWO = [*SMALL, "--sources", "init", "order", "--runs", "3"]


pytestmark = pytest.mark.usefixtures("few_images")


@pytest.fixture(scope="module")
def done_once(small_images, tmp_path_factory) -> tuple[Path, str]:
    """The audit TWO, done once for all tests of this file; where, and what was printed."""
    place, said = tmp_path_factory.mktemp("audit"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setitem(datasets.DATASETS, "shapes", lambda _: small_images)
        patch.chdir(place)
        assert main(TWO) == 0
    return place, said.getvalue()


@pytest.fixture
def done(done_once) -> str:
    """The same, copied to where this test works; what was printed."""
    shutil.copytree(done_once[0], ".", dirs_exist_ok=True)
    return done_once[1]


def written(ending: str) -> Path:
    (path,) = OUT.glob(f"sources-shapes-mlp-quick-3-????????.{ending}")
    return path


def test_the_design_is_trained_scored_printed_stored_and_drawn(capsys):
    assert main([*SMALL, "--runs", "2"]) == 0
    out = capsys.readouterr().out
    assert (
        "8 cells of 2 runs, 9 different ones, preset quick, in this process, 1 thread: 9 to train, about"
        in out.splitlines()[0]
    )
    assert len(list(HOME.glob("*/metrics.json"))) == 9
    assert sorted(path.suffix for path in OUT.iterdir()) == [".csv", ".json", ".nc", ".png", ".tex"]
    assert "environments" not in out

    results, maps = json.loads(written("json").read_text()), label_maps.load(written("nc"))
    assert list(results["cells"])[-2:] == ["init + order + augment", "nudge"]
    one, other = (maps.labels.sel(model=name).values for name in results["cells"]["init"])
    assert results["scores"]["reproducibility"]["init"]["value"] == pytest.approx(agreement(one, other))
    accuracies = [results["test_accuracy"][name] for name in results["cells"]["order"]]
    deviation = results["scores"]["sd of test accuracy, %"]["order"]
    assert deviation["value"] == pytest.approx(100 * np.std(accuracies, ddof=1))
    assert (deviation["items"], deviation["item"], deviation["runs"]) == (64, "test images", [2])
    # an mlp is trained without augmentation: the augment stream changes nothing, and gives none of the variance
    assert results["scores"]["churn"]["augment"]["value"] == 0
    assert results["shares"]["predictions"]["total"]["augment"]["value"] == 0
    # two runs do not show how runs vary
    assert set(results["nearly_full"]["predictions"].values()) == {"too few runs to tell"}

    # kernels are said to be what they are, not left out silently
    assert results["not_measured"] == {"kernels": "CPU kernels repeat"}
    (row,) = (line for line in out.splitlines() if line.startswith("│ kernels"))
    assert "not measured: CPU kernels repeat" in row


def test_a_number_printed_is_a_number_stored(done):
    results = json.loads(written("json").read_text())
    rows = list(csv.DictReader(written("csv").open()))
    lines = {(row["score"], row["varied"]): float(row["value"]) for row in rows if row["value"]}
    for cell, churn in results["scores"]["churn"].items():
        assert lines["churn", cell] == pytest.approx(churn["value"])
    for source, share in results["shares"]["regions"]["total"].items():
        assert lines["share of variance: regions, total", source] == pytest.approx(share["value"])
    assert [line.split(":")[0].strip() for line in done.splitlines() if "test accuracy: " in line] == ["init", "order"]
    assert "from 0.8 takes 311 runs of each cell" in done


@pytest.mark.usefixtures("done")
def test_what_is_trained_is_not_trained_again_and_more_runs_add_to_it(capsys, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in HOME.glob("*/*")}
    assert main([*TWO[:-1], "4"]) == 0
    assert (
        "10 different ones, preset quick, in this process, 1 thread: 3 to train"
        in capsys.readouterr().out.splitlines()[0]
    )
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(HOME.glob("*/metrics.json"))) == 10
    monkeypatch.setattr(task, "train_run", None)
    assert main(TWO) == 0
    out = capsys.readouterr().out
    assert "7 different ones, preset quick, in this process, 1 thread: all trained already" in out
    assert "not sampled again" in out


def test_asked_for_the_kernels_of_a_cpu_are_run_again_and_repeat_exactly():
    assert main([*SMALL, "--sources", "kernels", "--runs", "2"]) == 0
    results = json.loads(written("json").read_text())
    assert results["not_measured"] == {}
    assert len(set(results["cells"]["kernels"])) == 2
    assert results["scores"]["churn"]["kernels"]["value"] == 0
    assert results["scores"]["reproducibility"]["kernels"]["value"] == 1
    weights = [(HOME / name / "weights.safetensors") for name in results["cells"]["kernels"]]
    assert len(set(results["cells"]["kernels"])) == len(weights) == 2
    assert results["shares"]["regions"] == {"total": {}, "first-order": {}}


def test_others_stand_at_the_fixed_seed(capsys):
    assert main([*TWO, "--fixed-seed", "7"]) == 0
    results = json.loads(written("json").read_text())
    seeds = [results["specs"][name]["seeds"] for name in results["cells"]["order"]]
    assert [(one["init"], one["order"], one["augment"]) for one in seeds] == [(7, 7, 7), (7, 8, 7), (7, 9, 7)]
    assert results["fixed"]["init"] == 7
    assert "about" in capsys.readouterr().out


@pytest.mark.usefixtures("done")
def test_runs_of_different_environments_are_pointed_out(capsys):
    one = min(HOME.glob("*/environment.json"))
    one.write_text(json.dumps(json.loads(one.read_text()) | {"threads": 77}))
    written("nc").unlink()
    assert main(TWO) == 0
    said = "Note: trained in different environments, which may change bits: threads 1 (6 models), 77 (1 model)."
    assert said in capsys.readouterr().out
    differences = json.loads(written("json").read_text())["environment_differences"]["trained"]
    assert differences["threads"]["77"] == [one.parent.name]


def test_a_run_that_diverges_is_told_and_ends_with_status_1(capsys, monkeypatch):
    from dbviz.core.errors import TrainingDiverged
    from dbviz.runs import training_run

    def diverging(*_, **__):
        raise TrainingDiverged("training diverged in epoch 1 of 2")

    monkeypatch.setattr(training_run, "train", diverging)
    assert main(TWO) == 1
    assert "7 of 7 runs failed, first shapes-mlp-" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "1"], "1 run of each cell has no spread: give at least two (--runs)"),
        (["--sources", "ordre"], "unknown source of randomness 'ordre': did you mean 'order'?"),
        (["--sources", "init", "init"], "each once"),
        (["--triplets", "1"], "1 planes: intervals need at least two"),
        (["--arch", "mlp", "fcnet"], "2 networks given: the sources of one are audited at a time"),
        (["--label-noise", "0", "0.2"], "2 networks given"),
        (["--resolution", "1"], "resolution is 1"),
        (["--fixed-seed", "-1"], "seeds.init is -1"),
    ],
)
def test_bad_input_is_said_in_one_line_before_anything_is_trained(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr(task, "train_run", None)
    assert main([*SMALL, *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_network_in_closed_form_has_no_order(capsys):
    assert main([*TINY, "--arch", "random_features", "--width", "4", "--train-size", "32"]) == 2
    assert "random_features is fitted in closed form, which only init affects" in capsys.readouterr().err
