"""Labels are those of plain fp32 wherever the fast form is wrong, and failures are noticed and named."""

from dataclasses import replace

import pytest
import torch
from helpers import points_of
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.label_maps.batches import BatchSizes
from dbviz.label_maps.predictor import FastForm, ImageForm, Labelled, Predictor, errors, logit_gap, plain_predictor
from dbviz.label_maps.predictor import label as label_points

CPU = torch.device("cpu")


def plain(images: Tensor) -> Tensor:
    """Three logits: the first three values of an image."""
    return images.flatten(1)[:, :3].clone()


def wrong_by(*errors: float):
    """`plain` with an error added to each logit."""
    return lambda images: plain(images) + torch.tensor(errors)


def label(predictor: Predictor, images: Tensor) -> Labelled:
    return label_points(predictor, points_of(images))


def random_images(count: int = 500) -> Tensor:
    return torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(0))


def predictor(forward, bound: float, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Predictor:
    form = ImageForm(forward, CPU, BatchSizes(64, least=64))
    return Predictor("net", plain, CPU, 64, BatchSizes(64), FastForm(form, "fast", torch.tensor(offset), bound))


def test_uncertain_points_are_reevaluated_in_plain_fp32():
    images = random_images()
    fast = wrong_by(0.3, -0.2, 0.1)
    assert (fast(images).argmax(1) != plain(images).argmax(1)).any()
    labelled = label(predictor(fast, bound=0.5), images)
    assert torch.equal(labelled.logits.argmax(1), plain(images).argmax(1))
    assert 0 < len(labelled.reevaluated) < len(images)
    assert torch.equal(labelled.logits[labelled.reevaluated], plain(images)[labelled.reevaluated])
    rest = torch.ones(len(images), dtype=torch.bool).index_fill(0, labelled.reevaluated, False)
    assert torch.equal(labelled.logits[rest], fast(images)[rest])
    assert bool((logit_gap(fast(images))[rest] > 0.5).all())


def test_a_constant_error_is_corrected():
    images = random_images()
    labelled = label(predictor(wrong_by(0.3, -0.2, 0.1), bound=1e-5, offset=(-0.3, 0.2, -0.1)), images)
    assert torch.equal(labelled.logits.argmax(1), plain(images).argmax(1))
    assert len(labelled.reevaluated) < 5


def test_the_largest_error_at_a_reevaluated_point_is_kept():
    images = torch.tensor([[1.0, 0.9, 0.0], [5.0, 0.0, 0.0]])[..., None, None]
    labelled = label(predictor(wrong_by(0.25, -0.5, 0.0), bound=2.0), images)
    assert labelled.reevaluated.tolist() == [0]
    assert labelled.error == pytest.approx(0.75)
    assert label(predictor(wrong_by(9.0, 0.0, 0.0), bound=2.0), images[1:]).error == 0


def test_logit_gap_and_errors_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 0.0, -1.0]])
    assert logit_gap(logits).tolist() == [0.5, 0.0]
    assert errors(logits, torch.tensor([[2.0, 1.0, 2.0], [0.0, 1.0, 5.0]])).tolist() == [0.5, 1.0]
    assert logit_gap(logits[:, :1]).tolist() == [torch.inf, torch.inf]
    assert errors(logits[:, :1], logits[:, :1] + 1).tolist() == [0, 0]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_points_where_the_fast_form_is_not_finite_are_reevaluated(bad):
    images = random_images(100)
    broken = lambda x: torch.where(x[:, :1, 0, 0] > 1, torch.tensor([0.0, 9.0, bad]), plain(x))  # noqa: E731
    labelled = label(predictor(broken, bound=0.0), images)
    assert torch.equal(labelled.logits.argmax(1), plain(images).argmax(1))
    worse = replace(predictor(broken, bound=0.0), plain=broken)
    share = float((images[:, 0, 0, 0] > 1).float().mean())
    with pytest.raises(InputError, match=rf"logits that are not finite at {share:.1%} of 100 points"):
        label(worse, images)


def test_every_batch_of_the_fast_form_has_one_size():
    sizes: list[int] = []

    def fast(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return plain(images)

    assert len(label(predictor(fast, bound=0.0), random_images(150)).logits) == 150
    assert sizes == [64, 64, 64]


class Counting(nn.Module):
    """A network that records the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.sizes = nn.Linear(3, 3), []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return self.head(x.flatten(1))


def test_small_batches_of_a_network_are_padded():
    network = Counting()
    with torch.no_grad():
        label(plain_predictor("net", network, CPU, 64), random_images(65))
    assert network.sizes == [64, 32]


def test_batches_of_a_function_are_not_padded():
    sizes: list[int] = []

    def function(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return plain(x)

    label(plain_predictor("f", function, CPU, 64), random_images(65))
    assert sizes == [64, 1]


def test_images_are_made_once_for_all_networks_and_only_where_they_are_needed():
    points = points_of(random_images(100))
    of_points = FastForm(lambda points: torch.eye(3)[points.numbers % 3], "fast", torch.zeros(3), 0.5)
    confident = Predictor("net", plain, CPU, 64, BatchSizes(64), of_points)
    assert len(label_points(confident, points).reevaluated) == 0
    assert "images" not in vars(points)
    unsure = replace(confident, fast=replace(of_points, error_bound=2.0))
    assert torch.equal(label_points(unsure, points).logits, plain(random_images(100)))
    assert "images" not in vars(points)
    label_points(replace(confident, fast=None), points)
    assert torch.equal(vars(points)["images"], random_images(100))
