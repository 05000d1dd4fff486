"""Whole numbers and ranges of them, as commands take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbviz.core.errors import InputError
from dbviz.spec import parse_counts, parse_seeds


@given(st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True))
def test_counts_are_parsed(numbers):
    assert parse_counts(list(map(str, numbers)), "width") == tuple(numbers)


def test_ranges_include_both_ends():
    assert parse_counts(["1-3", "30", "8-8"], "width") == (1, 2, 3, 30, 8)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["0"], "width '0': give whole numbers of at least 1"),
        (["-4"], "width '-4': give whole numbers"),
        (["2.5"], "width '2.5': give whole numbers"),
        (["1-"], "width '1-': give whole numbers"),
        (["wide"], "width 'wide': give whole numbers"),
        (["9-3"], "width '9-3' has its bounds in the wrong order"),
        (["1-4", "3"], "width 3 is given twice"),
    ],
)
def test_invalid_widths_are_refused(words, match):
    with pytest.raises(InputError, match=match):
        parse_counts(words, "width")


@given(st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
def test_seeds_are_parsed(numbers):
    assert parse_seeds(list(map(str, numbers))) == numbers


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "no seeds"),
        (["-1"], "seed '-1': give whole numbers of at least 0"),
        (["0.5"], "seed '0.5'"),
        (["4-1"], "seeds '4-1' have their bounds in the wrong order"),
        (["0-2", "1"], "seeds 0-2 1 repeat one"),
    ],
)
def test_invalid_seeds_are_refused(words, match):
    with pytest.raises(InputError, match=match):
        parse_seeds(words)
