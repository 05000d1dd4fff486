"""Figure files: equal bytes for equal figures, whole or not there, and small."""

import errno
import json
import os
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from dbviz.core.errors import InputError
from dbviz.figures import FORMATS, RegionDisplay, save_figure


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    plt.close("all")


def figure_of(archs: int, seeds: int, resolution: int) -> Figure:
    """Panels of rounded regions of ten classes, different in each."""
    axis = np.linspace(-1, 1, resolution)
    a, b = np.meshgrid(axis, axis)
    angles = np.arange(10) * 0.8
    names = [(f"net{k}", str(seed)) for k in range(archs) for seed in range(seeds)]
    labels = [
        np.argmax([np.cos((3 + k) * (a * np.cos(t + m) + b * np.sin(t + m)) + t) for k, t in enumerate(angles)], axis=0)
        for m in range(len(names))
    ]
    coordinates = {
        "arch": ("model", [arch for arch, _ in names]),
        "seed": ("model", [seed for _, seed in names]),
        "test_accuracy": ("model", np.full(len(names), 0.9)),
        "a": ("column", 30 * axis),
        "b": ("row", 20 * axis),
        "anchors": (("corner", "axis"), np.array([[-15.0, -10.0], [15.0, -10.0], [0.0, 10.0]])),
        "triplet": ("corner", [1, 2, 3]),
        "triplet_label": ("corner", [0, 1, 2]),
    }
    variables = {"labels": (("model", "row", "column"), np.array(labels, np.uint8))}
    maps = xr.Dataset(variables, coordinates, {"class_names": json.dumps([f"class {k}" for k in range(10)])})
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    return RegionDisplay.from_maps(maps).plot(thumbnails=images).figure_


STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.parametrize("ending", FORMATS)
def test_equal_figures_give_equal_bytes(ending, tmp_path, monkeypatch):
    first = save_figure(figure_of(1, 2, 20), tmp_path / f"first.{ending}")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")  # another day
    second = save_figure(figure_of(1, 2, 20), str(tmp_path / f"second.{ending}"))
    assert first == tmp_path / f"first.{ending}"
    assert first.read_bytes().startswith(STARTS[ending])
    assert first.read_bytes() == second.read_bytes()
    assert save_figure(figure_of(1, 2, 21), first).read_bytes() != second.read_bytes()


def test_text_stays_text_in_svg(tmp_path):
    svg = save_figure(figure_of(1, 1, 20), tmp_path / "x.svg").read_text()
    assert "90.0% test accuracy" in svg
    assert ">class 9<" in svg


def test_the_resolution_of_a_png_is_its_dpi(tmp_path):
    figure = figure_of(1, 1, 20)
    width, height = figure.get_size_inches()
    for dpi in (50, 100):
        pixels = plt.imread(save_figure(figure, tmp_path / "x.png", dpi=dpi)).shape
        assert pixels[1] == pytest.approx(width * dpi, abs=1)
        assert pixels[0] == pytest.approx(height * dpi, abs=1)


def test_drawing_settings_are_put_back(tmp_path):
    before = dict(plt.rcParams)
    save_figure(figure_of(1, 1, 20), tmp_path / "x.svg")
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(("name", "match"), [("x.pgn", "did you mean 'png'"), ("x.gif", "png, pdf, svg"), ("x", "''")])
def test_an_unknown_format_is_refused(name, match, tmp_path):
    with pytest.raises(InputError, match=f"unknown figure format.*{match}"):
        save_figure(plt.figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_figure(tmp_path, monkeypatch):
    path = save_figure(figure_of(1, 1, 20), tmp_path / "x.png")
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_figure(figure_of(1, 1, 30), path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_a_figure_of_21_panels_of_500_by_500_points_is_small(tmp_path):
    figure = figure_of(7, 3, 500)
    assert len(figure.axes) == 21 + 3
    for ending in ("png", "pdf"):
        assert save_figure(figure, tmp_path / f"x.{ending}").stat().st_size < 600_000
