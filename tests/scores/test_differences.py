"""Differences between networks: worked values, pairing, and intervals that hold the truth."""

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.label_maps import from_array
from dbviz.scores import difference, differences, fragmentation, reproducibility_matrix, summarise
from dbviz.scores.differences import DIFFERENCES


def maps_of(rng, easier: float = 0.0, runs: int = 3, planes: int = 20, classes: int = 10):
    """Two networks whose planes, and whose runs of the same seed, are easy or hard together.

    A point has class 0 with a probability p of the seed and plane, or any of the other classes.
    """
    p = 0.7 + 0.03 * rng.standard_normal((runs, 1)) + 0.1 * rng.standard_normal(planes)
    p = np.clip(np.concatenate([p + easier, p]), 0, 1)[:, :, None, None]
    shape = (2 * runs, planes, 10, 10)
    labels = np.where(rng.random(shape) < p, 0, rng.integers(1, classes, shape))
    return from_array(labels, networks=["a"] * runs + ["b"] * runs, seeds=[*range(runs)] * 2)


@pytest.mark.parametrize("score", [name for name in DIFFERENCES if name != "inside the triangle"])
def test_a_difference_is_that_of_the_two_scores_and_changes_its_sign_with_their_order(score):
    maps = maps_of(np.random.default_rng(0), 0.1)
    row = summarise(maps).scores[score]
    apart = difference(maps, score, "a", "b")
    assert apart.value == pytest.approx(row["a"].value - row["b"].value)
    back = difference(maps, score, "b", "a")
    assert (back.value, back.low, back.high) == pytest.approx((-apart.value, -apart.high, -apart.low))
    assert apart.runs == (3, 3)
    assert differences(maps, score) == {("a", "b"): apart}


def test_what_networks_have_in_common_is_no_uncertainty_of_their_difference():
    base = np.random.default_rng(0).integers(0, 5, (3, 8, 6, 6))
    maps = from_array(np.concatenate([base, base]), networks=["a"] * 3 + ["b"] * 3, seeds=[0, 1, 2] * 2)
    apart = difference(maps, "reproducibility", "a", "b")
    assert (apart.value, apart.low, apart.high) == (0, 0, 0)
    other_seeds = maps.assign_coords(seed=("model", [str(seed) for seed in range(6)]))
    assert difference(other_seeds, "reproducibility", "a", "b").half_width > 0


def test_fragments_differ_by_their_paired_values():
    maps = maps_of(np.random.default_rng(0))
    counts = fragmentation(maps)
    apart = difference(maps, "fragments of a plane", "a", "b")
    assert apart.value == pytest.approx(counts["a"].value - counts["b"].value)
    assert apart.half_width < counts["a"].half_width + counts["b"].half_width


def test_differences_of_two_runs_are_over_planes_only():
    assert difference(maps_of(np.random.default_rng(0), runs=2), "reproducibility", "a", "b").covers == "planes only"


@pytest.mark.parametrize(
    ("score", "name", "message"),
    [
        ("agreement", "b", "score is 'agreement': choose of reproducibility,"),
        ("reproducibility", "c", "no network is called 'c'"),
    ],
)
def test_what_is_unknown_is_refused(score, name, message):
    with pytest.raises(InputError, match=message):
        difference(maps_of(np.random.default_rng(0)), score, "a", name)


def test_a_summary_has_the_differences_of_few_networks_or_none():
    maps = maps_of(np.random.default_rng(0))
    assert summarise(maps, differences=False).differences == {}
    assert summarise(maps).differences["reproducibility"].keys() == {("a", "b")}
    many = from_array(np.zeros((22, 2, 3, 3), int), networks=[f"n{i // 2}" for i in range(22)])
    assert summarise(many).differences == {}


def test_a_true_difference_is_found_by_pairs_and_no_difference_is_not():
    """40 simulations: coverage at least 95 % less three standard errors of 3.4 %; separate intervals overlap."""
    covered, excluded, separate, alarms = [], [], [], []
    for simulation in range(40):
        maps = maps_of(np.random.default_rng(simulation), 0.05, classes=100)
        apart, matrix = difference(maps, "reproducibility", "a", "b"), reproducibility_matrix(maps)
        truth = (
            0.75**2 - 0.7**2
        )  # the variances of seeds and planes, which runs share, cancel; 1/99 of others adds < 0.001
        covered.append(apart.low - 0.002 <= truth <= apart.high + 0.002)
        excluded.append(apart.low > 0)
        separate.append(matrix["a", "a"].low > matrix["b", "b"].high)
        null = difference(maps_of(np.random.default_rng(1000 + simulation), classes=100), "reproducibility", "a", "b")
        alarms.append(null.low > 0 or null.high < 0)
    assert np.mean(covered) >= 0.95 - 0.103
    assert np.mean(excluded) > np.mean(separate) + 0.5
    assert np.mean(alarms) <= 0.05 + 0.103
