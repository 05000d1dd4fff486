"""Runs that share seeds: which pairs count, what is left out together, and intervals that hold the truth."""

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.label_maps import combine, from_array, load, save
from dbviz.scores import fragmentation, pairs_estimate, reproducibility_matrix, same_seed_agreement
from dbviz.scores.run_pairs import run_pairs
from dbviz.scores.seed_factors import run_factors, seed_codes, seed_factors, seed_texts, shared_seeds


@pytest.mark.parametrize(
    ("seeds", "codes"),
    [
        (["0", "1", "2"], [[0], [1], [2]]),
        (["0", "1.0.0", "0.1.0"], [[0, 0], [1, 0], [0, 1]]),  # augmentation has one seed throughout
        (["0", "0-nudge3", "1-repeat2"], [[0], [0], [1]]),
        (["0", "0-noise1", "1", "1-noise1"], [[0, 0], [0, 1], [1, 0], [1, 1]]),
        (["red", "blue", "red"], [[0], [1], [0]]),
        (["", "", "0"], [[0], [1], [2]]),  # not known
        (["4", "4-repeat1", "4-repeat2"], [[0], [0], [0]]),  # nothing varies but what no seed draws
    ],
)
def test_streams_that_change_together_are_one_factor(seeds, codes):
    assert seed_codes(seeds).tolist() == codes


def units(factors):
    return [[[indices.tolist() for indices in unit] for unit in factor] for factor in factors]


def test_a_seed_is_left_out_of_both_networks_where_both_have_it():
    networks = [np.array([0, 1]), np.array([2, 3])]
    assert units(seed_factors(seed_codes(["0", "1", "0", "1"]), networks)) == [[[[0], [0]], [[1], [1]]]]
    assert units(seed_factors(seed_codes(["0", "1", "1", "2"]), networks)) == [[[[0], []], [[1], [0]], [[], [1]]]]
    # without a seed in common the runs of each network are left out by themselves
    assert units(seed_factors(seed_codes(["0", "1", "2", "3"]), networks)) == [
        [[[0], []], [[1], []]],
        [[[], [0]], [[], [1]]],
    ]


def test_a_seed_that_is_fixed_in_each_network_is_left_out_of_none():
    codes = seed_codes(["0", "1", "2-noise1", "3-noise1"])
    assert len(seed_factors(codes, [np.array([0, 1]), np.array([2, 3])])) == 2


def test_pairs_that_share_one_stream_are_neither_of_the_same_nor_of_different_seeds():
    different, same = shared_seeds(seed_codes(["0", "0-noise1", "1-noise1"]), np.arange(3), np.arange(3))
    assert different.astype(int).tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert same.tolist() == np.eye(3, dtype=bool).tolist()
    # where every two runs share a stream, pairs that differ in another one count
    assert run_pairs([np.arange(3)], ["0.0.0", "1.1.0", "0.1.1"]).chosen.sum() == 6


def test_repeated_trainings_of_one_seed_are_runs_by_themselves():
    seeds = ["4", "4-repeat1", "4-repeat2"]
    assert run_pairs([np.arange(3)], seeds).chosen.sum() == 6
    assert units(run_factors(seeds)) == [[[[0]], [[1]], [[2]]]]


def stack(agreeing: float, seeds: list[int]):
    """Two networks of which runs of the same seed agree on this share of ten points, and others on none."""
    labels = np.arange(len(seeds))[:, None, None, None] + np.zeros((len(seeds), 4, 10, 10), int)
    half = len(seeds) // 2
    for second in range(half, len(seeds)):
        for first in range(half):
            if seeds[first] == seeds[second]:
                labels[second, :, : int(10 * agreeing)] = labels[first, :, : int(10 * agreeing)]
    return from_array(labels, networks=["sgd"] * half + ["sam"] * half, seeds=seeds)


def test_between_networks_only_different_seeds_count_and_the_same_seed_is_a_score_of_its_own():
    maps = stack(0.7, [0, 1, 2, 0, 1, 2])
    assert reproducibility_matrix(maps)["sgd", "sam"].value == 0
    same = same_seed_agreement(maps)
    assert same["sgd", "sam"].value == pytest.approx(0.7)
    assert same["sgd", "sam"] is same["sam", "sgd"]
    assert same_seed_agreement(stack(0.7, [0, 1, 2, 3, 4, 5])) == {}


def test_with_one_shared_seed_the_cell_is_empty_and_the_same_seed_value_is_of_planes_only():
    maps = stack(0.7, [0, 0])
    assert reproducibility_matrix(maps) == {}
    assert same_seed_agreement(maps)["sgd", "sam"].covers == "planes only"
    with pytest.raises(InputError, match="no runs of different seeds"):
        pairs_estimate(np.ones((2, 2, 3)), [np.array([0]), np.array([1])], seeds=["0", "0"])


def test_two_shared_seeds_show_no_spread_of_different_seeds():
    estimate = pairs_estimate(
        np.random.default_rng(0).random((4, 4, 5)), [np.arange(2), np.arange(2, 4)], seeds=["0", "1"] * 2
    )
    assert estimate.covers == "planes only"


def test_one_run_beside_several_covers_part_of_how_runs_vary():
    table = np.random.default_rng(0).random((5, 5, 6))
    estimate = pairs_estimate(table, [np.arange(4), np.array([4])])
    assert estimate.note.startswith("over planes and part of how runs vary")
    assert estimate.covers == "not all of the runs' variation"
    assert np.isnan(estimate.run_variance)
    shared = pairs_estimate(table, [np.arange(4), np.array([4])], seeds=["0", "1", "2", "3", "0"])
    assert shared.covers == estimate.covers
    assert shared.value == pytest.approx(table[1:4, 4].mean())


def test_crossed_seeds_are_left_out_one_factor_after_the_other():
    counts = np.array([[4.0, 6.0], [8.0, 10.0]])  # seed of the network, of the label noise
    labels = np.zeros((4, 2, 1, 11), np.uint8)
    for run, count in enumerate(counts.ravel().astype(int)):
        labels[run, :, 0, :count] = np.arange(count)
    square = np.concatenate([labels] * 11, axis=2)  # columns of fragments: the class 0 beyond them is one more
    maps = from_array(square, seeds=["0", "0-noise1", "1", "1-noise1"])
    estimate = fragmentation(maps)["network"]
    # (n - 1) / n times the squares about the mean: of 5 and 9 by the seed, of 6 and 8 by the noise
    assert estimate.run_variance == pytest.approx(2**2 + 1**2)
    assert len(run_factors(["0", "0-noise1", "1", "1-noise1"])) == 2


def linear_table(rng, seeds: np.ndarray, planes: int, bonus: float) -> np.ndarray:
    """Agreement as the sum of the qualities of two seeds, the ease of a plane, and a bonus for the same seed."""
    quality = 0.02 * rng.standard_normal(seeds.max() + 1)[seeds]
    pairs = 0.5 + quality[:, None] + quality[None] + bonus * (seeds[:, None] == seeds[None])
    return pairs[..., None] + 0.05 * rng.standard_normal(planes)


def coverage(simulations: int, seeds: np.ndarray, networks, texts) -> float:
    hits = []
    for simulation in range(simulations):
        table = linear_table(np.random.default_rng(simulation), seeds, 20, 0.1)
        estimate = pairs_estimate(table, networks, seeds=texts)
        hits.append(estimate.low <= 0.5 <= estimate.high)
    return float(np.mean(hits))


def test_intervals_between_networks_of_the_same_seeds_hold_the_agreement_of_different_seeds():
    """True value 0.5, 100 simulations: 95 % within three standard errors of 2.2 %."""
    networks, seeds = [np.arange(3), np.arange(3, 6)], np.tile(np.arange(3), 2)
    assert coverage(100, seeds, networks, ["0", "1", "2"] * 2) == pytest.approx(0.95, abs=0.065)
    assert coverage(100, seeds, networks, None) < 0.8  # with the pairs of the same seed


def test_intervals_of_crossed_seeds_hold_the_truth():
    """Five seeds times three of the label noise; true value 0.5, 100 simulations, three standard errors."""
    texts = [f"{seed}-noise{noise}" for noise in range(3) for seed in range(5)]
    hits = {"crossed": [], "independent": []}
    for simulation in range(100):
        rng = np.random.default_rng(simulation)
        quality = (0.02 * rng.standard_normal((3, 1)) + 0.02 * rng.standard_normal(5)).ravel()
        table = (0.5 + quality[:, None] + quality[None])[..., None] + 0.05 * rng.standard_normal(20)
        for name, seeds in {"crossed": texts, "independent": None}.items():
            estimate = pairs_estimate(table, [np.arange(15)], seeds=seeds)
            hits[name].append(estimate.low <= 0.5 <= estimate.high)
    assert np.mean(hits["crossed"]) == pytest.approx(0.95, abs=0.065)
    assert np.mean(hits["independent"]) < 0.8


def test_seeds_of_a_plain_array_count_only_if_they_are_given(tmp_path):
    labels = np.random.default_rng(0).integers(0, 3, (1, 3, 4, 4))
    ours, theirs = (from_array(labels, models=[name], networks=name) for name in ("ours", "theirs"))
    save(ours, tmp_path / "ours.nc")
    maps = combine([load(tmp_path / "ours.nc"), theirs])
    assert seed_texts(maps) == ["", ""]
    assert reproducibility_matrix(maps)["ours", "theirs"].value == 1
    assert same_seed_agreement(maps) == {}
    given = from_array(labels, models=["given"], networks="given", seeds=[0])
    assert seed_texts(combine([given, theirs])) == ["0", ""]
