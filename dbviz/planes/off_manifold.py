"""Planes away from the images: through noise, through shuffled images, and around one image.

Somepalli et al. 2022, section 3, ask where networks disagree most: near the data or far from it.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.core.streams import numpy_stream
from dbviz.data import ImageSet
from dbviz.planes.plane import Plane
from dbviz.planes.plane_set import NO_IMAGE, PlaneSet
from dbviz.planes.triplets import draw_triplets
from dbviz.training.evaluation import eval_mode

__all__ = ["adversarial_direction", "draw_noise_planes", "draw_planes_around", "draw_shuffled_planes"]


def draw_noise_planes(images: ImageSet, count: int, *, seed: int = 0) -> PlaneSet:
    """Planes through three images of uniform noise in [0, 1], normalised like `images`.

    Raises:
        InputError: fewer than one plane is requested.

    Example:
        >>> from dbviz.data import shapes
        >>> draw_noise_planes(shapes(30, split="test"), 2)
        PlaneSet(2 planes of shapes test noise)
    """
    _check_count(count)
    rng = numpy_stream(seed, "noise planes")
    corners = (rng.random((3, *images.image_shape), dtype=np.float32) for _ in range(count))
    planes = tuple(Plane.through(*_normalized(images, pixels)) for pixels in corners)
    return _plane_set(images, planes, "noise", np.full((count, 3), NO_IMAGE))


def draw_shuffled_planes(images: ImageSet, count: int, *, seed: int = 0) -> PlaneSet:
    """Planes through triplets of three classes whose pixels are permuted, with a permutation for each image.

    A pixel keeps its colour: the channels move together. The triplets are those of `draw_planes` for the seed.

    Raises:
        InputError: fewer than one plane is requested, or there are fewer than three classes.

    Example:
        >>> from dbviz.data import shapes
        >>> draw_shuffled_planes(shapes(30, split="test"), 2)
        PlaneSet(2 planes through triplets of shapes test shuffled)
    """
    triplets = draw_triplets(images, count, seed=seed)
    rng = numpy_stream(seed, "shuffled planes")
    planes = []
    for triplet in triplets:
        flat = images.normalized(triplet).flatten(2)
        shuffled = [image[:, torch.from_numpy(rng.permutation(image.shape[1]))] for image in flat]
        planes.append(Plane.through(*(image.view(images.image_shape) for image in shuffled)))
    return _plane_set(images, tuple(planes), "shuffled", triplets)


def draw_planes_around(
    images: ImageSet,
    count: int,
    *,
    seed: int = 0,
    radius: float = 10.0,
    direction: Callable[[Float32[Tensor, "c h w"], int], Float32[Tensor, "c h w"]] | None = None,
) -> PlaneSet:
    """Planes through one image and two directions of length `radius` from it.

    Both directions are random, uniform on the sphere, unless `direction` is given.

    Args:
        radius: in normalised pixel space.
        direction: returns the first direction for a normalised image and its label, such as `adversarial_direction`
            of a model.

    Raises:
        InputError: fewer than one plane is requested, the radius is not above 0, or a direction is zero.

    Example:
        >>> from dbviz.data import shapes
        >>> planes = draw_planes_around(shapes(30, split="test"), 2, radius=5.0)
        >>> [round(float(plane.anchors[1, 0]), 3) for plane in planes]
        [5.0, 5.0]
    """
    _check_count(count)
    if radius <= 0:
        raise InputError(f"radius is {radius}: it must be above 0, in normalised pixels")
    rng = numpy_stream(seed, "planes around")
    planes, triplets = [], np.full((count, 3), NO_IMAGE)
    for plane in range(count):
        index = int(rng.integers(len(images)))
        (image,) = images.normalized([index])
        drawn = [torch.from_numpy(rng.standard_normal(images.image_shape, np.float32)) for _ in range(2)]
        if direction is not None:
            drawn[0] = direction(image, int(images.labels[index])).cpu()
        planes.append(Plane.through(image, *(image + radius * step / step.norm() for step in drawn)))
        triplets[plane, 0] = index
    return _plane_set(images, tuple(planes), "around", triplets)


def adversarial_direction(
    model: Callable[[Tensor], Tensor],
) -> Callable[[Float32[Tensor, "c h w"], int], Float32[Tensor, "c h w"]]:
    """The direction in which a model's loss on an image rises fastest: the gradient with respect to the image.

    Returns:
        A function of a normalised image and its label, for `draw_planes_around`, computed on the device of the
        model's parameters. It raises `InputError` where the gradient is zero.

    Example:
        >>> from dbviz.data import shapes
        >>> model = lambda x: x.mean((2, 3))  # classes are the colours red, green and blue
        >>> direction = adversarial_direction(model)
        >>> image = shapes(30, split="test").normalized([0])[0]
        >>> direction(image, 0).mean((1, 2)).sign().tolist()  # less red
        [-1.0, 1.0, 1.0]
    """

    def direction(image: Float32[Tensor, "c h w"], label: int) -> Float32[Tensor, "c h w"]:
        with eval_mode(model), torch.inference_mode(mode=False), torch.enable_grad():
            parameter = next(model.parameters(), image) if isinstance(model, nn.Module) else image
            leaf = image[None].to(parameter.device, copy=True).requires_grad_(True)
            F.cross_entropy(model(leaf), torch.tensor([label], device=leaf.device)).backward()
        if leaf.grad is None or not leaf.grad.any():
            raise InputError("the model's loss has no gradient at an image: no adversarial direction there")
        return leaf.grad[0]

    return direction


def _plane_set(
    images: ImageSet, planes: tuple[Plane, ...], kind: str, triplets: Int64[np.ndarray, "plane 3"]
) -> PlaneSet:
    labels = np.where(triplets == NO_IMAGE, NO_IMAGE, images.labels[triplets])
    return PlaneSet(planes, triplets, labels, images.name, f"{images.split} {kind}", images.class_names)


def _normalized(images: ImageSet, pixels: Float32[np.ndarray, "3 c h w"]) -> Float32[Tensor, "3 c h w"]:
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (images.mean, images.std))
    return (torch.from_numpy(pixels) - mean) / std


def _check_count(count: int) -> None:
    if count < 1:
        raise InputError(f"{count} planes requested: request at least 1")
