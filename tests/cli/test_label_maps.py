"""Label maps are found again where an equal call left them, and refined ones never stand for dense ones."""

from typing import Any

import pytest

import dbviz.cli.label_maps
from dbviz.cli.label_maps import load_or_sample
from dbviz.data import shapes
from dbviz.label_maps import save
from dbviz.models import build
from dbviz.planes import PlaneSet, draw_planes

GRID: dict[str, Any] = {"resolution": 9, "padding": 0.1, "device": "cpu"}


@pytest.fixture(scope="module")
def asked() -> tuple[dict[str, Any], PlaneSet]:
    images = shapes(60, split="test")
    return {"net": build("fcnet", width=16).eval()}, draw_planes(images, 2)


def never(*_, **__):
    raise AssertionError("sampled")


def test_an_equal_call_samples_nothing(asked, tmp_path, monkeypatch, capsys):
    models, planes = asked
    maps, path = load_or_sample(models, planes, tmp_path, ["a", "b"], **GRID)
    assert path.name.startswith("a-b-")
    monkeypatch.setattr(dbviz.cli.label_maps, "sample", never)
    again, same = load_or_sample(models, planes, tmp_path, ["a", "b"], **GRID)
    assert same == path
    assert again.labels.equals(maps.labels)
    assert "not sampled again" in capsys.readouterr().out


def test_other_weights_are_other_maps(asked, tmp_path):
    models, planes = asked
    _, path = load_or_sample(models, planes, tmp_path, ["a"], **GRID)
    other = build("fcnet", width=16, seed=1).eval()
    assert load_or_sample({"net": other}, planes, tmp_path, ["a"], **GRID)[1] != path


@pytest.mark.parametrize("other", [{"padding": 0.2}, {"resolution": 8}])
def test_another_grid_is_another_file(asked, tmp_path, other):
    models, planes = asked
    _, path = load_or_sample(models, planes, tmp_path, ["a"], **GRID)
    grid: dict[str, Any] = GRID | other
    maps, changed = load_or_sample(models, planes, tmp_path, ["a"], **grid)
    assert changed != path
    stored = {"padding": maps.attrs["margin"], "resolution": maps.attrs["resolution"]}
    assert {name: stored[name] for name in other} == other


def test_maps_without_confidence_do_not_stand_for_maps_with_it(asked, tmp_path):
    models, planes = asked
    assert "confidence" not in load_or_sample(models, planes, tmp_path, ["a"], **GRID)[0]
    assert "confidence" in load_or_sample(models, planes, tmp_path, ["a"], **GRID, confidence=True)[0]


def test_maps_of_which_one_was_refined_are_sampled_again(asked, tmp_path):
    models, planes = asked
    maps, path = load_or_sample(models, planes, tmp_path, ["a"], **GRID)
    evaluated = maps.evaluated.copy()
    evaluated[0, 0] = 80  # of 81
    save(maps.assign(evaluated=evaluated), path)
    assert (load_or_sample(models, planes, tmp_path, ["a"], **GRID)[0].evaluated == 81).all()


def test_refined_maps_ask_for_fewer_points_and_are_found_again(asked, tmp_path, monkeypatch):
    models, planes = asked
    grid: dict[str, Any] = GRID | {"resolution": 41, "refine": True}
    maps, path = load_or_sample(models, planes, tmp_path, ["a"], **grid)
    assert (maps.evaluated < 41 * 41).all()
    monkeypatch.setattr(dbviz.cli.label_maps, "sample", never)
    assert load_or_sample(models, planes, tmp_path, ["a"], **grid)[1] == path


def test_refined_maps_are_not_taken_for_dense_ones(asked, tmp_path, monkeypatch):
    models, planes = asked
    load_or_sample(models, planes, tmp_path, ["a"], **GRID, refine=True)
    dense, path = load_or_sample(models, planes, tmp_path, ["a"], **GRID)
    assert (dense.evaluated == 81).all()
    monkeypatch.setattr(dbviz.cli.label_maps, "sample", never)
    assert (
        load_or_sample(models, planes, tmp_path, ["a"], **GRID, refine=True)[1] == path
    )  # a dense one serves for both
