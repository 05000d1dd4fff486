"""Runs: trained once, then loaded; distinguished by their specs; resumed exactly after a kill."""

import copy
import dataclasses
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dbviz import fit
from dbviz.core import files
from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.data import DeviceImages, Images, ImageSet, shapes
from dbviz.models import build
from dbviz.runs import fitting, store, training_run
from dbviz.runs.fitting import estimate_seconds, fit_specs, unfinished
from dbviz.runs.specs import default_preset, make_specs
from dbviz.spec import Seeds
from dbviz.training import schedule

CPU = torch.device("cpu")
TINY: dict[str, Any] = {"width": 1, "train_size": 64, "epochs": 2, "batch_size": 32}


def fit_tiny(images: Images, home: Path, arch: Any = "resnet18k", **options: Any) -> list[store.Run]:
    return fit(arch, dataset=images, home=home, preset="quick", device="cpu", progress=False, **TINY | options)


@pytest.fixture
def no_training(monkeypatch):
    """A function after whose call every training is an error."""

    def forbid() -> None:
        def never(*_, **__):
            raise AssertionError("trained")

        monkeypatch.setattr(training_run, "train", never)
        monkeypatch.setattr(fitting, "seconds_per_run", never)

    return forbid


def weights(run: store.Run) -> bytes:
    return run.weights.read_bytes()


def test_fit_trains_once_and_then_loads(small_images, tmp_path, no_training):
    first = fit_tiny(small_images, tmp_path, ["resnet18k", "fcnet"], seeds=(0, 1), width=16)
    assert [(run.spec.arch, run.spec.seeds.init) for run in first] == [
        ("resnet18k", 0),
        ("resnet18k", 1),
        ("fcnet", 0),
        ("fcnet", 1),
    ]
    assert len({run.fingerprint for run in first}) == 4
    no_training()
    assert fit_tiny(small_images, tmp_path, ["resnet18k", "fcnet"], seeds=(0, 1), width=16) == first
    assert fit_tiny(small_images, tmp_path, "fcnet", seeds=[1], width=16) == first[3:]


def test_a_run_records_its_epochs_and_its_accuracy_in_fp32(small_images, tmp_path):
    from dbviz.training import accuracy, logits

    (run,) = fit_tiny(small_images, tmp_path)
    assert [epoch.epoch for epoch in run.epochs] == [1, 2]
    assert run.test_accuracy == accuracy(logits(run.model(), small_images.test, CPU), small_images.test)
    assert run.class_count == 10
    assert run.image_shape == (3, 32, 32)
    assert repr(run) == f"Run(resnet18k, seed 0, shapes: test accuracy {run.test_accuracy:.1%}; {run.directory})"
    assert f"<tr><th>test accuracy</th><td>{run.test_accuracy:.2%}</td></tr>" in run._repr_html_()


def test_epochs_are_tested_in_the_recipes_precision_and_the_end_in_fp32(small_images, tmp_path, monkeypatch):
    small_images = dataclasses.replace(small_images, test=small_images.test.first(16))  # so few are tested every time
    used, logits = [], training_run.logits

    def noting(*arguments, **options):
        used.append(options.get("precision", "fp32"))
        return logits(*arguments, **options)

    monkeypatch.setattr(training_run, "logits", noting)
    fit_tiny(small_images, tmp_path, precision="bf16")
    assert used == ["bf16", "bf16", "fp32"]


def test_accuracies_of_epochs_without_a_test_are_nan_and_the_weights_those_of_a_run_with_all_tests(
    small_images, tmp_path, monkeypatch
):
    options = {"epochs": 6, "train_size": 128}
    (run,) = fit_tiny(small_images, tmp_path / "schedule", **options)
    # 3 x 6 x 128 training images pay for 10 x 64 test images three times
    assert schedule.epochs_to_test(6, 128, 64) == (1, 2, 6)
    assert [epoch.epoch for epoch in run.epochs if not math.isnan(epoch.test_accuracy)] == [1, 2, 6]
    stored = json.loads((run.directory / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert [epoch["test_accuracy"] is None for epoch in stored["epochs"]] == [False, False, True, True, True, False]
    monkeypatch.setattr(training_run, "epochs_to_test", lambda *_: range(1, 7))
    (all_tested,) = fit_tiny(small_images, tmp_path / "all", **options)
    assert weights(run) == weights(all_tested)
    for tested, reference in zip(run.epochs, all_tested.epochs, strict=True):
        assert not math.isnan(reference.test_accuracy)
        assert tested.train_loss == reference.train_loss
        assert math.isnan(tested.test_accuracy) or tested.test_accuracy == reference.test_accuracy


def test_a_run_at_an_epoch_without_a_test_says_so(small_images, tmp_path):
    options = {"images": small_images, "preset": "quick", "device": CPU, **TINY}
    specs = make_specs(["resnet18k"], [0], **options)
    (run,) = fit_specs(specs, small_images, device=CPU, home=tmp_path, progress=False, keep=[1])
    assert math.isnan(run.at(1).test_accuracy)
    assert "test accuracy not tested;" in repr(run.at(1))
    assert "<td>not tested</td>" in run.at(1)._repr_html_()
    assert store.find(specs[0], tmp_path) == run


def test_a_run_with_all_tests_resumes_with_the_schedule(small_images, tmp_path, monkeypatch):
    """As one whose first epochs an older version trained."""
    options = {"epochs": 4, "train_size": 64}
    with monkeypatch.context() as patch:
        patch.setattr(training_run, "epochs_to_test", lambda *_: range(1, 5))
        interrupted_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            fit_tiny(small_images, tmp_path / "cut", **options)
    (cut,), (whole,) = (fit_tiny(small_images, tmp_path / home, **options) for home in ("cut", "whole"))
    assert weights(cut) == weights(whole)
    assert [math.isnan(epoch.test_accuracy) for epoch in cut.epochs] == [False, False, True, False]
    assert [math.isnan(epoch.test_accuracy) for epoch in whole.epochs] == [True, True, True, False]


def test_the_test_set_is_copied_to_the_device_once_and_not_normalised_on_the_cpu(small_images, tmp_path, monkeypatch):
    copied, of, normalized = [], DeviceImages.of, ImageSet.normalized

    def copying(images, device):
        copied.append(images.split)
        return of(images, device)

    def few(images, indices):
        assert len(indices) <= 8  # of the check of the forward pass
        return normalized(images, indices)

    monkeypatch.setattr(DeviceImages, "of", copying)
    monkeypatch.setattr(ImageSet, "normalized", few)
    few_test_images = dataclasses.replace(small_images, test=small_images.test.first(16))
    (run,) = fit_tiny(few_test_images, tmp_path)
    assert not any(math.isnan(epoch.test_accuracy) for epoch in run.epochs)
    assert copied == ["test"]


def test_each_seed_alone_changes_the_network(small_images, tmp_path):
    seeds = [Seeds(), Seeds(init=1), Seeds(order=1), Seeds(augment=1)]
    assert len({run.fingerprint for run in fit_tiny(small_images, tmp_path, seeds=seeds)}) == 4


def test_a_nudged_run_differs_from_its_sibling_in_one_initial_weight(small_images, tmp_path, monkeypatch):
    begun = []
    real = training_run.train
    monkeypatch.setattr(
        training_run, "train", lambda model, *a, **k: begun.append(copy.deepcopy(model)) or real(model, *a, **k)
    )
    plain, nudged = fit_tiny(small_images, tmp_path, seeds=[Seeds.all(3), Seeds(init=3, order=3, augment=3, nudge=0)])
    pairs = zip(begun[0].parameters(), begun[1].parameters(), strict=True)
    ratios = torch.cat([(after / before)[after != before].flatten() for before, after in pairs])
    assert ratios.tolist() == pytest.approx([1.001], rel=1e-6)
    assert weights(plain) != weights(nudged)
    assert nudged.spec.name.partition("-s")[2].startswith("3-nudge0-")


@pytest.mark.parametrize(
    ("arch", "optimizer", "rate"),
    [
        ("resnet18", "adam", 1e-3),
        ("vgg19", "adam", 2e-3),
        ("resnet18", "sam", 0.05),
        ("vit", "sgd", 0.02),
        ("vit", "adam", 1e-3),
        ("mlp_mixer", "adam", 1e-3),
    ],
)
def test_an_optimizer_brings_its_published_rate(arch, optimizer, rate, small_images):
    options = {"images": small_images, "preset": "paper", "device": CPU, "train_size": 64}
    (spec,) = make_specs([arch], [0], **options, optimizer=optimizer)
    assert (spec.recipe.optimizer, spec.recipe.learning_rate) == (optimizer, rate)
    (overridden,) = make_specs([arch], [0], **options, optimizer=optimizer, learning_rate=0.5)
    assert overridden.recipe.learning_rate == 0.5


def test_a_repeated_training_elsewhere_has_the_same_bytes(small_images, tmp_path):
    first, second = (fit_tiny(small_images, tmp_path / home, arch="vit", width=8)[0] for home in "ab")
    assert weights(first) == weights(second)


def test_fitting_does_not_change_the_global_generator(small_images, tmp_path):
    before = torch.get_rng_state()
    (run,) = fit_tiny(small_images, tmp_path, "vit", width=8)
    run.model()
    assert torch.equal(torch.get_rng_state(), before)


def test_specs_come_architecture_by_architecture_and_in_each_seed_by_seed(small_images):
    options = {"images": small_images, "preset": "quick", "device": CPU, "train_size": 64}
    specs = make_specs(["fcnet", "resnet18"], [3, Seeds(init=1, order=2), 0], **options)
    assert [(spec.arch, str(spec.seeds)) for spec in specs] == [
        ("fcnet", "3"),
        ("fcnet", "1.2.0"),
        ("fcnet", "0"),
        ("resnet18", "3"),
        ("resnet18", "1.2.0"),
        ("resnet18", "0"),
    ]
    assert make_specs(["fcnet", "resnet18"], iter([3, Seeds(init=1, order=2), 0]), **options) == specs
    assert make_specs(iter(["fcnet", "resnet18"]), (3, Seeds(init=1, order=2), 0), **options) == specs


def test_changes_reach_spec_and_recipe_and_nothing_else(small_images):
    options = {"images": small_images, "preset": "quick", "device": CPU}
    (plain,) = make_specs(["resnet18"], [0], **options, train_size=128)
    (changed,) = make_specs(["resnet18"], [0], **options, train_size=64, width=3, epochs=7, learning_rate=0.3)
    assert (changed.train_size, changed.width) == (64, 3)
    assert (changed.recipe.epochs, changed.recipe.learning_rate) == (7, 0.3)
    for name in ("batch_size", "momentum", "optimizer", "schedule", "precision", "label_smoothing"):
        assert getattr(changed.recipe, name) == getattr(plain.recipe, name)
    assert (plain.dataset, plain.arch, plain.seeds) == ("shapes", "resnet18", Seeds())


def test_the_default_preset_suits_the_device():
    assert default_preset(CPU) == "quick"
    assert default_preset(torch.device("cuda")) == "standard"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epoch": 3}, "unknown setting 'epoch': choose among .*epochs.*width"),
        ({"dropout": 0.1}, "unknown setting 'dropout'"),
        ({"train_size": 129}, "129 images requested, but shapes train has 128"),
        ({"epochs": 0}, "recipe.epochs is 0"),
        ({"preset": "quik"}, "unknown preset 'quik': did you mean 'quick'"),
        ({"arch": "resnet81"}, "unknown architecture 'resnet81': did you mean 'resnet18'"),
        ({"arch": "nowhere:Net"}, "'nowhere:Net' cannot be imported"),
        ({"arch": "vit", "width": 9}, "width 9 is not available for vit"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"seeds": [-1]}, "seeds.init is -1"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_trained(options, match, small_images, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "train", None)
    arguments = {"arch": "resnet18k", "preset": "quick", "device": "cpu", "seeds": (0,)} | TINY | options
    with pytest.raises(InputError, match=match):
        fit(arguments.pop("arch"), dataset=small_images, home=tmp_path, progress=False, **arguments)
    assert not list(tmp_path.glob("*/weights.safetensors"))


def test_an_unknown_dataset_suggests_the_nearest():
    with pytest.raises(InputError, match="unknown dataset 'shape': did you mean 'shapes'"):
        fit("resnet18", dataset="shape", device="cpu")


def test_what_is_unfinished_is_estimated_once_for_runs_that_differ_in_seeds(small_images, tmp_path, monkeypatch):
    fit_tiny(small_images, tmp_path)
    options = {"images": small_images, "preset": "quick", "device": CPU, **TINY}
    specs = make_specs(["resnet18k"], range(3), **options)
    missing = unfinished(specs, tmp_path)
    assert missing == specs[1:]
    timed = []
    monkeypatch.setattr(fitting, "seconds_per_run", lambda spec, *_: timed.append(spec) or 5.0)
    assert estimate_seconds(missing, small_images, CPU) == {specs[1]: 5.0, specs[2]: 5.0}
    assert len(timed) == 1


def test_a_diverged_training_is_an_error_and_is_not_finished(small_images, tmp_path):
    with pytest.raises(TrainingDiverged, match="in epoch 1 of 2"):
        fit_tiny(small_images, tmp_path, learning_rate=1e30)
    assert not list(tmp_path.glob("*/metrics.json"))


# ---- a user's own


NET = """
import torch
from torch import nn

class Block(nn.Module):
    def forward(self, x):
        return torch.{activation}(x)

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(3072, num_classes)
        self.block = Block()
        {comment}

    def forward(self, x):
        return self.head(self.block(x.flatten(1)))
"""


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """Writes the file `own_net_for_tests.py` into the current directory, as an editor would between two sessions."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = []

    def write(**changes: str) -> str:
        sys.modules.pop("own_net_for_tests", None)
        text = NET.format(**{"activation": "relu", "comment": ""} | changes)
        (tmp_path / "own_net_for_tests.py").write_text(text + "\n" * len(written))
        written.append(text)
        return "own_net_for_tests:Net"

    yield write
    sys.modules.pop("own_net_for_tests", None)


OWN = {"width": None, "batch_size": 16}


def test_a_users_own_module_is_trained_once_and_then_loaded(small_images, tmp_path, own_file, no_training):
    name = own_file()
    (run,) = fit_tiny(small_images, tmp_path, name, **OWN)
    assert run.spec.arch == name
    assert run.spec.definition is not None
    assert run.model()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    no_training()
    own_file()
    assert fit_tiny(small_images, tmp_path, name, **OWN) == [run]
    from own_net_for_tests import Net  # pyright: ignore[reportMissingImports]

    assert fit_tiny(small_images, tmp_path, Net, **OWN) == [run]


def test_a_module_that_is_random_in_evaluation_mode_is_refused_before_it_is_trained(
    small_images, tmp_path, own_file, monkeypatch
):
    monkeypatch.setattr(training_run, "train", None)
    with pytest.raises(
        InputError, match=r"random in evaluation mode: .* different outputs in block \(Block\); make it"
    ):
        fit_tiny(small_images, tmp_path, own_file(activation="rand_like"), **OWN)


def test_the_digest_of_the_initial_weights_is_stored_also_for_an_interrupted_run(small_images, tmp_path, monkeypatch):
    (whole,) = fit_tiny(small_images, tmp_path / "whole")
    assert whole.initial_fingerprint == files.digest(build("resnet18k", 10, 1, 0).state_dict())
    interrupted_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit_tiny(small_images, tmp_path / "cut")
    assert fit_tiny(small_images, tmp_path / "cut")[0].initial_fingerprint == whole.initial_fingerprint
    (nudged,) = fit_tiny(small_images, tmp_path, seeds=[Seeds(nudge=0)])
    assert nudged.initial_fingerprint not in (None, whole.initial_fingerprint)


def test_an_edited_module_is_another_run(small_images, tmp_path, own_file):
    (run,) = fit_tiny(small_images, tmp_path, own_file(), **OWN)
    (edited,) = fit_tiny(small_images, tmp_path, own_file(comment="self.scale = 2"), **OWN)
    assert edited.spec.definition != run.spec.definition
    assert edited.directory != run.directory


def test_an_edited_part_of_a_module_is_another_run(small_images, tmp_path, own_file):
    (run,) = fit_tiny(small_images, tmp_path, own_file(), **OWN)
    (edited,) = fit_tiny(small_images, tmp_path, own_file(activation="tanh"), **OWN)
    assert edited.directory != run.directory


def arrays(flip: bool = False) -> Images:
    """Twelve grey images of 12 x 12 pixels of three classes."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 1, 12, 12), dtype=np.uint8), np.arange(12) % 3
    if flip:
        pixels[0, 0, 0, 0] ^= 1
    return Images.from_arrays((pixels, labels), (pixels[:6], labels[:6]), name="mine", class_names=["a", "b", "c"])


def test_a_users_own_images_are_trained_on_and_changed_ones_are_another_dataset(tmp_path, no_training):
    options = {"train_size": None, "batch_size": 4}
    (run,) = fit_tiny(arrays(), tmp_path, **options)
    assert run.spec.dataset.startswith("mine@")
    assert (run.class_count, run.image_shape) == (3, (1, 12, 12))
    assert run.model()(torch.zeros(2, 1, 12, 12)).shape == (2, 3)
    no_training()
    assert fit_tiny(arrays(), tmp_path, **options) == [run]
    with pytest.raises(AssertionError, match="trained"):
        fit_tiny(arrays(flip=True), tmp_path, **options)


# ---- interrupted


def interrupted_after(epochs: int, monkeypatch) -> None:
    """The next training is interrupted in the epoch after the first `epochs`."""
    train = training_run.train

    def interrupted(*arguments, **options):
        for checkpoint in train(*arguments, **options):
            yield checkpoint
            if checkpoint.metrics.epoch == epochs:
                monkeypatch.setattr(training_run, "train", train)
                raise KeyboardInterrupt

    monkeypatch.setattr(training_run, "train", interrupted)


@pytest.mark.parametrize(("arch", "width"), [("vit", 8), ("resnet18k", 1)])
def test_an_interrupted_run_resumes_after_its_last_epoch(arch, width, small_images, tmp_path, monkeypatch):
    options = {"width": width, "epochs": 4}
    (whole,) = fit_tiny(small_images, tmp_path / "whole", arch, **options)
    interrupted_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit_tiny(small_images, tmp_path / "cut", arch, **options)
    starts, train = [], training_run.train

    def noting(*arguments, start, **more):
        starts.append(start.metrics.epoch)
        return train(*arguments, start=start, **more)

    monkeypatch.setattr(training_run, "train", noting)
    (run,) = fit_tiny(small_images, tmp_path / "cut", arch, **options)
    assert starts == [2]
    assert weights(run) == weights(whole)
    assert [epoch.epoch for epoch in run.epochs] == [1, 2, 3, 4]
    assert [epoch.train_loss for epoch in run.epochs] == [epoch.train_loss for epoch in whole.epochs]
    assert not list(tmp_path.glob("*/*/resume.safetensors"))


def test_a_run_interrupted_after_its_last_epoch_trains_it_again(small_images, tmp_path, monkeypatch):
    interrupted_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit_tiny(small_images, tmp_path / "cut")
    (run,) = fit_tiny(small_images, tmp_path / "cut")
    (whole,) = fit_tiny(small_images, tmp_path / "whole")
    assert weights(run) == weights(whole)
    assert run.test_accuracy == whole.test_accuracy


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x80\x04N.", None])
def test_a_damaged_resume_file_restarts_the_training(damage, small_images, tmp_path, monkeypatch):
    (whole,) = fit_tiny(small_images, tmp_path / "whole")
    interrupted_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit_tiny(small_images, tmp_path / "cut")
    (resume,) = tmp_path.glob("cut/*/resume.safetensors")
    content = resume.read_bytes()
    resume.write_bytes(content[:-50] + bytes(50) if damage is None else damage)
    (run,) = fit_tiny(small_images, tmp_path / "cut")
    assert weights(run) == weights(whole)
    assert len(run.epochs) == 2


def test_a_run_finished_meanwhile_by_another_process_is_loaded(small_images, tmp_path, no_training, monkeypatch):
    options = {"images": small_images, "preset": "quick", "device": CPU, **TINY}
    specs = make_specs(["resnet18k"], [0], **options)
    locked = store.locked
    calls = []

    def late(*arguments) -> Any:
        calls.append(arguments)
        if len(calls) == 1:  # the call inside `fit_tiny` below is the other process
            fit_tiny(small_images, tmp_path)
            no_training()
        return locked(*arguments)

    monkeypatch.setattr(store, "locked", late)
    (run,) = fit_specs(specs, small_images, device=CPU, home=tmp_path, progress=False, seconds={specs[0]: 1.0})
    assert len(calls) == 2
    assert run.epochs[-1].epoch == 2


def test_a_killed_training_resumes_to_the_same_bytes(tmp_path):
    line = (
        "-m dbviz.train --dataset shapes --train-size 256 --arch resnet18 --width 4 --epochs 6 --seeds 0 --device cpu"
    )
    command = [sys.executable, *shlex.split(line), "--home", str(tmp_path / "cut")]
    package = str(Path(fitting.__file__).parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": package}

    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        limit = time.monotonic() + 60
        while not list(tmp_path.glob("cut/*/resume.safetensors")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < limit
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    (directory,) = tmp_path.glob("cut/*")
    assert not (directory / "metrics.json").exists()

    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert (directory / "metrics.json").exists()
    assert not (directory / "resume.safetensors").exists()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # an image depends on its number alone, so fewer of them make the same training
        images = Images(train=shapes(256), test=shapes(64, split="test"))
        settings = {"preset": "quick", "device": "cpu", "width": 4, "train_size": 256, "epochs": 6}
        (whole,) = fit("resnet18", dataset=images, home=tmp_path / "whole", progress=False, **settings)
    finally:
        torch.set_num_threads(threads)
    assert whole.directory.name == directory.name
    assert (directory / "weights.safetensors").read_bytes() == weights(whole)
