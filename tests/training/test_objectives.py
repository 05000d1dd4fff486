"""SAM, mixup, CutMix, adversarial training and distillation compute what their papers define."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import v2

from dbviz.core.errors import InputError
from dbviz.core.files import digest
from dbviz.data import DeviceBatches
from dbviz.models import build
from dbviz.spec import Recipe, Seeds
from dbviz.training import objectives, train
from dbviz.training.loop import training_step
from dbviz.training.objectives import Attack, cutmix, make_objective, mixup, soft_loss
from dbviz.training.optimizers import make_optimizer, sam_ascent


class Quadratic(nn.Module):
    """Half of (w1^2 + 9 w2^2), for any images; its gradient is (w1, 9 w2)."""

    def __init__(self, w1: float, w2: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([w1, w2]))

    def forward(self, _: Tensor) -> Tensor:
        return 0.5 * (self.w**2 * torch.tensor([1.0, 9.0])).sum().view(1, 1)


def test_a_sam_step_on_a_quadratic_is_as_computed_by_hand():
    # w = (3, 4/9): g = (3, 4), |g| = 5; at w + .5 g / 5 = (3.3, 4/9 + .4) the gradient is (3.3, 4 + 3.6)
    model = Quadratic(3.0, 4 / 9)
    recipe = Recipe(
        epochs=1,
        learning_rate=0.1,
        optimizer="sam",
        sam_radius=0.5,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
    )
    optimizer = make_optimizer(model, recipe)
    loss, _ = training_step(model, optimizer, lambda out, _: out.sum(), torch.zeros(1), torch.zeros(1), recipe, 0.1)
    assert float(loss) == pytest.approx(0.5 * (9 + 9 * 16 / 81))  # of the weights that are kept
    assert model.w.tolist() == pytest.approx([3 - 0.33, 4 / 9 - 0.76])


def test_the_ascent_has_the_length_of_the_radius_and_restores_weights_and_statistics_exactly():
    model = build("resnet18", width=2)
    F.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    before = copy.deepcopy(model.state_dict())
    with sam_ascent(model, 0.05):
        moved = torch.cat([(p - before[n]).flatten() for n, p in model.named_parameters()])
        assert float(moved.detach().norm()) == pytest.approx(0.05, rel=1e-3)
        model(torch.randn(4, 3, 32, 32))
    assert digest(model.state_dict()) == digest(before)
    model(torch.randn(4, 3, 32, 32))
    assert model.state_dict()["1.num_batches_tracked"] == before["1.num_batches_tracked"] + 1


def test_a_gradient_of_zero_changes_nothing():
    model = Quadratic(0.0, 0.0)
    model(torch.zeros(1)).sum().backward()
    with sam_ascent(model, 0.5):
        assert model.w.tolist() == [0, 0]


class Fixed(np.random.Generator):
    """A generator that returns these numbers."""

    def __init__(self, share: float, order: list[int], centre: tuple[int, ...] = ()) -> None:
        super().__init__(np.random.PCG64(0))
        self.share, self.order, self.centre = share, order, list(centre)

    def beta(self, *_: float) -> float:
        return self.share

    def permutation(self, _: int) -> np.ndarray:
        return np.array(self.order)

    def integers(self, _: int) -> int:
        return self.centre.pop(0)


def test_mixup_equals_torchvisions_for_its_draws():
    images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
    reference = v2.MixUp(num_classes=3)
    theirs = reference.transform(images, {"labels": labels, "batch_size": 4, "lam": 0.3})
    rolled = [3, 0, 1, 2]  # torchvision pairs each image with the one before it
    ours = mixup(images, labels, 3, Fixed(0.3, rolled))
    expected = 0.3 * images + 0.7 * images[rolled]
    assert torch.allclose(ours[0], expected)
    assert torch.allclose(ours[0], theirs)
    assert torch.allclose(ours[1], torch.tensor([[0.3, 0.7, 0], [0.7, 0.3, 0], [0, 0.7, 0.3], [0, 0.3, 0.7]]))


@pytest.mark.parametrize(
    ("share", "centre", "box"),
    [
        (0.75, (4, 4), (2, 6, 2, 6)),
        (0.75, (0, 7), (0, 2, 5, 8)),
        (1.0, (3, 3), (3, 3, 3, 3)),
        (0.0, (4, 4), (0, 8, 0, 8)),
    ],
)
def test_cutmix_pastes_the_box_computed_by_hand_and_mixes_labels_by_its_area(share, centre, box):
    images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    mixed, targets = cutmix(images, labels, 2, Fixed(share, [1, 0], centre))
    top, bottom, left, right = box
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    assert torch.equal(mixed, torch.where(inside, images[[1, 0]], images))
    remaining = 1 - inside.float().mean().item()
    assert torch.allclose(targets, torch.tensor([[remaining, 1 - remaining], [1 - remaining, remaining]]))


def linear_attack(**changes) -> tuple[nn.Module, Attack]:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2, bias=False)).train()
    return model, Attack(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0), **changes)


def test_an_attack_on_a_linear_model_ends_at_the_corner_of_the_box():
    model, attack = linear_attack()
    images, labels = torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])
    moved = attack(model, images, labels, np.random.default_rng(0))
    weights = next(model.parameters()).detach().view(2, 3, 4, 4)
    away = torch.stack([weights[1] - weights[0], weights[0] - weights[1]]).sign()
    reach = 8 / 255 / torch.tensor([0.25, 0.5, 1.0]).view(1, 3, 1, 1)
    # ten steps of 2/255 cross the box of 8/255 from any start
    assert torch.allclose(moved, away * reach, atol=1e-6)
    assert model.training
    assert not moved.requires_grad


def test_attacked_pixels_are_in_range_and_no_gradient_remains():
    model, attack = linear_attack()
    white = torch.full((1, 3, 4, 4), 0.5) / torch.tensor([0.25, 0.5, 1.0]).view(1, 3, 1, 1)
    moved = attack(model, white, torch.tensor([0]), np.random.default_rng(0))
    assert (moved <= white + 1e-6).all()
    assert all(p.grad is None for p in model.parameters())


def test_the_soft_loss_is_zero_for_the_teachers_own_logits_and_known_for_others():
    teacher = torch.tensor([[2.0, 0.0]])
    assert float(soft_loss(teacher + 5, teacher, 3.0)) == pytest.approx(0, abs=1e-6)
    p = 1 / (1 + math.exp(-1))  # softmax of (2, 0) / 2
    divergence = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    assert float(soft_loss(torch.zeros(1, 2), teacher, 2.0)) == pytest.approx(4 * divergence, rel=1e-5)


@pytest.mark.parametrize("mode", ["mixup", "cutmix", "adversarial", "distil-soft", "distil-hard"])
def test_every_mode_is_deterministic_and_differs_from_plain(mode, small_images):
    images = small_images.train
    teacher = build("fcnet", width=16, seed=9).eval() if mode.startswith("distil") else None

    def weights(mode: Any, teacher: nn.Module | None) -> str:
        recipe = Recipe(epochs=1, learning_rate=0.05, batch_size=64, mode=mode)
        model = build("fcnet", width=16)
        batches = DeviceBatches.of(images, recipe, Seeds(), torch.device("cpu"))
        (checkpoint,) = train(model, batches, recipe, Seeds(), objective=make_objective(recipe, images, teacher))
        return digest(checkpoint.tensors)

    assert weights(mode, teacher) == weights(mode, teacher) != weights("plain", None)


def test_only_distillation_has_a_teacher(small_images):
    with pytest.raises(InputError, match="needs a teacher"):
        make_objective(Recipe(epochs=1, learning_rate=0.1, mode="distil-soft"), small_images.train)
    with pytest.raises(InputError, match="learns from no teacher"):
        make_objective(Recipe(epochs=1, learning_rate=0.1), small_images.train, nn.Identity())


class Watched(nn.Module):
    """A linear network that records whether it is called under autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.autocast = nn.Linear(192, 10), set()

    def forward(self, images: Tensor) -> Tensor:
        self.autocast.add(torch.is_autocast_enabled("cpu"))
        return self.linear(images.flatten(1))


@pytest.mark.parametrize("mode", ["adversarial", "distil-soft", "distil-hard"])
def test_attack_and_teacher_are_under_the_recipes_autocast_on_cuda_alone(mode, small_images, monkeypatch):
    recipe = Recipe(epochs=1, learning_rate=0.1, mode=mode, precision="bf16")
    images, labels = torch.zeros(2, 3, 8, 8), torch.tensor([0, 1])

    def prepared() -> tuple[set[bool], Tensor]:
        torch.manual_seed(0)
        network = Watched()
        objective = make_objective(recipe, small_images.train, None if mode == "adversarial" else network)
        inputs, targets = objective.prepare(network, images, labels, np.random.default_rng(0))
        return network.autocast, inputs if mode == "adversarial" else targets

    on_cpu, result = prepared()
    assert on_cpu == {False}
    enabled = []

    def as_on_cuda(device, precision):
        enabled.append((device.type, precision))
        return torch.autocast("cpu", torch.bfloat16)

    monkeypatch.setattr(objectives, "_autocast", as_on_cuda)
    under_autocast, rounded = prepared()
    assert under_autocast == {True}
    assert set(enabled) == {("cpu", "bf16")}
    assert rounded.dtype == result.dtype  # float32, or labels


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_autocast_is_enabled_for_bf16_on_cuda(device, precision, monkeypatch):
    class Recorded(torch.autocast):
        def __init__(self, *arguments, enabled) -> None:
            created.append((*arguments, enabled))

    created: list[tuple] = []
    monkeypatch.setattr(torch, "autocast", Recorded)
    objectives._autocast(torch.device(device), precision)
    assert created == [(device, torch.bfloat16, device == "cuda" and precision == "bf16")]


def ascended_one_by_one(model: nn.Module, radius: float) -> list[Tensor]:
    """The weights of the ascent, each parameter by itself."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    scale = radius / (nn.utils.get_total_norm(gradients) + 1e-12)
    return [p.detach() + p.grad * scale for p in model.parameters() if p.grad is not None]


class Counting(TorchDispatchMode):
    """Counts the operations within the block."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func not in (torch.ops.aten.empty_like.default, torch.ops.aten.detach.default)
        return func(*args, **(kwargs or {}))


def test_the_ascent_takes_all_parameters_at_once_and_is_bitwise_that_of_each_alone():
    model = build("resnet18", width=2).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    F.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    before = [p.detach().clone() for p in model.parameters()]
    expected = ascended_one_by_one(model, 0.05)
    with Counting() as operations, sam_ascent(model, 0.05):
        assert operations.count < 12 < len(before)
        assert all(torch.equal(p, weight) for p, weight in zip(model.parameters(), expected, strict=True))
        operations.count = 0
    assert operations.count == 1
    assert all(torch.equal(p, weight) for p, weight in zip(model.parameters(), before, strict=True))
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in model.parameters() if p.dim() == 4)
