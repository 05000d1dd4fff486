"""Shares of variance: by hand, of additive models whose shares are known, and how often intervals hold them."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dbviz.core.errors import InputError
from dbviz.scores import (
    Estimate,
    analyse_sources,
    cell_name,
    churn,
    disagreement_ratio,
    fragments,
    nearly_full,
    runs_needed,
    source_shares,
    standard_deviation,
    variance_ratio,
)

INIT, ORDER, BOTH = ("init",), ("order",), ("init", "order")


def test_a_variance_ratio_by_hand():
    ratio = variance_ratio(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0, 6.0]))
    assert ratio.value == pytest.approx(1 / (20 / 3))
    # F(2, 3): its 97.5 % point is 16.0441, its 2.5 % point 1 / 39.1655
    assert ratio.low == pytest.approx(0.15 / 16.0441, rel=1e-4)
    assert ratio.high == pytest.approx(0.15 * 39.1655, rel=1e-4)
    assert (ratio.runs, ratio.level, ratio.note) == ((3, 4), 0.95, "")


def test_runs_that_do_not_vary_have_no_share_to_give():
    same = np.full(3, 0.5)
    ratio = variance_ratio(np.array([0.1, 0.2]), same)
    assert math.isnan(ratio.value)
    assert nearly_full(ratio) == "too few runs to tell"
    assert variance_ratio(same, np.array([0.1, 0.2])).value == 0


def test_a_single_run_has_no_variance():
    with pytest.raises(InputError, match="1 run has no variance"):
        variance_ratio(np.array([1.0]), np.array([1.0, 2.0]))


def test_shares_by_hand():
    # variances 1, 4 and 8 among runs of which the first is in every cell
    values = np.array([0.0, math.sqrt(2), math.sqrt(8), 4.0])
    cells = {INIT: np.array([0, 1]), ORDER: np.array([0, 2]), BOTH: np.array([0, 3]), ("nudge",): np.array([0, 1])}
    shares = source_shares(cells, lambda one, other: variance_ratio(values[one], values[other]))
    assert {s: e.value for s, e in shares["total"].items()} == pytest.approx(
        {"init": 1 / 8, "order": 0.5, "nudge": 0.125}
    )
    assert {s: e.value for s, e in shares["first-order"].items()} == pytest.approx({"init": 0.5, "order": 7 / 8})
    first, rest = shares["first-order"]["init"], variance_ratio(values[[0, 2]], values[[0, 3]])
    assert (first.low, first.high) == pytest.approx((1 - rest.high, 1 - rest.low))


def test_sources_that_do_not_vary_together_have_no_shares():
    cells = {INIT: np.array([0, 1]), ("nudge",): np.array([0, 2])}
    assert source_shares(cells, lambda *_: pytest.fail("no ratio is asked for")) == {"total": {}, "first-order": {}}


# ---- an additive model with an interaction: y = a[init] + b[order] + c[init, order]


VARIANCES = {"a": 4.0, "b": 1.0, "c": 3.0}
TOTAL = {"init": 7 / 8, "order": 4 / 8}
FIRST = {"init": 4 / 8, "order": 1 / 8}


def simulated(runs: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[tuple[str, ...], np.ndarray]]:
    """The model under the design, the base run in each cell: y of every run, and which runs each cell has."""
    a, b = (rng.standard_normal(runs) * math.sqrt(VARIANCES[name]) for name in "ab")
    c = rng.standard_normal((runs, runs)) * math.sqrt(VARIANCES["c"])
    each = range(runs)
    seeds: dict[tuple[str, ...], list[tuple[int, int]]] = {
        INIT: [(k, 0) for k in each],
        ORDER: [(0, k) for k in each],
        BOTH: [(k, k) for k in each],
    }
    different = list(dict.fromkeys(itertools.chain(*seeds.values())))
    y = np.array([a[i] + b[o] + c[i, o] for i, o in different])
    return y, {cell: np.array([different.index(pair) for pair in pairs]) for cell, pairs in seeds.items()}


def test_known_shares_of_an_additive_model_are_found():
    y, cells = simulated(1200, np.random.default_rng(0))
    shares = source_shares(cells, lambda one, other: variance_ratio(y[one], y[other]))
    assert {s: e.value for s, e in shares["total"].items()} == pytest.approx(TOTAL, abs=0.08)
    assert {s: e.value for s, e in shares["first-order"].items()} == pytest.approx(FIRST, abs=0.08)


def test_intervals_of_shares_hold_the_known_ones_as_often_as_they_say():
    rng, held, count = np.random.default_rng(1), [], 300
    for _ in range(count):
        y, cells = simulated(6, rng)
        shares = source_shares(cells, lambda one, other, y=y: variance_ratio(y[one], y[other]))
        held += [shares["total"][s].low <= TOTAL[s] <= shares["total"][s].high for s in TOTAL]
        held += [shares["first-order"][s].low <= FIRST[s] <= shares["first-order"][s].high for s in FIRST]
    assert 0.93 <= np.mean(held) <= 0.99  # the shared base run makes them hold it a little more often


# ---- disagreement


def test_disagreement_of_pairs_is_the_variance_of_predictions_as_unit_vectors():
    rng = np.random.default_rng(2)
    predictions = rng.integers(0, 4, (30, 50))
    ones = np.eye(4)[predictions]
    variance = ones.var(axis=0, ddof=1).sum(axis=1).mean()
    pairs = [churn(predictions[i], predictions[j]) for i, j in itertools.combinations(range(30), 2)]
    assert np.mean(pairs) == pytest.approx(variance)


def test_a_disagreement_ratio_by_hand():
    table = np.zeros((4, 4, 2))
    table[0, 1] = table[1, 0] = [0.1, 0.3]
    table[2, 3] = table[3, 2] = [0.4, 0.6]
    ratio = disagreement_ratio(table, np.array([0, 1]), np.array([2, 3]))
    assert ratio.value == pytest.approx(0.2 / 0.5)
    assert ratio.runs == (2, 2)


def test_a_run_is_no_pair_with_itself():
    table = np.full((5, 5, 2), 0.5)
    table[range(5), range(5)] = 0
    assert disagreement_ratio(table, np.array([0, 1]), np.array([2, 3, 4])).value == pytest.approx(1)


def test_two_runs_do_not_show_how_runs_vary():
    ratio = disagreement_ratio(np.full((4, 4, 2), 0.5), np.array([0, 1]), np.array([2, 3]))
    assert (ratio.low, ratio.value, ratio.high) == (1, 1, 1)  # over images alone
    assert nearly_full(ratio) == "too few runs to tell"


def test_intervals_of_a_disagreement_ratio_hold_the_known_one():
    """Each run's prediction is its own with probability p, else the one all share: a pair differs with a known rate."""
    rng, held = np.random.default_rng(3), []
    rates = (0.2, 0.5)
    less, more = (1 - (1 - p) ** 2 for p in rates)
    expected = less / more  # own predictions coincide once in a thousand times
    for _ in range(60):
        predictions = np.concatenate(
            [np.where(rng.random((6, 400)) < p, rng.integers(1, 1000, (6, 400)), 0) for p in rates]
        )
        table = np.stack(
            [[(one != other).reshape(20, 20).mean(axis=1) for other in predictions] for one in predictions]
        )
        ratio = disagreement_ratio(table, np.arange(6), np.arange(6, 12))
        held.append(ratio.low <= expected <= ratio.high)
    assert np.mean(held) >= 0.9


# ---- verdicts


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.8, 1.3, "yes"), (0.79, 1.3, "too few runs to tell"), (0.1, 0.79, "no"), (0.1, 0.8, "too few runs to tell")],
)
def test_the_verdict_is_by_the_interval(low, high, said):
    estimate = Estimate(
        value=(low + high) / 2, low=low, high=high, items=2, runs=(3, 3), run_variance=0.0, item_variance=0.0
    )
    assert nearly_full(estimate) == said


def test_the_runs_needed_distinguish_one_from_nearly_full():
    count = runs_needed()
    ends = [1 / stats.f.ppf(0.975, n - 1, n - 1) for n in (count - 1, count)]
    assert ends[0] < 0.8 <= ends[1]


# ---- everything at once


def test_the_interval_of_a_standard_deviation_is_that_of_chi_square():
    deviation = standard_deviation(np.array([1.0, 2.0, 3.0]))
    assert deviation.value == 1
    # chi-square with 2 degrees: -2 ln(0.975) and -2 ln(0.025)
    assert (deviation.low, deviation.high) == pytest.approx(
        (math.sqrt(2 / 7.37776), math.sqrt(2 / 0.0506356)), rel=1e-4
    )


def test_the_analysis_of_two_cells_by_hand():
    labels = np.zeros(4, np.int64)
    predictions = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 1]])
    maps = np.zeros((4, 2, 2, 2), np.uint8)
    maps[1, :, 0, 0] = 1  # two fragments, one point of four changed
    maps[3] = [[0, 1], [1, 2]]
    cells = {INIT: np.array([0, 1]), ORDER: np.array([0, 2]), BOTH: np.array([0, 3])}
    analysis = analyse_sources(predictions, labels, maps, cells)
    assert analysis.scores["test accuracy"]["init"].value == pytest.approx(0.875)
    assert analysis.scores["sd of test accuracy, %"]["init"].value == pytest.approx(np.std([100, 75], ddof=1))
    assert {c: e.value for c, e in analysis.scores["churn"].items()} == {
        "init": 0.25,
        "order": 0.5,
        "init + order": 0.75,
    }
    assert analysis.scores["reproducibility"]["init"].value == 0.75
    assert analysis.scores["reproducibility"]["order"].value == 1
    assert fragments(maps)[[0, 1, 3], 0].tolist() == [1, 2, 3]
    assert analysis.scores["fragments of a plane"]["init"].value == 1.5
    assert analysis.scores["sd of fragments"]["init + order"].value == pytest.approx(math.sqrt(2))
    assert analysis.shares["predictions"]["total"]["init"].value == pytest.approx(1 / 3)
    assert analysis.shares["predictions"]["first-order"]["init"].value == pytest.approx(1 / 3)
    assert analysis.shares["regions"]["total"]["init"].value == pytest.approx(0.25 / 0.75)
    assert analysis.shares["test accuracy"]["total"]["order"].value == pytest.approx((2 / 3) ** 2)


def test_a_cell_of_one_run_is_refused():
    with pytest.raises(InputError, match=r"'init' has fewer than two runs"):
        analyse_sources(
            np.zeros((1, 4), np.int64), np.zeros(4, np.int64), np.zeros((1, 2, 2, 2), np.uint8), {INIT: np.array([0])}
        )


def test_cells_are_called_by_their_sources():
    assert cell_name(BOTH) == "init + order"
