"""The limits of a plane's grid."""

import pytest

from dbviz.core.errors import InputError
from dbviz.spec import check_grid


@pytest.mark.parametrize("resolution", [2, 50, 20_000])
@pytest.mark.parametrize("padding", [0.0, 0.5, 99.9])
def test_grids_within_the_limits_pass(resolution, padding):
    check_grid(resolution, padding)


@pytest.mark.parametrize(
    ("resolution", "padding", "match"),
    [
        (1, 0.1, "resolution is 1"),
        (20_001, 0.1, "2 ... 20,000"),
        (50, -0.1, "padding is -0.1"),
        (50, 100.0, "padding is"),
    ],
)
def test_others_are_refused(resolution, padding, match):
    with pytest.raises(InputError, match=match):
        check_grid(resolution, padding)
