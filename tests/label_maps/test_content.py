"""The content digest covers what is seen and leaves out who computed it, when and at what cost."""

import numpy as np
import pytest

from dbviz.data import shapes
from dbviz.label_maps import content_digest, load, sample, save
from dbviz.models import build
from dbviz.planes import draw_planes


@pytest.fixture(scope="module")
def maps():
    models = {"one": build("fcnet", width=16).eval(), "two": build("fcnet", width=16, seed=1).eval()}
    planes = draw_planes(shapes(30, split="test"), 2)
    return sample(models, planes, resolution=5, confidence=True, device="cpu")


def test_a_stored_file_has_the_digest_of_its_maps(maps, tmp_path):
    assert content_digest(load(save(maps, tmp_path / "maps.nc"))) == content_digest(maps)


def test_cost_date_and_environment_are_left_out(maps):
    other = maps.assign(evaluated=maps.evaluated + 1, reevaluated=maps.reevaluated + 1)
    other = other.assign_attrs(date="", environment="", environments="[]", evaluation="{}")
    assert content_digest(other) == content_digest(maps)


@pytest.mark.parametrize("name", ["labels", "confidence"])
def test_every_point_counts(maps, name):
    changed = maps[name].copy()
    changed[1, 1, 4, 4] = np.nextafter(changed[1, 1, 4, 4], 2) if name == "confidence" else 9 - changed[1, 1, 4, 4]
    assert content_digest(maps.assign({name: changed})) != content_digest(maps)
    assert content_digest(maps.drop_vars("confidence")) != content_digest(maps)


@pytest.mark.parametrize("name", ["model", "arch", "seed", "test_accuracy", "plane", "triplet", "anchors", "a", "b"])
def test_every_coordinate_counts(maps, name):
    values = maps[name].values
    changed = np.array([f"{value}?" for value in values]) if values.dtype.kind in "UT" else np.nan_to_num(values) + 1
    assert content_digest(maps.assign_coords({name: (maps[name].dims, changed)})) != content_digest(maps)
    assert content_digest(maps.isel(model=[1, 0])) != content_digest(maps)
