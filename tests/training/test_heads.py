"""A new head on a frozen network: which layer it is, its features, and its runs."""

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dbviz import fit, label_maps
from dbviz.core.errors import InputError
from dbviz.core.files import load_tensors
from dbviz.data import DeviceBatches, Images, shapes
from dbviz.models import ARCHITECTURES, build
from dbviz.planes import draw_planes
from dbviz.runs import backbones, fitting, store, training_run
from dbviz.spec import Recipe, RunSpec, Seeds
from dbviz.training import logits
from dbviz.training.heads import FeatureBatches, features, head_logits, head_of

CPU = torch.device("cpu")
PLAIN = Recipe(epochs=2, learning_rate=0.1, augmentation="none", batch_size=4)


@pytest.fixture(scope="module")
def few() -> Images:
    return Images(train=shapes(48, split="train"), test=shapes(20, split="test"))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_head_on_the_features_is_the_network(arch, few):
    model = build(arch, 10, ARCHITECTURES[arch].multiple_of)
    head = model.get_submodule(head_of(model, (3, 32, 32)))
    assert isinstance(head, nn.Linear)
    made = features(model, head, few.test, CPU)
    assert made.shape == (20, head.in_features)
    assert torch.equal(head_logits(head, made), logits(model, few.test, CPU))
    assert not made.is_inference()


class Averaged(nn.Module):
    """A linear layer on every patch, whose outputs are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1, 2)).mean(1)


def test_of_several_linear_layers_the_last_is_the_head():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.Linear(12, 12), nn.Identity())
    assert head_of(model, (3, 2, 2)) == "2"


@pytest.mark.parametrize(
    "model",
    [
        Averaged(),
        nn.Sequential(nn.Conv2d(3, 10, 32), nn.Flatten()),
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 10), nn.ReLU()),
    ],
)
def test_a_network_that_does_not_end_in_a_linear_layer_has_no_head(model):
    with pytest.raises(InputError, match=r"no nn.Linear, so it has no head .* leave --pretrained out"):
        head_of(model, (3, 32, 32))


def test_features_come_in_the_order_of_the_images_of_the_same_seeds(few):
    seeds = Seeds(order=5)
    pixels = torch.from_numpy(few.train.pixels).flatten(1).float()
    batches = FeatureBatches(pixels, torch.from_numpy(few.train.labels), PLAIN, seeds)
    images = DeviceBatches.of(few.train, PLAIN, seeds, CPU)
    assert len(batches) == len(images) == 12
    for number in (0, 1):
        for (made, labels), (_, expected) in zip(batches.epoch(number), images.epoch(number), strict=True):
            assert torch.equal(labels, expected)
            assert len(made) == 4
    first = torch.cat([made for made, _ in batches.epoch(0)])
    assert torch.equal(first.sort(0).values, pixels.sort(0).values)
    assert not torch.equal(first, torch.cat([made for made, _ in batches.epoch(1)]))


# ---- runs


TINY: dict[str, Any] = {"preset": "quick", "device": "cpu", "progress": False, "train_size": 48, "epochs": 2}


def body(images: Images, home, arch: str = "resnet18k", width: int | None = 2) -> store.Run:
    (run,) = fit(arch, dataset=images, home=home, width=width, **TINY)
    return run


def heads(images: Images, home, source: str, arch: str = "resnet18k", **options: Any) -> list[store.Run]:
    return fit(arch, dataset=images, home=home, **TINY | {"seeds": (0, 1), "pretrained": source} | options)


def state(run: store.Run) -> dict[str, torch.Tensor]:
    return load_tensors(run.weights)[0]


def test_only_the_head_differs_and_the_run_is_a_whole_network(few, tmp_path):
    run = body(few, tmp_path)
    first, second = heads(few, tmp_path, run.spec.name)
    name = head_of(run.model(), few.image_shape)
    changed = {n for n, tensor in state(first).items() if not torch.equal(tensor, state(second)[n])}
    assert changed == {f"{name}.weight", f"{name}.bias"}
    assert {n for n, tensor in state(run).items() if not torch.equal(tensor, state(first)[n])} == changed
    assert torch.equal(logits(first.model(), few.test, CPU), first.test_logits())
    assert [len(head.epochs) for head in (first, second)] == [2, 2]
    maps = label_maps.sample([first, second], draw_planes(few.test, 2), resolution=4)
    assert maps.labels.shape == (2, 2, 4, 4)
    assert "-w2-head-n48-" in first.spec.name


def test_a_head_has_the_initial_weights_of_a_whole_network(few, tmp_path):
    run = body(few, tmp_path)
    (spec,) = (head_run.spec for head_run in heads(few, tmp_path, run.spec.name, seeds=[7]))
    model, head = backbones.build_with_new_head(spec, few, tmp_path)
    name = head_of(model, few.image_shape)
    assert torch.equal(head.weight, build("resnet18k", 10, 2, seed=7).get_submodule(name).weight)  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert torch.equal(model.state_dict()["0.weight"], state(run)["0.weight"])


def test_features_are_computed_once_for_all_heads(few, tmp_path, monkeypatch):
    run, made = body(few, tmp_path), []
    real = backbones.features
    monkeypatch.setattr(backbones, "features", lambda *a, **k: made.append(1) or real(*a, **k))
    backbones._features.cache_clear()
    heads(few, tmp_path, run.spec.name, seeds=range(3))
    heads(few, tmp_path, run.spec.name, learning_rate=0.3, label_noise=0.2)
    assert len(made) == 2  # the training images and the test images
    heads(few, tmp_path, run.spec.name, train_size=32)
    assert len(made) == 4


def test_a_run_and_a_file_define_the_same_network(few, tmp_path):
    run = body(few, tmp_path)
    (named,) = heads(few, tmp_path, run.spec.identity[:10], seeds=[0])
    tensors, name = state(run), head_of(run.model(), few.image_shape)
    tensors |= {f"{name}.weight": torch.zeros(1000, 16), f"{name}.bias": torch.zeros(1000)}
    save_file(tensors, tmp_path / "mine.safetensors")
    (from_file,) = heads(few, tmp_path, str(tmp_path / "mine.safetensors"), seeds=[0], width=2)
    assert from_file == named
    assert from_file.spec.pretrained is not None
    (stored,) = (tmp_path / "pretrained").iterdir()
    assert stored.stem == from_file.spec.pretrained


def test_an_interrupted_head_resumes_to_the_same_bytes(few, tmp_path, monkeypatch):
    run = body(few, tmp_path / "whole")
    weights = str(run.weights)
    options = {"width": 2, "seeds": [3], "epochs": 4, "optimizer": "adam"}
    (whole,) = heads(few, tmp_path / "whole", weights, **options)
    train = training_run.train

    def interrupted(*arguments, **hooks):
        yield from itertools.islice(train(*arguments, **hooks), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_run, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            heads(few, tmp_path / "cut", weights, **options)
    backbones._features.cache_clear()
    (cut,) = heads(few, tmp_path / "cut", weights, **options)
    assert cut.weights.read_bytes() == whole.weights.read_bytes()
    assert [epoch.train_loss for epoch in cut.epochs] == [epoch.train_loss for epoch in whole.epochs]


def test_a_nudge_changes_a_weight_of_the_head(few, tmp_path):
    run = body(few, tmp_path)
    (spec,) = (head_run.spec for head_run in heads(few, tmp_path, run.spec.name, seeds=[0]))
    nudged = dataclasses.replace(spec, seeds=dataclasses.replace(spec.seeds, nudge=1))
    (model, head), (plain_model, _) = (training_run._initial(head_spec, few, tmp_path) for head_spec in (nudged, spec))
    assert head is not None
    different = [n for n, p in model.named_parameters() if not torch.equal(p, plain_model.get_parameter(n))]
    assert len(different) == 1
    assert different[0].startswith(head_of(model, few.image_shape))


def test_the_time_is_estimated_with_the_features_once(few, tmp_path, monkeypatch):
    run = body(few, tmp_path)
    specs = [head_run.spec for head_run in heads(few, tmp_path, run.spec.name)]
    monkeypatch.setattr(fitting, "seconds_of_features", lambda *_: 100.0)
    first, second = fitting.estimate_seconds(specs, few, CPU).values()
    assert first == pytest.approx(100 + second)
    assert 0 < second < 50
    monkeypatch.undo()
    assert 0 < fitting.seconds_of_features(specs[0], few, CPU) < 50


def averaging() -> nn.Module:
    return Averaged()


@pytest.mark.parametrize(
    ("source", "arch", "options", "match"),
    [
        ("{weights}", "resnet18k", {"width": 4}, "does not fit the network: .* give the architecture and --width"),
        ("{weights}", "fcnet", {"width": 16}, "weights.safetensors does not fit the network"),
        ("{name}", "vit", {}, "pretrained .* is a resnet18k, not the vit requested: leave --arch out"),
        ("nowhere.safetensors", "resnet18k", {}, "nowhere.safetensors does not exist"),
        ("some-run", "resnet18k", {}, "no finished run is called 'some-run'"),
        ("{name}", ["resnet18k", "vit"], {}, "--pretrained goes with one architecture, 2 are given"),
        ("{name}", "resnet18k", {"mode": "mixup"}, "recipe.mode is 'mixup': it must be 'plain' under pretrained"),
        ("{name}", "resnet18k", {"augmentation": "crop-flip"}, "augmentation is 'crop-flip': it must be 'none'"),
        ("mine.safetensors", averaging, {}, "no nn.Linear"),
    ],
)
def test_invalid_input_is_refused_before_anything_is_trained(source, arch, options, match, few, tmp_path):
    run = body(few, tmp_path)
    save_file({"linear.weight": torch.zeros(10, 32), "linear.bias": torch.zeros(10)}, "mine.safetensors")
    source = source.format(weights=run.weights, name=run.spec.name)
    with pytest.raises(InputError, match=match):
        heads(few, tmp_path, source, arch, **options)
    assert len(list(tmp_path.glob("*/metrics.json"))) == 1


def test_absent_pretrained_weights_are_an_error(few, tmp_path):
    run = body(few, tmp_path)
    spec = heads(few, tmp_path, run.spec.name)[0].spec
    with pytest.raises(InputError, match=f"{spec.pretrained}.safetensors does not exist"):
        backbones.build_with_new_head(spec, few, tmp_path / "elsewhere")


def test_pretrained_requires_fixed_features():
    bare = RunSpec(dataset="shapes", arch="vit", recipe=PLAIN)
    assert "pretrained" not in bare.canonical()
    first, second = (RunSpec(dataset="shapes", arch="vit", recipe=PLAIN, pretrained=name * 64) for name in "ab")
    assert len({bare.identity, first.identity, second.identity}) == 3
    with pytest.raises(InputError, match=r"recipe\.augmentation is 'crop-flip': it must be 'none' under pretrained"):
        RunSpec(dataset="shapes", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1), pretrained="a" * 64)
    solved = Recipe(epochs=1, learning_rate=0.1, augmentation="none", optimizer="least-squares")
    with pytest.raises(InputError, match=r"optimizer is 'least-squares': it must be one of sgd, adam, sam under pre"):
        RunSpec(dataset="shapes", arch="random_features", recipe=solved, pretrained="a" * 64)
