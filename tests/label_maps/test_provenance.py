"""Label maps know in which environment each model was trained and sampled, also when files are put together."""

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

CPU = torch.device("cpu")
OLD: dict[str, Any] = {"packages": {"torch": "2.11.0"}, "threads": 2}
NEW: dict[str, Any] = {"packages": {"torch": "2.15.0"}, "threads": 2}


@pytest.fixture
def runs(small_images, tmp_path) -> list[Run]:
    """Three runs, of which the last was trained with an older torch."""
    tiny = {"width": 4, "train_size": 32, "epochs": 1}
    specs = make_specs(["mlp"], range(3), images=small_images, preset="quick", device=CPU, **tiny)
    found = fit_specs(specs, small_images, device=CPU, home=tmp_path, progress=False)
    for run, env in zip(found, (NEW, NEW, OLD), strict=True):
        (run.directory / "environment.json").write_text(json.dumps(env | {"argv": [run.spec.name]}))
    return found


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


def test_files_sampled_in_different_environments_are_told_apart(runs, small_images, monkeypatch):
    planes = draw_planes(small_images.test, 2)
    parts = []
    for some, env in ((runs[:1], OLD), (runs[1:], NEW)):
        monkeypatch.setattr(sampling_module, "environment", lambda _, env=env: env)
        parts.append(sample(some, planes, resolution=4, device="cpu"))
    names = [run.spec.name for run in runs]
    assert environment_differences(parts[1])["computed"] == {}
    together = combine(parts)
    assert environment_differences(together) == {
        "trained": {"torch": {"2.15.0": names[:2], "2.11.0": names[2:]}},
        "computed": {"torch": {"2.11.0": names[:1], "2.15.0": names[1:]}},
    }


def test_margins_keep_them_too(runs, small_images):
    found = measure_margins(runs, small_images.test, indices=[0], directions=1, device="cpu")
    assert environment_differences(found)["trained"]["torch"]["2.11.0"] == [runs[2].spec.name]


def test_modules_without_a_training_have_an_environment_of_their_sampling_alone(small_images):
    maps = sample(build("mlp", width=4), draw_planes(small_images.test, 1), resolution=3, device="cpu")
    (entry,) = json.loads(maps.attrs["environments"])
    assert entry["computed"] == ["model 0"]
    assert "trained" not in entry


def test_maps_written_before_environments_were_kept_tell_nothing(small_images):
    maps = sample(build("mlp", width=4), draw_planes(small_images.test, 1), resolution=3, device="cpu")
    del maps.attrs["environments"]
    assert environment_differences(maps) == {"trained": {}, "computed": {}}


def test_the_settings_noted_are_those_of_the_sampling(small_images):
    maps = sample(build("mlp", width=4), draw_planes(small_images.test, 1), resolution=3, device="cpu")
    noted = json.loads(maps.attrs["environment"])
    assert noted["deterministic_algorithms"]
    assert noted["fp32_precision"]["cudnn.conv"] == "ieee"
