"""Steps computed by hand, and trainings that are bitwise identical: repeated, interrupted, or watched."""

import dataclasses
import math
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dbviz.core.errors import TrainingDiverged
from dbviz.core.files import digest, load_tensors, save_tensors
from dbviz.data import DeviceBatches, Images
from dbviz.models import ARCHITECTURES, build
from dbviz.spec import Recipe, Seeds
from dbviz.training import Checkpoint, EpochMetrics, loop, train
from dbviz.training.optimizers import make_optimizer

CPU = torch.device("cpu")


class Given:
    """The same batches in every epoch."""

    def __init__(self, *batches: tuple[Tensor, Tensor]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:  # noqa: ARG002
        return iter(self.batches)


ONE_IMAGE = Given((torch.tensor([1.0, 2.0]).view(1, 2, 1, 1), torch.tensor([0])))
"""The image (1, 2) of class 0."""


def zeros() -> nn.Module:
    """W x, with W a 2 x 2 matrix of zeros."""
    linear = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(linear.weight)
    return nn.Sequential(nn.Flatten(), linear)


def by_hand(**changes) -> Recipe:
    plain = {"epochs": 1, "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}
    return Recipe(**plain | changes)


def weight(checkpoint: Checkpoint) -> list[float]:
    return checkpoint.tensors["model.1.weight"].flatten().tolist()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "sam"])
def test_restored_optimizer_state_is_on_the_device_of_its_parameter(optimizer):
    recipe = by_hand(optimizer=optimizer, momentum=0.9)
    (checkpoint,) = train(zeros(), ONE_IMAGE, recipe, Seeds())
    model = zeros().to("meta")
    restored = make_optimizer(model, recipe)
    with warnings.catch_warnings(action="ignore"):  # nothing is copied into a tensor without storage
        loop._restore(model, restored, checkpoint.tensors)
    (state,) = restored.state.values()
    assert {name: tensor.device.type for name, tensor in state.items()} == dict.fromkeys(state, "meta")
    assert len(state) == (3 if optimizer == "adam" else 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "sam"])
def test_a_resumed_training_is_bitwise_identical_on_a_gpu(optimizer, small_images):
    device = torch.device("cuda")
    recipe = Recipe(epochs=2, learning_rate=0.01, optimizer=optimizer, batch_size=32)
    batches = DeviceBatches.of(small_images.train, recipe, Seeds(), device)

    def network() -> nn.Module:
        return build("fcnet", width=16).to(device)

    checkpoints = train(network(), batches, recipe, Seeds())
    first = next(checkpoints)
    tensors = {name: tensor.cpu().clone() for name, tensor in first.tensors.items()}  # as from a file
    (whole,) = checkpoints
    (resumed,) = train(network(), batches, recipe, Seeds(), start=Checkpoint(metrics=first.metrics, tensors=tensors))
    assert resumed.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(resumed.tensors[name].cpu(), tensor.cpu()), name


def test_one_step_is_as_computed_by_hand():
    # softmax (.5, .5); gradient (p - one-hot) x^T = ((-.5, -1), (.5, 1))
    (checkpoint,) = train(zeros(), ONE_IMAGE, by_hand(), Seeds())
    assert weight(checkpoint) == pytest.approx([0.05, 0.1, -0.05, -0.1])
    assert checkpoint.metrics.epoch == 1
    assert checkpoint.metrics.train_loss == pytest.approx(math.log(2))
    assert checkpoint.metrics.train_accuracy == 1  # of equal logits the first
    assert checkpoint.metrics.learning_rate == 0.1
    assert math.isnan(checkpoint.metrics.test_accuracy)


def test_two_steps_with_momentum_and_weight_decay_are_as_computed_by_hand():
    steps = []
    for checkpoint in train(zeros(), ONE_IMAGE, by_hand(epochs=2, momentum=0.5, weight_decay=0.1), Seeds()):
        steps.append((weight(checkpoint), checkpoint.metrics))
    # logits (.25, -.25): p_0 = 1 / (1 + e^-.5); velocity .5 * -.5 + (p_0 - 1) + .1 * .05, in units of (1, 2)
    p = 1 / (1 + math.exp(-0.5))
    second = 0.05 - 0.1 * (0.5 * -0.5 + (p - 1) + 0.1 * 0.05)
    assert second == pytest.approx(0.11225407)
    assert steps[0][0] == pytest.approx([0.05, 0.1, -0.05, -0.1])
    assert steps[1][0] == pytest.approx([second, 2 * second, -second, -2 * second], rel=1e-6)
    assert steps[1][1].train_loss == pytest.approx(-math.log(p))
    assert checkpoint.tensors["optimizer.1.weight.momentum_buffer"].flatten()[0].item() == pytest.approx(-0.62254066)


def test_a_long_gradient_is_clipped_to_the_norm():
    (checkpoint,) = train(zeros(), ONE_IMAGE, by_hand(clip_norm=1.0), Seeds())
    # norm sqrt(2.5)
    assert weight(checkpoint) == pytest.approx([0.1 * g / math.sqrt(2.5) for g in (0.5, 1, -0.5, -1)], rel=1e-5)


def test_labels_are_smoothed():
    (checkpoint,) = train(zeros(), ONE_IMAGE, by_hand(label_smoothing=0.2), Seeds())
    # p - (.9, .1) = (-.4, .4)
    assert weight(checkpoint) == pytest.approx([0.04, 0.08, -0.04, -0.08])


def test_an_epochs_metrics_are_means_over_images_not_over_batches():
    x = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    batches = Given((x.expand(3, 2, 1, 1), torch.tensor([0, 0, 0])), (x, torch.tensor([1])))
    seen: list[int] = []
    (checkpoint,) = train(zeros(), batches, by_hand(), Seeds(), on_batch=seen.append)
    # the second batch meets logits (.25, -.25), and its label is 1
    assert checkpoint.metrics.train_loss == pytest.approx((3 * math.log(2) + math.log(1 + math.exp(0.5))) / 4)
    assert checkpoint.metrics.train_accuracy == 0.75
    assert seen == [3, 1]


def test_the_rate_follows_the_schedule_over_all_epochs():
    x, y = ONE_IMAGE.batches[0]
    recipe = by_hand(epochs=4, schedule="steps", learning_rate=1.0)
    rates = [c.metrics.learning_rate for c in train(zeros(), Given((x, y), (x, y)), recipe, Seeds())]
    # last steps 1, 3, 5, 7 of 8: at 12.5, 37.5, 62.5 and 87.5 %
    assert rates == pytest.approx([1, 0.1, 0.01, 0.001])


def test_the_test_accuracy_is_recorded_after_each_epoch():
    values = iter([0.25, 0.75])
    checkpoints = train(zeros(), ONE_IMAGE, by_hand(epochs=2), Seeds(), test=lambda _: next(values))
    assert [checkpoint.metrics.test_accuracy for checkpoint in checkpoints] == [0.25, 0.75]


def test_only_the_requested_epochs_are_tested():
    values = iter([0.25, 0.75])
    checkpoints = train(zeros(), ONE_IMAGE, by_hand(epochs=3), Seeds(), test=lambda _: next(values), tested=(1, 3))
    metrics = [checkpoint.metrics for checkpoint in checkpoints]
    assert [epoch.to_dict()["test_accuracy"] for epoch in metrics] == [0.25, None, 0.75]
    assert [EpochMetrics.from_dict(epoch.to_dict()) for epoch in metrics] == metrics


def test_metrics_without_a_test_are_equal_whichever_nan_they_have():
    numbers = {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "learning_rate": 0.1, "seconds": 1.0}
    first, second = (EpochMetrics(test_accuracy=float("nan"), **numbers) for _ in range(2))
    assert first == second
    assert first != dataclasses.replace(first, test_accuracy=0.5) != second


def trained(
    arch: str,
    images: Images,
    recipe: Recipe,
    seeds: Seeds = Seeds(),  # noqa: B008
    start: Checkpoint | None = None,
    build_seed: int = 0,
    **options,
) -> Iterator[Checkpoint]:
    spec = ARCHITECTURES[arch]
    model = build(arch, 10, spec.multiple_of, build_seed)
    batches = DeviceBatches.of(images.train.first(64), recipe, seeds, CPU)
    return train(model, batches, recipe, seeds, start=start, **options)


def tiny(arch: str, **changes) -> Recipe:
    adam = {"optimizer": "adam", "clip_norm": 1.0} if arch in ("vit", "mlp_mixer") else {}
    return Recipe(**{"epochs": 3, "learning_rate": 0.02, "batch_size": 32} | adam | changes)


def last(checkpoints: Iterator[Checkpoint]) -> str:
    return digest([checkpoint.tensors for checkpoint in checkpoints][-1])


CASES = [(arch, "fp32", {}) for arch in ARCHITECTURES] + [
    *((arch, "bf16", {}) for arch in ("fcnet", "resnet18", "vit", "mlp_mixer")),
    ("resnet18", "fp32", {"optimizer": "adam"}),
    ("vit", "fp32", {"optimizer": "sgd", "schedule": "steps"}),
    ("resnet18k", "fp32", {"momentum": 0.0, "augmentation": "none"}),
]


@pytest.mark.parametrize(("arch", "precision", "changes"), CASES)
def test_a_resumed_training_is_bitwise_identical(arch, precision, changes, small_images, tmp_path):
    recipe = tiny(arch, precision=precision, **changes)
    whole = ""
    for checkpoint in trained(arch, small_images, recipe):
        if checkpoint.metrics.epoch == 1:
            save_tensors(tmp_path / "resume.safetensors", checkpoint.tensors, {})
            stopped = checkpoint.metrics
        whole = digest(checkpoint.tensors)
    tensors, _ = load_tensors(tmp_path / "resume.safetensors")
    start = Checkpoint(metrics=stopped, tensors=tensors)
    # a model of other initial weights: everything must come from the checkpoint
    continued = [(c.metrics.epoch, digest(c.tensors)) for c in trained(arch, small_images, recipe, Seeds(), start, 5)]
    assert [epoch for epoch, _ in continued] == [2, 3]
    assert continued[-1][1] == whole


@pytest.mark.parametrize("arch", ["resnet18", "vit"])
def test_trainings_do_not_depend_on_the_global_generators(arch, small_images):
    recipe = tiny(arch, epochs=2)
    torch.manual_seed(1)
    first = last(trained(arch, small_images, recipe))
    torch.manual_seed(2)
    assert last(trained(arch, small_images, recipe)) == first


@pytest.mark.parametrize("arch", ["resnet18", "vit"])
def test_watching_a_training_does_not_change_it(arch, small_images):
    recipe = tiny(arch, epochs=2)

    def curious(model: nn.Module) -> float:
        torch.rand(7)
        model.eval()
        with torch.no_grad():
            model(torch.zeros(2, 3, 32, 32))
        return 0.5

    counted: list[int] = []
    watched = last(trained(arch, small_images, recipe, test=curious, on_batch=counted.append))
    assert watched == last(trained(arch, small_images, recipe))
    assert counted == [32, 32, 32, 32]


def test_dropout_draws_from_the_augment_seed_and_a_net_without_it_does_not(small_images):
    def weights(arch: str, augment: int) -> str:
        recipe = tiny(arch, epochs=1, augmentation="none")
        return last(trained(arch, small_images, recipe, Seeds(augment=augment)))

    assert weights("vit", 0) != weights("vit", 1)
    assert weights("resnet18k", 0) == weights("resnet18k", 1)


def test_dropout_differs_from_epoch_to_epoch():
    class Remembering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.dropout = nn.Parameter(torch.ones(1)), nn.Dropout(0.5)
            self.outputs: list[Tensor] = []

        def forward(self, x: Tensor) -> Tensor:
            self.outputs.append(self.dropout(torch.ones(64)))
            return x.flatten(1) * self.scale

    def masks(seeds: Seeds) -> list[Tensor]:
        model = Remembering()
        list(train(model, ONE_IMAGE, by_hand(epochs=2), seeds))
        return model.outputs

    first, second = masks(Seeds(augment=3))
    assert not torch.equal(first, second)
    assert torch.equal(masks(Seeds(augment=3))[1], second)
    assert not torch.equal(masks(Seeds(augment=4))[0], first)


def test_the_global_generators_are_untouched(small_images):
    recipe, seeds = tiny("vit", epochs=2), Seeds()
    model, batches = build("vit", 10, 8), DeviceBatches.of(small_images.train.first(64), recipe, seeds, CPU)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002  # pyright: ignore
    for _ in train(model, batches, recipe, seeds):
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpys  # noqa: NPY002  # pyright: ignore


def test_deterministic_algorithms_are_used_within_an_epoch_only():
    seen: list[bool] = []

    class Asking(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            seen.append(torch.are_deterministic_algorithms_enabled())
            return super().forward(input)

    for deterministic in (True, False):
        model = nn.Sequential(nn.Flatten(), Asking(2, 2))
        for _ in train(model, ONE_IMAGE, by_hand(deterministic=deterministic), Seeds()):
            assert not torch.are_deterministic_algorithms_enabled()
    assert seen == [True, False]


def test_with_another_init_seed_the_weights_differ_and_the_batches_do_not(small_images):
    recipe = tiny("resnet18")
    first, second = Seeds(init=1), Seeds(init=2)
    assert digest(build("resnet18", 10, 1, first.init).state_dict()) != digest(
        build("resnet18", 10, 1, second.init).state_dict()
    )
    batches = [DeviceBatches.of(small_images.train, recipe, seeds, CPU) for seeds in (first, second)]
    for epoch in (0, 1):
        for (x, y), (other_x, other_y) in zip(*(b.epoch(epoch) for b in batches), strict=True):
            assert torch.equal(x, other_x)
            assert torch.equal(y, other_y)


def test_each_seed_alone_changes_the_result(small_images):
    recipe = tiny("resnet18", epochs=1)
    seeds = [Seeds(), Seeds(init=1), Seeds(order=1), Seeds(augment=1)]
    assert len({last(trained("resnet18", small_images, recipe, s, None, s.init)) for s in seeds}) == 4


def test_divergence_names_the_epoch_and_the_remedy():
    x, y = ONE_IMAGE.batches[0]

    class Spoilt(Given):
        def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
            return iter([(x if number < 1 else x * math.inf, y)])

    steps = train(zeros(), Spoilt((x, y)), by_hand(epochs=3), Seeds())
    assert next(steps).metrics.epoch == 1
    with pytest.raises(TrainingDiverged, match=r"diverged in epoch 2 of 3 \(loss nan\).*rate \(0.1\).*clip_norm"):
        next(steps)
