"""Distillation (Hinton et al. 2015): a network trained on what another one, the teacher, says of each image."""

import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

__all__ = ["soft_loss"]


def soft_loss(
    logits: Float32[Tensor, "b k"], teacher_logits: Float32[Tensor, "b k"], temperature: float
) -> Float32[Tensor, ""]:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over images.

    The factor keeps the gradient's size equal at every temperature.
    """
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
