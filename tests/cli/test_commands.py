"""Commands from end to end: what they write and print, and how they say that something is wrong."""

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch

import dbviz.cli.label_maps
from dbviz import label_maps
from dbviz.__main__ import commands
from dbviz.__main__ import main as dbviz_main
from dbviz.cli.plot import main as plot_main
from dbviz.cli.train import main as train_main
from dbviz.core import files
from dbviz.core.errors import TrainingDiverged
from dbviz.data import Images, datasets
from dbviz.models import ARCHITECTURES
from dbviz.runs import fitting, training_run
from dbviz.spec import ARCHITECTURE_NAMES, DATASET_NAMES

HOME, OUT = Path("home"), Path("results/plot")
TRAINING = shlex.split("--dataset shapes --train-size 64 --epochs 1 --width 4 --device cpu --home home")
STEM = "shapes-resnet18-quick-test-3-4-5"


@pytest.fixture(autouse=True)
def _few_images(small_images: Images, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The built-in dataset is made smaller, and figures are closed."""
    monkeypatch.setitem(datasets.DATASETS, "shapes", lambda _: small_images)
    monkeypatch.setattr(sys, "argv", ["/somewhere/dbviz/plot.py", "--made", "up"])
    yield
    plt.close("all")


def plot(*arguments: str) -> int:
    basics = [*TRAINING, "--arch", "resnet18", "--seeds", "0", "1", "--resolution", "8", "--triplet", "3", "4", "5"]
    return plot_main([*basics, *arguments])


def written(ending: str, stem: str = STEM) -> Path:
    """The one file of that ending among the output; eight digits of its name stand for its provenance."""
    (path,) = OUT.glob(f"{stem}-????????.{ending}")
    return path


def never(*_, **__):
    raise AssertionError("computed again")


def said(capsys) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_plot_trains_draws_and_writes_everything(capsys):
    assert plot() == 0
    out, _ = said(capsys)
    assert sorted(OUT.iterdir()) == [written("json"), written("nc"), written("png")]
    assert len(list(HOME.glob("*/metrics.json"))) == 2

    # the first line says what will be done, where and for how long
    first = out.splitlines()[0]
    assert "shapes: 2 networks (resnet18 of width 4, 1 epoch of 64 images), preset quick" in first
    assert "CPU" in first
    assert "2 to train, about" in first

    # a number printed is a number stored
    numbers = json.loads(written("json").read_text())
    maps = label_maps.load(written("nc"))
    stored = {path.parent.name: json.loads(path.read_text()) for path in HOME.glob("*/metrics.json")}
    assert numbers["test_accuracy"] == {name: one["test_accuracy"] for name, one in stored.items()}
    agreed = float((maps.labels[0] == maps.labels[1]).mean())
    assert numbers["agreement"] == {"resnet18": agreed}
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    expected = [f"{stored[name]['test_accuracy']:.2%}" for name in maps.model.values]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["resnet18", "4 (published 64)", "0", expected[0], f"{agreed:.1%}"],
        ["resnet18", "4 (published 64)", "1", expected[1], ""],
    ]
    assert "--made up" in numbers["command"]
    assert maps.triplet.values.tolist() == [[3, 4, 5]]
    assert maps.labels.shape == (2, 1, 8, 8)
    assert all(str(path) in out for path in OUT.iterdir())


def test_plot_again_trains_and_samples_nothing_and_draws_the_same_bytes(capsys, monkeypatch):
    assert plot("--format", "pdf") == 0
    figure = written("pdf").read_bytes()
    trained = {path: path.stat().st_mtime_ns for path in HOME.glob("*/*")}
    for owner, name in ((training_run, "train"), (fitting, "seconds_per_run"), (label_maps, "sample")):
        monkeypatch.setattr(owner, name, never)
    written("pdf").unlink()
    said(capsys)
    assert plot("--format", "pdf") == 0
    out, _ = said(capsys)
    assert written("pdf").read_bytes() == figure
    assert {path: path.stat().st_mtime_ns for path in HOME.glob("*/*")} == trained
    assert "all trained already" in out
    assert "not sampled again" in out


def test_plot_points_out_runs_of_different_environments(capsys):
    assert plot() == 0
    assert "environments" not in said(capsys)[0]
    one = next(iter(HOME.glob("*-s1-*/environment.json")))
    one.write_text(json.dumps(json.loads(one.read_text()) | {"threads": 77}))
    written("nc").unlink()
    assert plot() == 0
    assert (
        "trained in different environments, which may change bits: threads 1 (1 model), 77 (1 model)."
        in said(capsys)[0]
    )
    differences = json.loads(written("json").read_text())["environment_differences"]
    assert differences["trained"]["threads"]["77"] == [one.parent.name]


def test_plot_samples_again_what_is_asked_for_anew(monkeypatch):
    assert plot() == 0
    first = written("nc")
    monkeypatch.setattr(training_run, "train", never)
    sampled = []
    sample = label_maps.sample
    monkeypatch.setattr(
        dbviz.cli.label_maps, "sample", lambda *a, **k: sampled.append(k["resolution"]) or sample(*a, **k)
    )
    assert plot("--resolution", "9") == 0
    assert plot("--resolution", "9", "--padding", "0.1") == 0
    assert plot("--resolution", "9", "--padding", "0.1", "--shade") == 0
    assert plot("--resolution", "9", "--padding", "0.1") == 0  # confidence more than needed
    assert sampled == [9, 9, 9]
    assert len(list(OUT.glob("*.nc"))) == 3  # none written over by a call that asks for something else
    first.write_bytes(b"damaged")
    assert plot() == 0
    assert sampled == [9, 9, 9, 8]


def test_a_drawn_triplet_repeats_and_has_three_classes():
    arguments = [*TRAINING, "--arch", "fcnet", "--width", "16", "--seeds", "0", "--resolution", "4"]
    assert plot_main(arguments) == 0
    assert plot_main([*arguments, "--triplet-seed", "1"]) == 0
    paths = sorted(OUT.glob("*.nc"))
    assert len(paths) == 2
    for path in paths:
        assert len(set(label_maps.load(path).triplet_label.values[0])) == 3
    before = {path.name: path.read_bytes() for path in OUT.glob("*.png")}
    assert plot_main(arguments) == 0
    assert {path.name: path.read_bytes() for path in OUT.glob("*.png")} == before


def test_train_trains_and_says_where(capsys):
    assert train_main([*TRAINING, "--arch", "resnet18", "fcnet", "--width", "16", "--seeds", "0-1"]) == 0
    out, _ = said(capsys)
    directories = sorted(str(path.parent) for path in HOME.glob("*/metrics.json"))
    assert len(directories) == 4
    assert all(directory in out for directory in directories)
    assert not OUT.exists()


def test_each_stream_can_be_set_alone():
    assert train_main([*TRAINING, "--arch", "resnet18", "--seeds", "0-1", "--init-seed", "7"]) == 0
    seeds = sorted(json.loads(path.read_text())["seeds"].items() for path in HOME.glob("*/spec.json"))
    assert [dict(one) for one in seeds] == [
        {"init": 7, "order": k, "augment": k, "nudge": None, "noise": 0, "repeat": 0} for k in (0, 1)
    ]


@pytest.fixture
def trained() -> Path:
    """The weights of a network trained by the command."""
    assert train_main([*TRAINING, "--arch", "resnet18", "--seeds", "0"]) == 0
    (path,) = HOME.glob("*/weights.safetensors")
    return path


def test_given_weights_are_drawn_and_nothing_is_trained(trained, capsys, monkeypatch):
    Path("mine.safetensors").write_bytes(trained.read_bytes())
    monkeypatch.setattr(training_run, "train", never)
    said(capsys)
    assert plot("--weights", "mine.safetensors") == 0
    out, _ = said(capsys)
    assert "nothing is trained" in out
    maps = label_maps.load(written("nc", "shapes-mine-quick-test-3-4-5"))
    assert maps.model.values.tolist() == ["mine"]
    accuracy = json.loads((trained.parent / "metrics.json").read_text())["test_accuracy"]
    assert maps.test_accuracy.values.tolist() == [accuracy]
    assert f"{accuracy:.2%}" in out


# ---- what is wrong


def one_line(capsys, status: int, expected: int = 2, command: str = "plot") -> str:
    """The one line on standard error; nothing is said elsewhere that looks like an accident."""
    out, err = said(capsys)
    assert status == expected, err
    assert err.count("\n") == 1, err
    assert "Traceback" not in out + err
    line = err.rstrip("\n")
    assert line.startswith(f"dbviz.{command}: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--arch resnet81", "unknown architecture 'resnet81': did you mean 'resnet18'?"),
        ("--arch nowhere:Net", "'nowhere:Net' cannot be imported"),
        ("--arch vit", "width 4 is not available for vit: choose a multiple of 8"),
        ("--dataset cifar", "unknown dataset 'cifar': did you mean 'cifar10'?"),
        ("--device gpu", "unknown device 'gpu'"),
        ("--triplet 3 4 64", "image 64 is out of range: shapes test has images 0 ... 63"),
        ("--triplet 3 4 3", "triplet 3 4 3 repeats an image"),
        ("--triplet 3 4", "triplet 3 4 has 2 images: give three"),
        ("--resolution 1", "resolution is 1: it must be 2 ..."),
        ("--resolution 0", "resolution is 0: it must be 2 ..."),
        ("--resolution 1000000", "resolution is 1000000: it must be 2 ..."),
        ("--padding nan", "padding is nan"),
        ("--seeds 0 0", "seeds 0 0 repeat one"),
        ("--seeds 4-1", "wrong order"),
        ("--seeds x", "seed 'x': give whole numbers"),
        ("--epochs 0", "--epochs is 0: give a whole number of at least 1"),
        ("--width 0", "--width is 0"),
        ("--train-size 0", "--train-size is 0"),
        ("--batch-size -1", "--batch-size is -1"),
        ("--train-size 129", "129 images requested, but shapes train has 128"),
        ("--weights nothing.safetensors", "nothing.safetensors does not exist"),
        ("--weights a/x.safetensors b/x.safetensors", "two --weights files have the same name"),
        ("--arch resnet18 fcnet --weights x.safetensors", "--weights goes with one --arch, 2 are given"),
    ],
)
def test_bad_input_is_said_in_one_line_before_anything_is_trained(arguments, expected, capsys, monkeypatch):
    monkeypatch.setattr(training_run, "train", never)
    assert expected in one_line(capsys, plot(*arguments.split()))


@pytest.mark.parametrize("arguments", ["--preset fast", "--format gif", "--epochs many", "--colour red", "--split val"])
def test_a_wrong_choice_ends_with_status_2_and_names_itself(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        plot(*arguments.split())
    assert ended.value.code == 2
    _, err = said(capsys)
    assert arguments.split()[0] in err


def test_absent_cuda_is_said_with_its_remedy(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "finds no CUDA device: use --device cpu" in one_line(capsys, plot("--device", "cuda"))


@pytest.mark.parametrize("option", ["--out", "--home"])
def test_a_place_that_cannot_be_written_to_is_found_before_training(option, capsys, monkeypatch):
    monkeypatch.setattr(training_run, "train", never)
    Path("file").write_text("")
    assert "cannot write to file/below" in one_line(capsys, plot(option, "file/below"))


def test_damaged_weights_are_said_to_be(trained, capsys):
    said(capsys)
    whole = trained.read_bytes()
    for name, content in (("cut", whole[:-5]), ("flipped", whole[:-1] + bytes([whole[-1] ^ 1])), ("empty", b"")):
        Path(f"{name}.safetensors").write_bytes(content)
        line = one_line(capsys, plot("--weights", f"{name}.safetensors"))
        assert f"{name}.safetensors is damaged" in line


def test_weights_of_another_network_are_said_to_be(trained, capsys):
    said(capsys)
    line = one_line(capsys, plot("--width", "5", "--weights", str(trained)))
    assert "does not fit the network" in line
    assert "--width" in line


def test_a_pickle_is_refused_with_how_to_convert_it(capsys, monkeypatch):
    torch.save({"a": torch.ones(2)}, "mine.pth")
    monkeypatch.setattr(torch, "load", never)
    line = one_line(capsys, plot("--weights", "mine.pth"))
    assert "mine.pth is a pickle" in line
    assert "safetensors.torch.save_file" in line


def test_a_damaged_run_is_said_to_be(trained, capsys):
    said(capsys)
    (trained.parent / "metrics.json").write_text("{")
    assert f"delete {trained.parent}" in one_line(capsys, plot())


def last_line(capsys, status: int, expected: int) -> str:
    """The last line on standard error, behind those of the progress bars."""
    out, err = said(capsys)
    assert status == expected, err
    assert "Traceback" not in out + err
    assert err.count("dbviz.plot:") == 1, err
    return err.splitlines()[-1]


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("trained")
def test_a_full_disk_is_said_and_finished_runs_stay(capsys, monkeypatch):
    before = {path: path.read_bytes() for path in HOME.glob("*/*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        line = last_line(capsys, plot(), 2)
    assert line == (
        "dbviz.plot: error: No space left on device; free some space and give the same command again: "
        "what is finished is kept"
    )
    assert {path: path.read_bytes() for path in before} == before
    assert not list(Path().rglob(".*.part"))
    assert not list(OUT.iterdir())
    # and the same command goes through afterwards, training only what is missing
    train = training_run.train
    started = []
    monkeypatch.setattr(training_run, "train", lambda *a, **k: started.append(1) or train(*a, **k))
    assert plot() == 0
    assert len(started) == 1


def test_an_interruption_is_said_in_one_line(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_run, "train", interrupted)
    line = last_line(capsys, plot(), 130)
    assert line == "dbviz.plot: interrupted; finished epochs are kept: the same command resumes from there"


def test_an_interruption_while_options_are_checked_is_said_too(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(datasets.DATASETS, "shapes", interrupted)
    assert "interrupted" in one_line(capsys, plot(), 130)


def test_divergence_ends_with_status_1(capsys, monkeypatch):
    def diverging(*_, **__):
        raise TrainingDiverged("training diverged in epoch 1 of 1")

    monkeypatch.setattr(training_run, "train", diverging)
    line = last_line(capsys, plot(), 1)
    assert line.startswith("dbviz.plot: error: 2 of 2 runs failed, first shapes-resnet18-")
    assert line.endswith(": training diverged in epoch 1 of 1")
    assert last_line(capsys, plot("--seeds", "0"), 1) == "dbviz.plot: error: training diverged in epoch 1 of 1"


# ---- help


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess]:
    package = str(Path(fitting.__file__).parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": package}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run


HEAVY = ("torch", "torchvision", "matplotlib", "xarray", "scipy", "numpy")
ASK_FOR_HELP = """
import runpy, sys
name, heavy = sys.argv[1], sys.argv[2].split(",")
sys.argv = [name, "--help"]
try:
    runpy.run_module(name, run_name="__main__")
except SystemExit as ended:
    assert not ended.code
print("loaded:", *(package for package in heavy if package in sys.modules))
"""


REFUSE = """
import importlib, sys
status = importlib.import_module(sys.argv[1]).main(sys.argv[2:])
print(status, *(package for package in ("torch", "numpy", "xarray", "matplotlib") if package in sys.modules))
"""


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("plot", "--arch resnet81", "unknown architecture 'resnet81'"),
        ("plot", "--dataset cifar", "unknown dataset 'cifar'"),
        ("plot", "--device gpu", "unknown device 'gpu'"),
        ("plot", "--resolution 1", "resolution is 1"),
        ("plot", "--padding -1", "padding is -1"),
        ("train", "--epochs 0", "--epochs is 0"),
        ("train", "--mode distil-soft", "distillation needs a teacher"),
        ("score", "--triplets 1", "scores need at least two planes"),
        ("score", "--among correct", "--among goes with --label-noise"),
        ("sweep", "--widths 8-2", "wrong order"),
        ("sweep", "--address auto", "--address and --gpus-per-run go with --executor ray"),
        ("scan", "--seeds 3", "1 seed shows no spread"),
        ("bench", "scores --seeds 0", "scores need at least two runs"),
        ("audit", "determinism --seeds 0 1", "2 seeds given"),
        ("audit", "sources --triplets 1", "1 planes: intervals need at least two"),
    ],
)
def test_what_cannot_work_is_refused_before_torch_is_loaded(command, arguments, expected, python):
    completed = python("-c", REFUSE, f"dbviz.cli.{command}", *arguments.split())
    assert completed.returncode == 0, completed.stderr
    assert expected in completed.stderr
    assert completed.stdout == "2\n", "loaded a heavy library"


@pytest.mark.parametrize("name", commands())
def test_help_answers_without_loading_anything_heavy(name, python):
    completed = python("-c", ASK_FOR_HELP, f"dbviz.{name}", ",".join(HEAVY))
    assert completed.returncode == 0, completed.stderr
    assert f"usage: python -m dbviz.{name}" in completed.stdout
    assert completed.stdout.splitlines()[-1].strip() == "loaded:"


def test_the_catalogue_of_names_is_that_of_the_registries():
    assert set(ARCHITECTURE_NAMES) == set(ARCHITECTURES)
    assert set(DATASET_NAMES) == set(datasets.DATASETS)


def test_margin_still_works_with_a_warning(capsys):
    assert plot("--margin", "0.25") == 0
    assert "dbviz.plot: --margin is now --padding; the old name works until dbviz 0.3" in said(capsys)[1]
    assert label_maps.load(written("nc")).attrs["margin"] == 0.25
    assert plot("--margin=0.5") == 0
    assert {label_maps.load(path).attrs["margin"] for path in OUT.glob("*.nc")} == {0.25, 0.5}


def test_one_program_runs_every_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dbviz", "train", "--made", "up"])
    assert dbviz_main(["train", *TRAINING, "--arch", "resnet18", "--seeds", "0"]) == 0
    assert "Runs:" in said(capsys)[0]
    assert dbviz_main(["trian"]) == 2
    assert said(capsys)[1] == (
        "dbviz: error: unknown command 'trian': did you mean 'train'? Known: audit, bench, plot, scan, score, sweep, "
        "train\n"
    )
    assert dbviz_main([]) == 0
    assert "python -m dbviz.plot " in said(capsys)[0]
    assert dbviz_main(["plot", "--seeds", "x"]) == 2


def test_results_name_the_program_that_wrote_them(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dbviz", "plot", "--made", "up"])
    assert plot() == 0
    assert json.loads(written("json").read_text())["command"] == "python -m dbviz plot --made up"


def test_a_result_file_describes_itself():
    assert plot() == 0
    numbers = json.loads(written("json").read_text())
    assert numbers["label_maps"] == written("nc").name
    assert (numbers["dataset"], numbers["split"], numbers["resolution"], numbers["padding"]) == (
        "shapes",
        "test",
        8,
        0.5,
    )
    assert (numbers["planes"], numbers["triplets"]) == (1, [[3, 4, 5]])
    specs = {path.parent.name: json.loads(path.read_text()) for path in HOME.glob("*/spec.json")}
    assert numbers["specs"] == specs  # every field, those at their default too
    assert {"command", "date", "environment"} <= numbers.keys()


def test_the_package_lists_its_commands(python):
    completed = python("-m", "dbviz")
    assert completed.returncode == 0, completed.stderr
    assert {"plot", "train"} <= commands().keys()
    for name, what in commands().items():
        assert any(f"python -m dbviz.{name} " in line and line.endswith(what) for line in completed.stdout.splitlines())


def test_a_command_that_fails_does_so_as_a_process_too(python):
    completed = python("-m", "dbviz.plot", "--seeds", "x")
    assert completed.returncode == 2
    assert completed.stdout == ""
    assert completed.stderr == "dbviz.plot: error: seed 'x': give whole numbers of at least 0, or ranges such as 0-4\n"
