"""The baselines, as published code does it: a Dataset of single points or images, worker processes, fp32, eager.

They are not slowed down on purpose: two worker processes as is common, and logits leave the device a batch at a time.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from dbviz.data import ImageSet
from dbviz.planes import Plane
from dbviz.spec import Recipe

__all__ = ["AugmentedImages", "PointByPoint", "baseline_labels", "baseline_training"]

_BATCH, _WORKERS = 256, 2


class PointByPoint(Dataset):
    """The points of a plane as images, each computed on the CPU when it is indexed."""

    def __init__(self, plane: Plane, resolution: int, padding: float) -> None:
        self.plane = plane
        self.a, self.b = plane.axes(resolution, padding)

    def __len__(self) -> int:
        return len(self.a) * len(self.b)

    def __getitem__(self, index: int) -> Tensor:
        row, column = divmod(index, len(self.a))
        return self.plane.origin + float(self.a[column]) * self.plane.u + float(self.b[row]) * self.plane.v


def baseline_labels(
    model: nn.Module, planes: Sequence[Plane], resolution: int, padding: float, points: int, device: torch.device
) -> list[int]:
    """The labels of the first `points` points of each plane, row by row."""
    labels: list[int] = []
    with torch.no_grad():
        for plane in planes:
            chosen = Subset(PointByPoint(plane, resolution, padding), range(min(points, resolution**2)))
            for batch in DataLoader(chosen, batch_size=_BATCH, num_workers=_WORKERS):
                for row in model(batch.to(device)).cpu():
                    labels.append(int(row.argmax()))
    return labels


class AugmentedImages(Dataset):
    """Training images cropped, mirrored and normalised one at a time by torchvision's transforms."""

    def __init__(self, images: ImageSet) -> None:
        from torchvision import transforms

        self.images = images
        side = images.image_shape[1]
        self.transform: Any = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomCrop(side, padding=side // 8),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(images.mean, images.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = np.ascontiguousarray(self.images.pixels[index].transpose(1, 2, 0))
        return self.transform(pixels), int(self.images.labels[index])


def baseline_training(model: nn.Module, images: ImageSet, recipe: Recipe, device: torch.device) -> int:
    """Trains one epoch by SGD in fp32, reading the loss after each step; returns the number of images."""
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    loader = DataLoader(
        AugmentedImages(images),
        batch_size=recipe.batch_size,
        shuffle=True,
        num_workers=_WORKERS,
        pin_memory=device.type == "cuda",
    )
    model.train()
    losses = []
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return len(images)
