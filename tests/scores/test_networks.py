"""Networks in label maps: distinguished by their specs, and by their names where there are none."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr
from helpers import maps_of, spec

from dbviz import scores
from dbviz.scores import (
    fragmentation,
    instability_floor,
    networks,
    nudged_mask,
    reproducibility_matrix,
    runs_by_network,
    summarise,
)
from dbviz.spec import RunSpec, Seeds

RNG = np.random.default_rng(0)


def random_maps(specs: list[RunSpec], planes: int = 4) -> xr.Dataset:
    return maps_of(specs, RNG.integers(0, 3, (len(specs), planes, 5, 5)).astype(np.uint8))


def test_runs_of_two_optimizers_are_two_networks():
    maps = random_maps([spec("sgd", 0), spec("sam", 0), spec("sgd", 1), spec("sam", 1)])
    assert networks(maps) == ["vit sgd", "vit sam", "vit sgd", "vit sam"]
    assert {name: runs.tolist() for name, runs in runs_by_network(maps).items()} == {
        "vit sgd": [0, 2],
        "vit sam": [1, 3],
    }
    assert set(reproducibility_matrix(maps)) == {(a, b) for a in runs_by_network(maps) for b in runs_by_network(maps)}


def test_selecting_runs_of_one_optimizer_leaves_the_architecture_as_their_name():
    maps = random_maps([spec("sgd", 0), spec("sam", 0), spec("sgd", 1)])
    assert networks(maps.isel(model=[0, 2])) == ["vit", "vit"]
    assert networks(maps.isel(model=0)) == ["vit"]


def test_a_model_without_a_spec_goes_by_its_name():
    maps = random_maps([spec("sgd", 0), spec("sgd", 1)])
    maps = maps.assign_coords(arch=("model", ["mine", "vit"])).assign_attrs(
        specs=json.dumps({str(maps.model.values[1]): spec("sgd", 1).to_dict()})
    )
    assert networks(maps) == ["mine", "vit"]


def nudged_pairs() -> xr.Dataset:
    """Two runs that differ everywhere, and the same runs nudged, on three planes of 2 x 5 points."""
    labels = np.zeros((4, 3, 2, 5), np.uint8)
    labels[1] = 9
    labels[1, 0, 0, 0] = 0  # but for one point of thirty
    labels[2, :, 0, 0] = 1  # run 0 nudged differs from it in one point of ten
    labels[3] = labels[1]
    labels[3, :, :, :2] = 1  # run 1 nudged in four
    return maps_of([spec(seed=0), spec(seed=1), spec(seed=0, nudge=0), spec(seed=1, nudge=0)], labels)


def test_the_floor_is_the_disagreement_of_nudged_pairs_and_of_nothing_else():
    maps = nudged_pairs()
    assert nudged_mask(maps).tolist() == [False, False, True, True]
    floor = instability_floor(maps)["vit"]
    assert floor.value == pytest.approx((0.1 + 0.4) / 2)
    assert (floor.runs, floor.items, floor.item) == ((2,), 3, "planes")
    assert 0 <= floor.low < floor.value < floor.high <= 1


def test_a_seed_with_the_same_first_digit_is_no_pair():
    labels = np.zeros((4, 2, 2, 5), np.uint8)
    labels[1] = 9
    labels[3] = 9
    maps = maps_of([spec(seed=1), spec(seed=10), spec(seed=1, nudge=0), spec(seed=10, nudge=0)], labels)
    assert instability_floor(maps)["vit"].value == 0


def test_a_run_under_other_label_noise_is_matched_by_its_seeds_too():
    labels = np.zeros((2, 2, 2, 5), np.uint8)
    labels[1, :, 0] = 1
    noisy = dataclasses.replace(spec(), seeds=Seeds(noise=1))
    nudged = dataclasses.replace(noisy, seeds=Seeds(noise=1, nudge=0))
    maps = maps_of([noisy, nudged], labels)
    assert [str(seed) for seed in maps.seed.values] == ["0-noise1", "0-nudge0-noise1"]
    assert instability_floor(maps)["vit"].value == 0.5


def test_the_floor_is_accompanied_by_the_disagreement_of_seeds_on_the_same_points():
    maps = nudged_pairs()
    scores = summarise(maps).scores
    assert scores["instability floor (disagreement)"]["vit"] == instability_floor(maps)["vit"]
    seeds, agreed = scores["disagreement between seeds"]["vit"], scores["reproducibility"]["vit"]
    assert seeds.value == pytest.approx(29 / 30)
    assert (seeds.low, seeds.high) == (1 - agreed.high, 1 - agreed.low)
    # of 2 x 5 points the triangle holds the first row and the first point of the second
    inside = summarise(maps, inside=True).scores
    assert inside["instability floor (disagreement)"]["vit"].value == pytest.approx((1 / 6 + 3 / 6) / 2)
    assert inside["disagreement between seeds"]["vit"].value == pytest.approx(17 / 18)


def test_nudged_runs_count_for_the_floor_alone():
    specs = [spec(seed=0), spec(seed=1), spec(seed=0, nudge=0), spec(seed=1, nudge=0)]
    maps = random_maps(specs)
    summary, plain = summarise(maps), summarise(maps.isel(model=[0, 1]))
    assert {pair: str(e) for pair, e in summary.matrix.items()} == {pair: str(e) for pair, e in plain.matrix.items()}
    assert set(summary.scores) - set(plain.scores) == {"instability floor (disagreement)", "disagreement between seeds"}
    assert summary.scores["fragments of a plane"] == fragmentation(maps.isel(model=[0, 1]))


@pytest.mark.parametrize(("old", "new"), [("groups", "runs_by_network"), ("nudged", "nudged_mask")])
def test_old_names_work_with_a_warning(old, new):
    with pytest.warns(FutureWarning, match=f"dbviz.scores.{old} is now dbviz.scores.{new}"):
        assert getattr(scores, old) is getattr(scores, new)


def test_a_summary_is_extended_under_its_old_name_with_a_warning():
    summary = summarise(random_maps([spec("sgd", 0), spec("sgd", 1)]))
    with pytest.warns(FutureWarning, match=r"Summary\.extended is now Summary\.with_scores"):
        extended = summary.extended({"more": summary.scores["reproducibility"]})
    assert extended == summary.with_scores({"more": summary.scores["reproducibility"]})
    assert repr(extended).endswith("fragments of a plane, more)")
    assert repr(extended).startswith("Summary(1 network: vit; scores: reproducibility, ")
