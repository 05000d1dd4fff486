"""The objective of a training step: how each mode modifies the batch, and its loss.

Modes: plain cross-entropy, mixup (Zhang et al. 2018), CutMix (Yun et al. 2019), adversarial training by projected
gradient descent (Madry et al. 2018), distillation from a teacher (Hinton et al. 2015).

Axes: b images, c channels, h rows, w columns, k classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.data import ImageSet
from dbviz.spec import Precision, Recipe

__all__ = [
    "Attack",
    "Objective",
    "cutmix",
    "make_objective",
    "mixup",
    "plain_objective",
    "soft_loss",
]

Mixed = tuple[Float32[Tensor, "b c h w"], Float32[Tensor, "b k"]]


def mixup(
    images: Float32[Tensor, "b c h w"], labels: Int64[Tensor, " b"], classes: int, rng: np.random.Generator
) -> Mixed:
    """l x + (1 - l) x', and the same for the one-hot labels; one l ~ Beta(1, 1) per batch, x' the batch shuffled.

    Args:
        classes: number of classes.

    Example:
        >>> images, labels = torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])
        >>> mixed, targets = mixup(images, labels, 10, np.random.default_rng(0))
        >>> targets.sum(1).tolist()
        [1.0, 1.0]
    """
    weight, order = float(rng.beta(1.0, 1.0)), _order(len(images), rng, images.device)
    targets = F.one_hot(labels, classes).float()
    return weight * images + (1 - weight) * images[order], weight * targets + (1 - weight) * targets[order]


def cutmix(
    images: Float32[Tensor, "b c h w"], labels: Int64[Tensor, " b"], classes: int, rng: np.random.Generator
) -> Mixed:
    """A rectangle of each image is replaced by that of another; labels are mixed by the remaining area.

    The rectangle has the image's proportions and, before it is clipped at the border, the fraction 1 - l of its area,
    l ~ Beta(1, 1); its centre is uniform. One rectangle per batch, as published.

    Args:
        classes: number of classes.

    Example:
        >>> images, labels = torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])
        >>> mixed, targets = cutmix(images, labels, 10, np.random.default_rng(0))
        >>> targets.sum(1).tolist()
        [1.0, 1.0]
    """
    weight, order = float(rng.beta(1.0, 1.0)), _order(len(images), rng, images.device)
    h, w = images.shape[2:]
    side = np.sqrt(1 - weight)
    row, column = int(rng.integers(h)), int(rng.integers(w))
    top, bottom = (int(np.clip(row + sign * int(h * side) // 2, 0, h)) for sign in (-1, 1))
    left, right = (int(np.clip(column + sign * int(w * side) // 2, 0, w)) for sign in (-1, 1))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    remaining = 1 - (bottom - top) * (right - left) / (h * w)
    targets = F.one_hot(labels, classes).float()
    return mixed, remaining * targets + (1 - remaining) * targets[order]


def _order(count: int, rng: np.random.Generator, device: torch.device) -> Int64[Tensor, " b"]:
    return torch.from_numpy(rng.permutation(count)).to(device)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Projected gradient descent in the L-infinity ball, in pixel units, for images normalised by `mean` and `std`.

    Example:
        >>> attack = Attack(mean=(0.5,), std=(0.25,), steps=1)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> attacked = attack(model, torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), np.random.default_rng(0))
        >>> bool(attacked.abs().max() * 0.25 <= 8 / 255 + 1e-6)
        True
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    radius: float = 8 / 255
    step: float = 2 / 255
    steps: int = 10
    precision: Precision = "fp32"
    """Of the forward passes on CUDA."""

    def __call__(
        self,
        model: nn.Module,
        images: Float32[Tensor, "b c h w"],
        labels: Int64[Tensor, " b"],
        rng: np.random.Generator,
    ) -> Float32[Tensor, "b c h w"]:
        """The attacked images: from a uniform start in the box, `steps` steps along the sign of the gradient.

        Each step is projected to the box and to pixel values in [0, 1]. The model is attacked in evaluation mode, and
        is in training mode afterwards.
        """
        mean, std = (torch.tensor(v, device=images.device).view(1, -1, 1, 1) for v in (self.mean, self.std))
        low = torch.maximum(images - self.radius / std, (0 - mean) / std)
        high = torch.minimum(images + self.radius / std, (1 - mean) / std)
        start = torch.from_numpy(2 * rng.random(tuple(images.shape), dtype=np.float32) - 1).to(images.device)
        attacked = torch.clamp(images + start * self.radius / std, low, high)
        model.eval()
        for _ in range(self.steps):
            attacked.requires_grad_(True)
            with _autocast(images.device, self.precision):
                logits = model(attacked)
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits.float(), labels), attacked)
            attacked = torch.clamp(attacked.detach() + gradient.sign() * self.step / std, low, high)
        model.train()
        return attacked.detach()


def soft_loss(
    logits: Float32[Tensor, "b k"], teacher_logits: Float32[Tensor, "b k"], temperature: float
) -> Float32[Tensor, ""]:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over images (Hinton et al. 2015).

    The factor makes the scale of the gradient independent of the temperature.

    Example:
        >>> soft_loss(torch.ones(2, 3), torch.ones(2, 3), temperature=30.0).item()
        0.0
    """
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


Prepared = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Objective:
    """One mode of training."""

    prepare: Callable[[nn.Module, Tensor, Tensor, np.random.Generator], Prepared]
    """The inputs and targets of a step, from the model, a batch (b, c, h, w), its labels (b,) and a generator."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """The loss, from logits (b, k) and targets."""


def make_objective(recipe: Recipe, images: ImageSet, teacher: nn.Module | None = None) -> Objective:
    """The objective of a recipe's mode.

    Args:
        images: the training images; their number of classes, mean and standard deviation are used.
        teacher: the teacher of a distillation, in evaluation mode.

    Raises:
        InputError: a distillation has no teacher, or another mode has one.

    Example:
        >>> from dbviz.data import shapes
        >>> objective = make_objective(Recipe(epochs=1, learning_rate=0.1, mode="mixup"), shapes(20))
        >>> images, labels = torch.zeros(2, 3, 32, 32), torch.tensor([0, 1])
        >>> objective.prepare(nn.Flatten(), images, labels, np.random.default_rng(0))[1].shape
        torch.Size([2, 10])
    """
    distils = recipe.mode in ("distil-soft", "distil-hard")
    if distils != (teacher is not None):
        problem = "needs a teacher" if distils else "learns from no teacher, but one is given"
        raise InputError(f"mode {recipe.mode} {problem}: a teacher goes with the modes distil-soft and distil-hard")
    plain = plain_objective(recipe)
    if recipe.mode in ("mixup", "cutmix"):
        mix = partial({"mixup": mixup, "cutmix": cutmix}[recipe.mode], classes=len(images.class_names))
        return Objective(lambda _, x, y, rng: mix(x, y, rng=rng), plain.loss)
    if recipe.mode == "adversarial":
        attack = Attack(mean=images.mean, std=images.std, precision=recipe.precision)
        return Objective(lambda model, x, y, rng: (attack(model, x, y, rng), y), plain.loss)
    if teacher is None:
        return plain
    taught = partial(_outputs, teacher, precision=recipe.precision)
    if recipe.mode == "distil-soft":
        return Objective(lambda _, x, __, ___: (x, taught(x)), partial(soft_loss, temperature=recipe.temperature))
    return Objective(lambda _, x, __, ___: (x, taught(x).argmax(1)), plain.loss)


def plain_objective(recipe: Recipe) -> Objective:
    """Cross-entropy of the unmodified images, with the recipe's label smoothing."""
    return Objective(lambda _, x, y, __: (x, y), partial(F.cross_entropy, label_smoothing=recipe.label_smoothing))


def _outputs(teacher: nn.Module, images: Tensor, *, precision: Precision) -> Tensor:
    with torch.no_grad(), _autocast(images.device, precision):
        return teacher(images).float()


def _autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The recipe's autocast on CUDA only, where it saves time.

    A CPU keeps fp32: with bf16 it would give an existing spec other weights than those that are stored.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and device.type == "cuda")
