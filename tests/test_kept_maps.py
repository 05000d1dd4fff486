"""Label maps are found again where an equal call left them, and refined ones never stand for dense ones."""

from typing import Any

import pytest

import dbviz.kept_maps
from dbviz.images import shapes
from dbviz.kept_maps import kept_maps
from dbviz.models import build
from dbviz.regions import PlaneSet, draw_planes

GRID: dict[str, Any] = {"resolution": 9, "margin": 0.1, "device": "cpu"}


@pytest.fixture(scope="module")
def asked() -> tuple[dict[str, Any], PlaneSet]:
    images = shapes(60, split="test")
    return {"net": build("fcnet", width=16).eval()}, draw_planes(images, 2)


def never(*_, **__):
    raise AssertionError("sampled")


def test_an_equal_call_samples_nothing(asked, tmp_path, monkeypatch, capsys):
    models, planes = asked
    maps, path = kept_maps(models, planes, tmp_path, ["a", "b"], **GRID)
    assert path.name.startswith("a-b-")
    monkeypatch.setattr(dbviz.kept_maps, "sample", never)
    again, same = kept_maps(models, planes, tmp_path, ["a", "b"], **GRID)
    assert same == path
    assert again.labels.equals(maps.labels)
    assert "not sampled again" in capsys.readouterr().out


def test_other_weights_are_other_maps(asked, tmp_path):
    models, planes = asked
    _, path = kept_maps(models, planes, tmp_path, ["a"], **GRID)
    other = build("fcnet", width=16, seed=1).eval()
    assert kept_maps({"net": other}, planes, tmp_path, ["a"], **GRID)[1] != path


def test_refined_maps_are_not_taken_for_dense_ones(asked, tmp_path, monkeypatch):
    models, planes = asked
    kept_maps(models, planes, tmp_path, ["a"], **GRID, refine=True)
    dense, path = kept_maps(models, planes, tmp_path, ["a"], **GRID)
    assert (dense.evaluated == 81).all()
    monkeypatch.setattr(dbviz.kept_maps, "sample", never)
    assert kept_maps(models, planes, tmp_path, ["a"], **GRID, refine=True)[1] == path  # a dense one serves for both
