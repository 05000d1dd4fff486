"""Groups of options: the flags of every command, what is refused before anything heavy loads, how groups combine."""

import contextlib
import dataclasses
import io
import re

import pytest

from dbviz.cli.options import (
    ComparisonOptions,
    DataOptions,
    ExecutorOptions,
    GridOptions,
    MachineOptions,
    NetworkOptions,
    RecipeOptions,
    StreamOptions,
    check_options,
)
from dbviz.core.errors import InputError
from dbviz.spec import Seeds

NETWORKS = {"--arch", "--preset", "--seeds", "--width"}
DATA = {"--data-dir", "--dataset", "--label-noise", "--train-size"}
RECIPE = {"--batch-size", "--epochs", "--fast", "--mode", "--optimizer", "--precision", "--pretrained", "--teacher"}
STREAMS = {"--augment-seed", "--init-seed", "--noise-seed", "--order-seed"}
MACHINE = {"--device", "--home"}
TRAINING = NETWORKS | DATA | RECIPE | STREAMS | MACHINE
EXECUTION = {"--address", "--executor", "--gpus-per-run", "--retries", "--threads", "--workers"}
GRID = {"--padding", "--resolution"}
OUTPUT = {"--format", "--out"}
TRIPLETS = {"--triplet-seed", "--triplets"}
FLAGS = {
    ("plot",): TRAINING
    | EXECUTION
    | GRID
    | OUTPUT
    | {"--palette", "--shade", "--split", "--triplet", "--triplet-seed", "--weights"},
    ("train",): TRAINING | EXECUTION,
    ("score",): TRAINING
    | EXECUTION
    | GRID
    | OUTPUT
    | TRIPLETS
    | {"--along", "--among", "--connectivity", "--convergence", "--corners", "--differences", "--direction"}
    | {"--floor", "--half-width"}
    | {"--inside", "--margins", "--planes", "--split"},
    ("sweep",): (TRAINING - {"--width"})
    | EXECUTION
    | GRID
    | OUTPUT
    | TRIPLETS
    | {"--along", "--at-epochs", "--margin-images", "--sweep", "--tolerance", "--widths"},
    ("scan",): TRAINING | EXECUTION | OUTPUT | {"--splits"},
    ("bench",): TRAINING | OUTPUT | {"--compile", "--images", "--triplets"},
    ("audit", "determinism"): TRAINING
    | {
        "--compile",
        "--cudnn-benchmark",
        "--images",
        "--out",
        "--steps",
        "--tf32",
        "--threads",
        "--vary",
    },
    ("audit", "init"): {"--classes", "--home", "--out", "--seed", "--width"},
    ("audit", "sources"): (TRAINING - {"--seeds", "--augment-seed", "--init-seed", "--order-seed"})
    | EXECUTION
    | GRID
    | OUTPUT
    | TRIPLETS
    | {"--fixed-seed", "--runs", "--sources"},
}
"""A flag that disappears from here breaks somebody's script: keep the old name for a release."""


def test_the_precision_is_a_field_of_the_recipe():
    assert RecipeOptions(precision="fp32").optimizers() == [{"precision": "fp32"}]
    assert RecipeOptions().optimizers() == [{}]


@pytest.mark.parametrize("command", FLAGS, ids=" ".join)
def test_every_command_has_its_flags(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    module = __import__(f"dbviz.cli.{command[0]}", fromlist=["main"])
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit) as ended:
        module.main([*command[1:], "--help"])
    assert ended.value.code == 0
    flags = set(re.findall(r"^[│ ]+(--[a-z][a-z0-9-]+)", text.getvalue(), flags=re.MULTILINE))
    assert flags == FLAGS[command]


def test_checks_reach_every_group():
    options = ComparisonOptions(data=DataOptions(dataset="cifar"))
    with pytest.raises(InputError, match="unknown dataset 'cifar': did you mean 'cifar10'"):
        check_options(options)
    check_options(ComparisonOptions())


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (NetworkOptions(arch=("vit", "vit")), "--arch vit is given twice"),
        (NetworkOptions(arch=("resnet",)), "unknown architecture 'resnet': did you mean 'resnet18'"),
        (NetworkOptions(seeds=("a",)), "seed 'a'"),
        (NetworkOptions(width=0), "--width is 0"),
        (DataOptions(train_size=0), "--train-size is 0"),
        (DataOptions(label_noise=("0.2", "0.2")), "--label-noise 0.2 is given twice"),
        (RecipeOptions(optimizer=("sgd", "sgd")), "--optimizer sgd is given twice"),
        (RecipeOptions(epochs=0), "--epochs is 0"),
        (RecipeOptions(batch_size=0), "--batch-size is 0"),
        (RecipeOptions(teacher="run"), "--teacher goes with"),
        (RecipeOptions(mode=("distil-hard",)), "distillation needs a teacher"),
        (MachineOptions(device="cuda:x"), "unknown device 'cuda:x'"),
        (ExecutorOptions(gpus_per_run=0.5), "go with --executor ray"),
        (ExecutorOptions(threads=0), "--threads is 0: give a whole number of at least 1"),
        (ExecutorOptions(workers=0), "--workers is 0"),
        (ExecutorOptions(workers=2, executor="ray"), "--workers does not go with --executor ray"),
        (GridOptions(resolution=1), "resolution is 1"),
        (GridOptions(padding=-0.1), "padding is -0.1"),
    ],
)
def test_what_cannot_work_is_refused(group, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_options(group)


@pytest.mark.parametrize("group", [NetworkOptions(arch=("mine:Net",)), MachineOptions(device="cuda:1"), GridOptions()])
def test_what_may_work_passes(group):
    check_options(group)


def test_every_way_of_training_is_a_change_of_the_preset():
    recipe = RecipeOptions(optimizer=("adam", "sgd"), mode=("plain", "distil-soft"), teacher="t", epochs=3, fast=True)
    assert recipe.optimizers() == [{"epochs": 3, "deterministic": False, "optimizer": name} for name in ("adam", "sgd")]
    assert recipe.modes() == [{"mode": "plain"}, {"mode": "distil-soft", "teacher": "t"}]
    assert DataOptions(label_noise=("0", "0.2"), train_size=5).changes() == [
        {"train_size": 5, "label_noise": noise} for noise in ("0", "0.2")
    ]
    assert (DataOptions().changes(), NetworkOptions(width=4).changes()) == ([{}], {"width": 4})


def test_streams_are_fixed_one_by_one():
    networks, streams = NetworkOptions(seeds=("3-4",)), StreamOptions(order_seed=7, noise_seed=1)
    assert networks.run_seeds(streams) == [Seeds(init=k, order=7, augment=k, noise=1) for k in (3, 4)]
    with pytest.raises(InputError, match="every run is the same"):
        networks.run_seeds(StreamOptions(init_seed=0, order_seed=0, augment_seed=0))


@pytest.mark.parametrize("group", [NetworkOptions(), DataOptions(), RecipeOptions(), StreamOptions(), GridOptions()])
def test_groups_that_are_shared_as_defaults_are_frozen(group):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(group, dataclasses.fields(group)[0].name, None)
