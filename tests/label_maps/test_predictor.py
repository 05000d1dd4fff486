"""Labels are those of plain fp32 wherever the fast form errs, and what goes wrong is found and named."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.label_maps.predictor import FastForm, Predictor, errors, label, logit_gap, plain_predictor

CPU = torch.device("cpu")


def plain(images: Tensor) -> Tensor:
    """Three logits: the first three values of an image."""
    return images.flatten(1)[:, :3].clone()


def wrong_by(*errors: float):
    """`plain` with an error added to each logit."""
    return lambda images: plain(images) + torch.tensor(errors)


def some(count: int = 500) -> Tensor:
    return torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(0))


def predictor(forward, reach: float, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Predictor:
    return Predictor("net", plain, CPU, 64, FastForm(forward, "fast", torch.tensor(offset), reach))


def test_where_the_fast_form_is_not_sure_plain_fp32_decides():
    images = some()
    fast = wrong_by(0.3, -0.2, 0.1)
    assert (fast(images).argmax(1) != plain(images).argmax(1)).any()
    found = label(predictor(fast, reach=0.5), images)
    assert torch.equal(found.logits.argmax(1), plain(images).argmax(1))
    assert 0 < len(found.reevaluated) < len(images)
    assert torch.equal(found.logits[found.reevaluated], plain(images)[found.reevaluated])
    rest = torch.ones(len(images), dtype=torch.bool).index_fill(0, found.reevaluated, False)
    assert torch.equal(found.logits[rest], fast(images)[rest])
    assert bool((logit_gap(fast(images))[rest] > 0.5).all())


def test_an_error_that_is_the_same_everywhere_is_taken_back():
    images = some()
    found = label(predictor(wrong_by(0.3, -0.2, 0.1), reach=1e-5, offset=(-0.3, 0.2, -0.1)), images)
    assert torch.equal(found.logits.argmax(1), plain(images).argmax(1))
    assert len(found.reevaluated) < 5


def test_the_largest_error_of_a_second_evaluation_is_told():
    images = torch.tensor([[1.0, 0.9, 0.0], [5.0, 0.0, 0.0]])[..., None, None]
    found = label(predictor(wrong_by(0.25, -0.5, 0.0), reach=2.0), images)
    assert found.reevaluated.tolist() == [0]
    assert found.error == pytest.approx(0.75)
    assert label(predictor(wrong_by(9.0, 0.0, 0.0), reach=2.0), images[1:]).error == 0


def test_lead_and_errors_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 0.0, -1.0]])
    assert logit_gap(logits).tolist() == [0.5, 0.0]
    assert errors(logits, torch.tensor([[2.0, 1.0, 2.0], [0.0, 1.0, 5.0]])).tolist() == [0.5, 1.0]
    assert logit_gap(logits[:, :1]).tolist() == [torch.inf, torch.inf]
    assert errors(logits[:, :1], logits[:, :1] + 1).tolist() == [0, 0]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_logits_of_the_fast_form_that_are_not_finite_are_asked_again(bad):
    images = some(100)
    broken = lambda x: torch.where(x[:, :1, 0, 0] > 1, torch.tensor([0.0, 9.0, bad]), plain(x))  # noqa: E731
    found = label(predictor(broken, reach=0.0), images)
    assert torch.equal(found.logits.argmax(1), plain(images).argmax(1))
    worse = replace(predictor(broken, reach=0.0), plain=broken)
    share = float((images[:, 0, 0, 0] > 1).float().mean())
    with pytest.raises(InputError, match=rf"net gives logits that are not finite at {share:.1%} of 100 points"):
        label(worse, images)


def test_every_batch_of_the_fast_form_has_one_size():
    sizes: list[int] = []

    def fast(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return plain(images)

    assert len(label(predictor(fast, reach=0.0), some(150)).logits) == 150
    assert sizes == [64, 64, 64]


class Counting(nn.Module):
    """A network that notes how many images it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.sizes = nn.Linear(3, 3), []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return self.head(x.flatten(1))


def test_a_network_is_given_no_batch_so_small_that_it_computes_otherwise():
    network = Counting()
    with torch.no_grad():
        label(plain_predictor("net", network, CPU, 64), some(65))
    assert network.sizes == [64, 32]


def test_a_function_is_given_the_points_and_no_others():
    sizes: list[int] = []

    def function(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return plain(x)

    label(plain_predictor("f", function, CPU, 64), some(65))
    assert sizes == [64, 1]
