"""What the panels show, read from their artists: pixels, extents, markers, titles, legend."""

import json
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from dbviz.core.errors import InputError
from dbviz.figures import RegionDisplay, class_colours
from dbviz.label_maps import from_array

NAMES = ("ant", "bee", "cat", "dog")
A, B = np.array([-1.0, 0.0, 1.0, 2.0]), np.array([0.0, 2.0, 4.0])
ANCHORS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 4.0]])


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    plt.close("all")


def maps_of(models: list[tuple[str, str]], *, names: tuple[str, ...] = NAMES, confidence: bool = False) -> xr.Dataset:
    """Label maps on one plane of four columns and three rows; class (row + 2 column + model) mod 4."""
    m, i, j = np.meshgrid(range(len(models)), range(3), range(4), indexing="ij")
    labels = ((i + 2 * j + m) % 4).astype(np.uint8)
    variables: dict[str, Any] = {"labels": (("model", "row", "column"), labels)}
    if confidence:
        variables["confidence"] = (("model", "row", "column"), ((i * 4 + j) / 11).astype(np.float32))
    coordinates = {
        "model": [f"m{k}" for k in range(len(models))],
        "arch": ("model", np.array([arch for arch, _ in models])),
        "seed": ("model", np.array([seed for _, seed in models])),
        "test_accuracy": ("model", 0.5 + 0.1 * np.arange(len(models))),
        "a": ("column", A),
        "b": ("row", B),
        "anchors": (("corner", "axis"), ANCHORS),
        "triplet": ("corner", np.array([7, 8, 9])),
        "triplet_label": ("corner", np.array([2, 0, 3])),
    }
    return xr.Dataset(variables, coordinates, {"class_names": json.dumps(names)})


FOUR = [("vit", "0"), ("vit", "1"), ("fcnet", "0"), ("fcnet", "1")]


def drawn(display: RegionDisplay, model: int) -> np.ndarray:
    """The panel's pixels, in [0, 1]; row 0 is the lowest."""
    image = display.images_[model]
    assert image.origin == "lower"
    assert image.get_interpolation() == "none"
    return np.asarray(image.get_array()) / 255


def texts(display: RegionDisplay, row: int, column: int) -> str:
    return display.axes_[row, column].get_title()


@pytest.mark.parametrize("palette", ["petroff10", "paper"])
def test_every_pixel_has_the_colour_of_its_class(palette):
    maps = maps_of(FOUR)
    display = RegionDisplay.from_maps(maps).plot(palette=palette)
    colours = class_colours(4, palette)
    for model in range(4):
        pixels = drawn(display, model)
        assert pixels.shape == (3, 4, 3)
        for i in range(3):
            for j in range(4):
                assert pixels[i, j] == pytest.approx(colours[(i + 2 * j + model) % 4], abs=1 / 255)


def test_a_class_keeps_its_colour_when_others_are_absent():
    maps = maps_of([("vit", "0")])
    few = maps.assign(labels=maps.labels * 0 + np.uint8(3))
    display = RegionDisplay.from_maps(few).plot()
    assert np.allclose(drawn(display, 0), to_rgb("#94a4a2"), atol=1 / 255)


def test_pixel_centres_lie_at_the_axes_values():
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot()
    for image in display.images_:
        left, right, bottom, top = image.get_extent()
        assert left + (np.arange(4) + 0.5) / 4 * (right - left) == pytest.approx(A)
        assert bottom + (np.arange(3) + 0.5) / 3 * (top - bottom) == pytest.approx(B)
        assert image.axes is not None
        assert image.axes.get_aspect() == 1  # distances are equal in both directions


def test_markers_stand_at_the_three_images_each_of_its_own_shape():
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot()
    for markers in display.anchors_:
        assert np.array_equal([np.asarray(line.get_xydata())[0] for line in markers], ANCHORS)
        assert len({str(line.get_marker()) for line in markers}) == 3


def test_rows_are_seeds_and_columns_architectures():
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot()
    assert display.axes_.shape == (2, 2)
    places = {
        (row, column): display.images_.index(display.axes_[row, column].images[0])
        for row in range(2)
        for column in range(2)
    }
    assert places == {(0, 0): 0, (1, 0): 1, (0, 1): 2, (1, 1): 3}
    assert all(ax.get_visible() for ax in display.axes_.flat)


def test_titles_name_architecture_seed_accuracy_and_agreement():
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot(agreement={"vit": 0.8125})
    assert texts(display, 0, 0) == "vit\nseeds agree on 81.2%\nseed 0 · 50.0% test accuracy"
    assert texts(display, 1, 0) == "seed 1 · 60.0% test accuracy"
    assert texts(display, 0, 1) == "fcnet\nseed 0 · 70.0% test accuracy"


def test_what_is_unknown_is_left_out_of_titles():
    maps = maps_of([("net", "")])
    maps["test_accuracy"] = ("model", [np.nan])
    display = RegionDisplay.from_maps(maps).plot(agreement={"net": float("nan")})
    assert "%" not in texts(display, 0, 0)
    assert "net" in texts(display, 0, 0)


def test_a_missing_combination_leaves_its_place_empty_and_loses_no_name():
    display = RegionDisplay.from_maps(maps_of([("vit", "0"), ("fcnet", "1")])).plot()
    visible = [[bool(ax.get_visible()) for ax in row] for row in display.axes_]
    assert visible == [[True, False], [False, True]]
    shown = " ".join(ax.get_title() for ax in display.axes_.flat if ax.get_visible())
    assert "vit" in shown
    assert "fcnet" in shown


def test_no_panel_hides_another():
    """Two runs of one architecture and seed, of different widths say: each has a panel of its own, or is refused."""
    try:
        display = RegionDisplay.from_maps(maps_of([("vit", "0"), ("vit", "0")])).plot()
    except InputError:
        return
    assert len({image.axes for image in display.images_}) == 2


def test_the_legend_has_every_class_in_its_colour():
    display = RegionDisplay.from_maps(maps_of(FOUR[:1])).plot()
    (legend,) = display.figure_.legends
    assert [text.get_text() for text in legend.get_texts()] == [*NAMES, "image 1", "image 2", "image 3"]
    for patch, colour in zip(legend.get_patches(), class_colours(4), strict=True):
        assert to_rgb(patch.get_facecolor()) == pytest.approx(colour)


@pytest.mark.parametrize("thumbnails", [None, np.zeros((3, 3, 2, 2), np.uint8)])
def test_the_legend_and_the_axis_label_do_not_overlap(thumbnails):
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot(thumbnails=thumbnails)
    display.figure_.canvas.draw()
    (label,) = display.figure_.findobj(lambda artist: isinstance(artist, Text) and "→" in artist.get_text())
    assert display.figure_.legends[0].get_window_extent().y1 < label.get_window_extent().y0


def test_the_legend_shows_the_markers_in_the_order_of_the_images():
    display = RegionDisplay.from_maps(maps_of(FOUR[:1])).plot()
    shapes = [line.get_marker() for line in display.figure_.legends[0].get_lines()]
    assert shapes == [line.get_marker() for line in display.anchors_[0]]


def test_of_many_classes_the_legend_has_those_that_are_seen():
    names = tuple(f"class number {k}" for k in range(100))
    display = RegionDisplay.from_maps(maps_of(FOUR[:1], names=names)).plot()
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == [
        *names[:4],
        "image 1",
        "image 2",
        "image 3",
    ]


def test_classes_without_a_name_are_numbered():
    display = RegionDisplay.from_maps(maps_of(FOUR[:1], names=("ant", "bee")))
    assert display.class_names == ("ant", "bee", "class 2", "class 3")


def test_shading_fades_towards_white_as_confidence_falls():
    maps = maps_of(FOUR[:1], confidence=True)
    display = RegionDisplay.from_maps(maps).plot(shade=True)
    colours, pixels = class_colours(4), drawn(display, 0)
    for i in range(3):
        for j in range(4):
            certain = (i * 4 + j) / 11
            expected = 1 - certain * (1 - colours[(i + 2 * j) % 4])
            assert pixels[i, j] == pytest.approx(expected, abs=1 / 255)
    assert pixels[0, 0].tolist() == [1, 1, 1]
    assert pixels[2, 3] == pytest.approx(colours[0], abs=1 / 255)


def test_confidence_does_not_shade_unasked():
    plain = RegionDisplay.from_maps(maps_of(FOUR[:1])).plot()
    with_confidence = RegionDisplay.from_maps(maps_of(FOUR[:1], confidence=True)).plot()
    assert np.array_equal(drawn(plain, 0), drawn(with_confidence, 0))


def test_shading_without_confidence_is_refused():
    with pytest.raises(InputError, match=r"shading needs the confidence.*confidence=True"):
        RegionDisplay.from_maps(maps_of(FOUR)).plot(shade=True)


def test_thumbnails_show_the_images_with_marker_class_and_number():
    thumbnails = np.arange(3 * 3 * 2 * 2, dtype=np.uint8).reshape(3, 3, 2, 2)
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot(thumbnails=thumbnails)
    beside = [ax for ax in display.figure_.axes if ax not in list(display.axes_.flat)]
    assert len(beside) == 3
    for corner, ax in enumerate(beside):
        assert np.array_equal(ax.images[0].get_array(), thumbnails[corner].transpose(1, 2, 0))
        label = (2, 0, 3)[corner]
        assert ax.get_title() == f"image {corner + 1} (#{7 + corner})"
        assert ax.get_xlabel() == NAMES[label]
        assert to_rgb(ax.spines["left"].get_edgecolor()) == pytest.approx(class_colours(4)[label])
        assert ax.lines[0].get_marker() == display.anchors_[0][corner].get_marker()
    said = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert said == list(NAMES)  # the markers are explained beside the images


def test_given_axes_are_drawn_into():
    figure, axes = plt.subplots(1, 2)
    before = len(plt.get_fignums())
    display = RegionDisplay.from_maps(maps_of(FOUR[:2])).plot(ax=axes)
    assert display.figure_ is figure
    assert [image.axes for image in display.images_] == list(axes)
    assert axes[1].get_title() == "seed 1 · 60.0% test accuracy"
    assert figure.legends == []
    assert len(plt.get_fignums()) == before


def test_one_model_takes_one_axes():
    _, ax = plt.subplots()
    display = RegionDisplay.from_maps(maps_of(FOUR).isel(model=2)).plot(ax)
    assert display.images_[0].axes is ax
    assert np.array_equal(drawn(display, 0), drawn(RegionDisplay.from_maps(maps_of(FOUR)).plot(), 2))


def test_axes_that_are_too_few_are_refused():
    _, axes = plt.subplots(1, 3)
    with pytest.raises(InputError, match="3 axes for 4 models: give one a model"):
        RegionDisplay.from_maps(maps_of(FOUR)).plot(ax=axes)


def test_several_planes_are_refused_and_one_is_taken():
    maps = maps_of(FOUR)
    two = xr.concat([maps, maps], dim="plane", data_vars=["labels"], coords=["a", "b", "anchors"], join="outer")
    with pytest.raises(InputError, match=r"2 planes: select one, such as maps.sel\(plane=0\)"):
        RegionDisplay.from_maps(two)
    one = RegionDisplay.from_maps(two.isel(plane=[0]))
    assert np.array_equal(one.labels, maps.labels.values)


def test_dimensions_are_taken_by_name_in_any_order():
    turned = maps_of(FOUR).transpose("column", "model", "row", ...)
    assert np.array_equal(RegionDisplay.from_maps(turned).labels, maps_of(FOUR).labels.values)


def test_an_unknown_palette_is_refused():
    with pytest.raises(InputError, match="unknown palette"):
        RegionDisplay.from_maps(maps_of(FOUR)).plot(palette="rainbow")


def test_plotting_again_draws_anew():
    display = RegionDisplay.from_maps(maps_of(FOUR)).plot()
    first = display.figure_
    display.plot()
    assert display.figure_ is not first
    assert len(display.images_) == len(display.anchors_) == 4


@pytest.mark.parametrize(
    ("triplet", "split", "words"),
    [
        ([30, 72, 42], "test", "the plane through cifar10 test images 30, 72, 42"),
        ([30, 72, 42], "test shuffled", "the plane through cifar10 test shuffled images 30, 72, 42"),
        ([30, -1, -1], "test around", "a plane through cifar10 test image 30"),
        ([-1, -1, -1], "test noise", "a plane of cifar10 test noise"),
    ],
)
def test_the_repr_counts_models_and_networks_and_names_the_plane(triplet, split, words):
    maps = maps_of(FOUR).assign_attrs(dataset="cifar10", split=split)
    display = RegionDisplay.from_maps(maps.assign_coords(triplet=("corner", np.array(triplet))))
    assert repr(display) == f"RegionDisplay(4 models of 2 networks on {words})"
    assert words in display._repr_html_()


def test_a_plane_without_a_source_is_a_plane():
    maps = maps_of(FOUR[:1]).assign_coords(triplet=("corner", np.full(3, -1)))
    assert repr(RegionDisplay.from_maps(maps)) == "RegionDisplay(1 model of 1 network on a plane)"


def test_the_html_is_a_table_of_the_models_without_arrays():
    maps = maps_of([("<b>net</b>", "0"), ("vit", "1")])
    page = RegionDisplay.from_maps(maps.assign_coords(test_accuracy=("model", [0.5, np.nan]))).plot()._repr_html_()
    assert "<tr><td>&lt;b&gt;net&lt;/b&gt;</td><td>0</td><td>50.0%</td></tr>" in page
    assert "<tr><td>vit</td><td>1</td><td></td></tr>" in page
    assert len(page) < 600


def test_the_size_of_a_figure_can_be_chosen():
    display = RegionDisplay.from_maps(maps_of(FOUR))
    assert display.plot(figsize=(3.0, 4.0)).figure_.get_size_inches().tolist() == [3, 4]
    before = display.plot().figure_.get_size_inches().tolist()
    assert before == pytest.approx([4.8, 5.55], abs=0.3)


def test_maps_of_a_plain_array_have_no_markers(recwarn):
    maps = from_array(np.random.default_rng(0).integers(0, 2, (2, 1, 5, 5)), class_names=["ant", "bee"])
    display = RegionDisplay.from_maps(maps).plot()
    display.figure_.canvas.draw()
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == ["ant", "bee"]
    assert repr(display) == "RegionDisplay(2 models of 1 network on a plane)"
    assert not recwarn
