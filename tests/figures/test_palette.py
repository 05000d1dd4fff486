"""Colours: fixed, one a class, and a class's own whatever the number of classes."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

from dbviz.core.errors import InputError
from dbviz.figures import PALETTES, class_colours

PETROFF = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"]


def test_the_first_ten_are_petroffs():
    assert [to_hex(colour) for colour in class_colours(10)] == PETROFF
    assert class_colours(10).shape == (10, 3)


def test_papers_are_matplotlibs_tab10():
    assert [to_hex(colour) for colour in class_colours(10, "paper")] == [
        to_hex(colour) for colour in mpl.color_sequences["tab10"]
    ]


@pytest.mark.parametrize("palette", PALETTES)
def test_a_class_keeps_its_colour_whatever_the_number_of_classes(palette):
    most = class_colours(256, palette)
    for count in (1, 3, 10, 11, 100):
        assert np.array_equal(class_colours(count, palette), most[:count])


@pytest.mark.parametrize("palette", PALETTES)
def test_256_colours_are_colours_and_differ(palette):
    colours = class_colours(256, palette)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert len({to_hex(colour) for colour in colours}) == 256


def test_colours_do_not_depend_on_matplotlibs_settings():
    before = class_colours(20)
    with mpl.rc_context({"axes.facecolor": "k", "image.cmap": "gray"}):
        assert np.array_equal(class_colours(20), before)


def test_an_unknown_palette_suggests_the_nearest():
    with pytest.raises(InputError, match="unknown palette 'petrof': did you mean 'petroff10'"):
        class_colours(3, "petrof")
