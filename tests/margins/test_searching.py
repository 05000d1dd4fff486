"""Searches with a fast form and with skips find what plain fp32 finds at every distance."""

from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dbviz.data import ImageSet
from dbviz.label_maps import calibration
from dbviz.label_maps.batches import BatchSizes
from dbviz.label_maps.predictor import FastForm, ImageForm, plain_predictor
from dbviz.margins import measure_margins, measuring, pilot
from dbviz.margins.half_lines import HalfLines
from dbviz.margins.searching import Visits, search
from dbviz.models import build

CPU = torch.device("cpu")
GRID = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


@pytest.fixture
def images(small_images) -> ImageSet:
    return small_images.test


@pytest.fixture
def always_fast(monkeypatch):
    """Makes a bf16 form good enough, whatever the times measured."""
    jaxtyping.config.update("jaxtyping_disable", True)  # the proxies of torch.fx are not tensors to it
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", np.inf)
    monkeypatch.setattr(calibration, "_GOOD_RELATIVE_TIME", np.inf)
    monkeypatch.setattr(calibration, "default_precision", lambda _: "bf16")
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def recorded(monkeypatch) -> list:
    """The methods that are chosen from now on."""
    methods = []
    original = measuring.chosen_method

    def choose(*args, **options):
        methods.append(original(*args, **options))
        return methods[-1]

    monkeypatch.setattr(measuring, "chosen_method", choose)
    return methods


@pytest.mark.usefixtures("always_fast")
@pytest.mark.parametrize(("arch", "width"), [("resnet18", 2), ("fcnet", 16), ("vgg19", 2), ("mlp", 8)])
def test_margins_of_the_fast_form_are_bitwise_those_of_plain_fp32(images, arch, width, monkeypatch):
    network = build(arch, width=width)
    methods = recorded(monkeypatch)
    options = {"indices": range(32), "directions": 8, "device": "cpu"}
    fast = measure_margins(network, images, **options)
    assert methods[0].predictor.how.startswith("bf16")
    assert np.isfinite(methods[0].steepest).all()
    monkeypatch.setattr(pilot, "_LEAST_LINES", np.inf)
    plain = measure_margins(network, images, **options)
    assert methods[1].predictor.how == "plain"
    assert np.array_equal(fast.margin, plain.margin)
    assert np.array_equal(fast.crossed, plain.crossed)
    assert np.array_equal(fast.predicted, plain.predicted)


@pytest.mark.usefixtures("always_fast")
def test_margins_are_those_of_plain_fp32_where_the_fast_form_exceeds_its_bound(images, monkeypatch):
    network = build("fcnet", width=16).eval()
    options = {"indices": range(32), "directions": 8, "device": "cpu"}
    expected = measure_margins(network, images, **options)
    original = measuring.search

    def unreliable(predictor, *args, **settings):
        searched = original(predictor, *args, **settings)
        if predictor.fast is None:
            return searched
        return replace(searched, error=2 * predictor.fast.error_bound, predicted=searched.predicted + 1)

    monkeypatch.setattr(measuring, "search", unreliable)
    assert np.array_equal(measure_margins(network, images, **options).predicted, expected.predicted)


def test_an_error_of_the_fast_form_is_noticed_where_it_is_uncertain():
    network = Line(lambda at: 4.5 - at)
    wrong = FastForm(
        ImageForm(lambda x: network(x) + torch.tensor([0.3, 0.0]), CPU, BatchSizes(8)), "bf16", torch.zeros(2), 0.5
    )
    predictor = replace(plain_predictor("net", network, CPU), fast=wrong)
    starts, steps = torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 3, 1, 1)
    steps[..., 0, 0, 0] = 1
    searched = search(predictor, HalfLines(starts, steps), GRID, 0.01)
    assert searched.changes.distance.tolist() == pytest.approx([4.5], abs=0.005)
    assert searched.error == pytest.approx(0.3, abs=1e-5)


def test_a_function_and_few_half_lines_are_searched_at_every_distance(images, monkeypatch):
    methods = recorded(monkeypatch)
    measure_margins(lambda x: x.mean((2, 3)), images, indices=range(32), directions=8)
    measure_margins(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)), images, indices=[0], directions=8)
    assert [method.steepest for method in methods] == [np.inf, np.inf]


class Line(nn.Module):
    """Two logits that are a function of the first pixel; records where it is evaluated."""

    def __init__(self, lead) -> None:
        super().__init__()
        self.lead, self.seen = lead, []

    def forward(self, x: Tensor) -> Tensor:
        at = x[:, 0, 0, 0]
        self.seen.append(at[at > 0].tolist())
        return torch.stack([self.lead(at), torch.zeros_like(at)], 1)


def along_one_line(lead, **options):
    starts, steps = torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 3, 1, 1)
    steps[..., 0, 0, 0] = 1
    network = Line(lead)
    searched = search(plain_predictor("net", network, CPU), HalfLines(starts, steps), GRID, 2.0, **options)
    return [at for part in network.seen for at in part], searched


def test_distances_that_the_lead_cannot_have_used_up_are_skipped():
    seen, searched = along_one_line(lambda at: 4.5 - at, steepest=np.full(6, 1.25))
    assert seen == [4.0, 5.0]
    assert searched.changes.distance.tolist() == [4.5]
    seen, _ = along_one_line(lambda at: 4.5 - at, steepest=np.full(6, 2.0))
    assert seen == [3.0, 4.0, 5.0]
    seen, _ = along_one_line(lambda at: 4.5 - at)
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_the_steepness_before_a_distance_counts():
    seen, _ = along_one_line(lambda at: 4.5 - at, steepest=np.array([1.0, 1.0, 4.0, 4.0, 4.0, 4.0]))
    assert seen == [3.0, 4.0, 5.0]


def test_a_change_beyond_a_skip_sends_the_march_back():
    seen, searched = along_one_line(lambda at: 2.5 - at, steepest=np.full(6, 0.5))
    assert seen == [6.0, 1.0, 2.0, 3.0]
    assert searched.changes.distance.tolist() == [2.5]
    assert searched.changes.crossed.tolist() == [True]


def test_the_points_of_a_search_and_their_leads_are_recorded():
    _, searched = along_one_line(lambda at: 4.5 - at)
    visits = searched.visits
    assert visits.distances.tolist() == [0, 1, 2, 3, 4, 5]
    assert visits.leads.tolist() == [4.5, 3.5, 2.5, 1.5, 0.5, -0.5]
    assert pilot.steepest_lead(Visits(visits.lines, visits.distances, visits.leads), GRID).tolist() == [1.0] * 6
