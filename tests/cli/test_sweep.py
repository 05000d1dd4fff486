"""python -m dbviz.sweep: what it does, writes and prints, goes on with, and refuses."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dbviz.cli.sweep import main
from dbviz.core import files
from dbviz.runs import fitting, training_run
from dbviz.sweeps import measuring

TINY = shlex.split("--dataset shapes --device cpu --home home --executor here --triplets 3 --resolution 6 --seeds 0 1")
FEATURES = [*TINY, *shlex.split("--train-size 32 --widths 4 64 --margin-images 0")]


pytestmark = pytest.mark.usefixtures("few_images")


def numbers() -> dict:
    (path,) = Path("results/sweep").glob("*.json")
    return json.loads(path.read_text())


def test_a_sweep_is_done_printed_stored_and_drawn(capsys):
    assert main(FEATURES) == 0
    out = capsys.readouterr().out
    assert (
        "shapes: 8 runs of random_features, preset quick, in this process, 1 thread, 3 planes: 8 to do"
        in out.splitlines()[0]
    )
    results = numbers()
    assert [curve["name"] for curve in results["curves"]] == ["noise 0", "noise 0.2"]
    assert [[point["x"] for point in curve["points"]] for curve in results["curves"]] == [[4, 64]] * 2
    assert [curve["threshold"] for curve in results["curves"]] == [64, 64]
    assert "Interpolation threshold of noise 0.2: 64" in out
    assert results["failed"] == []
    assert len(results["specs"]) == 8
    last = results["curves"][1]["points"][1]
    assert last["train_error_mislabelled"]["value"] == 0
    assert f"{last['reproducibility']['value']:.2f} [" in out
    assert sorted(path.suffix for path in Path("results/sweep").iterdir()) == [".csv", ".json", ".png", ".tex"]


def test_what_is_done_is_not_done_again(capsys, monkeypatch):
    assert main(FEATURES) == 0
    first = numbers()["curves"]
    monkeypatch.setattr(measuring, "fit_specs", None)
    assert main(FEATURES) == 0
    assert "all done already" in capsys.readouterr().out
    assert numbers()["curves"] == first


def test_runs_and_measurements_of_different_environments_are_pointed_out(capsys):
    assert main(FEATURES) == 0
    assert "environments" not in capsys.readouterr().out
    assert numbers()["environment_differences"] == {"trained": {}, "computed": {}}
    one = min(Path("home").glob("*/environment.json"))
    (measured,) = one.parent.glob("environment-*.json")
    for path, threads in ((one, 77), (measured, 78)):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"threads": threads}))
    assert main(FEATURES) == 0
    out = capsys.readouterr().out
    assert "Note: trained in different environments, which may change bits: threads" in out
    assert "77 (1 model)" in out
    assert "Note: sampled or measured in different environments, which may change bits: threads" in out
    differences = numbers()["environment_differences"]
    assert differences["trained"]["threads"]["77"] == [one.parent.name]
    assert differences["computed"]["threads"]["78"] == [f"{one.parent.name} after epoch 1"]


def test_epochs_sizes_and_any_field_stand_along(capsys):
    mlp = [*TINY, "--arch", "mlp", "--label-noise", "0", "--margin-images", "0"]
    assert main([*mlp, "--train-size", "32", "--epochs", "2", "--at-epochs", "1", "2", "--out", "epochs"]) == 0
    capsys.readouterr()
    assert main([*mlp, "--train-size", "16", "32", "--epochs", "1", "--widths", "4", "--out", "sizes"]) == 0
    assert "shapes, mlp of width 4 (published " in capsys.readouterr().out
    fields = ["--train-size", "32", "--sweep", "recipe.epochs=1,2", "--widths", "4", "--out", "fields"]
    assert main([*mlp, *fields]) == 0
    along = {}
    for place in ("epochs", "sizes", "fields"):
        (path,) = Path(place).glob("*.json")
        (curve,) = json.loads(path.read_text())["curves"]
        along[place] = (curve["along"], [point["x"] for point in curve["points"]])
    expected = {"epochs": ("epoch", [1, 2]), "sizes": ("train_size", [16, 32]), "fields": ("recipe.epochs", [1, 2])}
    assert along == expected


def test_labels_of_a_file_are_trained_on(small_images):
    np.savez("human.npz", clean_label=small_images.train.labels, worse_label=(small_images.train.labels + 1) % 10)
    assert main([*FEATURES, "--label-noise", "human.npz:worse_label"]) == 0
    (curve,) = numbers()["curves"]
    assert "train_error_mislabelled" not in curve["points"][0] or curve["points"][1]["train_error"]["value"] == 0


def test_a_failing_run_is_reported_and_the_exit_status_says_so(capsys):
    mlp = shlex.split("--arch mlp --widths 4 --label-noise 0 --train-size 32 --epochs 2 --margin-images 0")
    assert main([*TINY, *mlp, "--sweep", "recipe.learning_rate=0.1,1e30"]) == 1
    err = capsys.readouterr().err
    assert "training diverged in epoch" in err
    assert '"learning_rate":1e+30' in err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("dbviz.sweep: error: 2 of 4 runs failed, first shapes-mlp-w4")
    assert [failed["spec"]["recipe"]["learning_rate"] for failed in numbers()["failed"]] == [1e30, 1e30]
    (curve,) = numbers()["curves"]
    assert [point["x"] for point in curve["points"]] == [0.1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--widths 0", "width '0': give whole numbers of at least 1"),
        ("--widths -3", "width '-3'"),
        ("--widths 2.5", "width '2.5': give whole numbers"),
        ("--widths 8-2", "bounds in the wrong order"),
        ("--arch vit --widths 9", "width 9 is not available for vit: choose a multiple of 8"),
        ("--arch mpl", "unknown architecture 'mpl': did you mean 'mlp'"),
        ("--label-noise 1", "label noise is 1: the rate must be in [0, 1)"),
        ("--label-noise -0.1", "label noise is -0.1: the rate must be in [0, 1)"),
        ("--label-noise asymmetric:0.4", "asymmetric label noise is defined for CIFAR-10's classes, and shapes has no"),
        ("--label-noise 0.2 0.2", "--label-noise 0.2 is given twice"),
        ("--label-noise labels.npy", "labels.npy has 5 labels: shapes has 128 training images"),
        ("--label-noise strange.npy", "label 10 of image 3 is no class of shapes"),
        ("--label-noise pickled.pt", "pickled.pt is a pickle"),
        ("--train-size 129", "129 images requested, but shapes train has 128"),
        ("--train-size some", "train size 'some': give whole numbers"),
        ("--sweep epochs=1", "unknown field to sweep 'epochs': did you mean 'recipe.epochs'"),
        ("--at-epochs 2", "epoch 2 is to be measured, but random_features is trained for 1"),
        ("--at-epochs 0", "epochs are counted from 1"),
        ("--triplets 1", "1 triplets: intervals need at least two planes"),
        ("--workers 0 --executor processes", "--workers is 0: give a whole number of at least 1"),
        ("--address auto", "--address and --gpus-per-run go with --executor ray"),
        ("--executor ray --address 127.0.0.1:1", "no Ray cluster can be reached at 127.0.0.1:1"),
        ("--executor ray --gpus-per-run 1.5", "--gpus-per-run is 1.5, but runs are trained on the CPU"),
        ("--epochs 2", "recipe.epochs is 2: it must be 1 under least-squares"),
        ("--along recipe.optimizer", "no curve can be drawn against recipe.optimizer"),
    ],
)
def test_bad_input_is_said_in_one_line(arguments, expected, capsys, monkeypatch):
    labels = np.arange(128) % 10
    np.save("labels.npy", labels[:5])
    np.save("strange.npy", np.where(np.arange(128) == 3, 10, labels))
    Path("pickled.pt").write_bytes(b"PK\x03\x04")
    if "along" not in arguments:
        monkeypatch.setattr(measuring, "fit_specs", None)
        monkeypatch.setattr(training_run, "least_squares", None)
    assert main([*FEATURES, *arguments.split()]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("dbviz.sweep: error:")]
    assert len(lines) == 1, err
    assert expected in lines[0]
    assert "Traceback" not in out + err


def test_a_full_disk_is_said_in_one_line(capsys, monkeypatch):
    assert main([*FEATURES, "--widths", "4"]) == 0
    before = {path: path.read_bytes() for path in Path("home").glob("*/*.safetensors")}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        assert main(FEATURES) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("dbviz.sweep: error: No space left on device; free some space")
    assert {path: path.read_bytes() for path in before} == before
    assert main(FEATURES) == 0


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_where_it_was(tmp_path):
    command = [sys.executable, "-m", "dbviz.sweep", *TINY[:6], "--executor", "processes", "--workers", "1"]
    command += shlex.split("--train-size 200 --widths 2 4 6 8 --seeds 0 1 --triplets 2 --resolution 4")
    command += shlex.split("--label-noise 0 --margin-images 0")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(fitting.__file__).parents[2])}
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    home, deadline = tmp_path / "home", time.monotonic() + 120
    while len(list(home.glob("*/measured-*"))) < 2:
        assert started.poll() is None, started.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started.send_signal(signal.SIGKILL)
    started.communicate()
    done = {path: path.stat().st_mtime_ns for path in home.glob("*/measured-*")}
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr
    assert f"{len(done)} ready, {8 - len(done)} to do" in again.stdout
    assert len(list(home.glob("*/measured-*"))) == 8
    assert {path: path.stat().st_mtime_ns for path in done} == done


def test_a_sweep_of_failures_alone_leaves_their_record(capsys):
    mlp = shlex.split("--arch mlp --widths 4 --label-noise 0 --train-size 32 --epochs 2 --margin-images 0")
    assert main([*TINY, *mlp, "--sweep", "recipe.learning_rate=1e30"]) == 1
    assert "2 of 2 runs failed" in capsys.readouterr().err
    results = numbers()
    assert results["curves"] == []
    assert len(results["failed"]) == 2
    assert "diverged in epoch" in results["failed"][0]["error"]
