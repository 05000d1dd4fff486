"""Label maps hold the environments of every model's training and sampling, also when files are combined."""

import json
from typing import Any

import pytest
import torch

from dbviz.label_maps import combine, environment_differences, load, sample, save
from dbviz.label_maps import sampling as sampling_module
from dbviz.margins import measure_margins
from dbviz.models import build
from dbviz.planes import draw_planes
from dbviz.runs import Run
from dbviz.runs.fitting import fit_specs
from dbviz.runs.specs import make_specs
from dbviz.spec import SpecChanges

CPU = torch.device("cpu")
OLD: dict[str, Any] = {"packages": {"torch": "2.11.0"}, "threads": 2}
NEW: dict[str, Any] = {"packages": {"torch": "2.15.0"}, "threads": 2}


@pytest.fixture
def runs(small_images, tmp_path) -> list[Run]:
    """Three runs, of which the last was trained with an older torch."""
    tiny: SpecChanges = {"width": 4, "train_size": 32, "epochs": 1}
    specs = make_specs(["mlp"], range(3), images=small_images, preset="quick", device=CPU, **tiny)
    runs = fit_specs(specs, small_images, device=CPU, home=tmp_path, progress=False)
    for run, env in zip(runs, (NEW, NEW, OLD), strict=True):
        (run.directory / "environment.json").write_text(json.dumps(env | {"argv": [run.spec.name]}))
    return runs


def test_the_environments_of_trainings_are_kept_with_the_maps(runs, small_images, tmp_path):
    planes = draw_planes(small_images.test, 2)
    maps = load(save(sample(runs, planes, resolution=4, device="cpu"), tmp_path / "a.nc"))
    names = [run.spec.name for run in runs]
    expected = {"trained": {"torch": {"2.15.0": names[:2], "2.11.0": names[2:]}}, "computed": {}}
    assert environment_differences(maps) == expected
    assert environment_differences(maps.isel(model=[0, 1])) == {"trained": {}, "computed": {}}
    kept = json.loads(maps.attrs["environments"])
    assert len(kept) == 3  # two of trainings, each once, and that of the sampling
    assert not any("argv" in entry["environment"] for entry in kept)
    assert json.loads(maps.attrs["environment"])["packages"]["torch"] == torch.__version__.partition("+")[0]


def test_different_environments_of_sampling_are_distinguished(runs, small_images, monkeypatch):
    planes = draw_planes(small_images.test, 2)
    parts = []
    for sampled, env in ((runs[:1], OLD), (runs[1:], NEW)):
        monkeypatch.setattr(sampling_module, "environment", lambda _, env=env: env)
        parts.append(sample(sampled, planes, resolution=4, device="cpu"))
    names = [run.spec.name for run in runs]
    assert environment_differences(parts[1])["computed"] == {}
    assert environment_differences(combine(parts)) == {
        "trained": {"torch": {"2.15.0": names[:2], "2.11.0": names[2:]}},
        "computed": {"torch": {"2.11.0": names[:1], "2.15.0": names[1:]}},
    }


def test_margins_hold_them_too(runs, small_images):
    margins = measure_margins(runs, small_images.test, indices=[0], directions=1, device="cpu")
    assert environment_differences(margins)["trained"]["torch"]["2.11.0"] == [runs[2].spec.name]


def test_modules_have_the_environment_of_their_sampling_alone(small_images):
    maps = sample(build("mlp", width=4), draw_planes(small_images.test, 1), resolution=3, device="cpu")
    (entry,) = json.loads(maps.attrs["environments"])
    assert entry["computed"] == ["model 0"]
    assert "trained" not in entry


def test_nothing_is_known_of_maps_written_before_environments_were_kept(small_images):
    maps = sample(build("mlp", width=4), draw_planes(small_images.test, 1), resolution=3, device="cpu")
    del maps.attrs["environments"]
    assert environment_differences(maps) == {"trained": {}, "computed": {}}


def test_the_stored_settings_are_those_of_the_sampling(small_images):
    maps = sample(build("mlp", width=4), draw_planes(small_images.test, 1), resolution=3, device="cpu")
    stored = json.loads(maps.attrs["environment"])
    assert stored["deterministic_algorithms"]
    assert stored["fp32_precision"]["cudnn.conv"] == "ieee"
