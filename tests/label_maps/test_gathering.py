"""Label maps sampled in parts: the same as at once, whoever samples a part; resumed; failures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dbviz.core.errors import InputError, RunsFailed
from dbviz.executors import Failed, Finished, InProcess, Pool, Started
from dbviz.label_maps import content_digest, gathering, sample, save
from dbviz.label_maps.gathering import Part, Sampling, gather, parts_of, sample_in_parts
from dbviz.label_maps.provenance import provenance
from dbviz.planes import draw_planes
from dbviz.runs import fit

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sampling(small_images, tmp_path_factory):
    """Two small networks on five planes."""
    tiny: dict[str, Any] = {
        "width": 4,
        "train_size": 32,
        "epochs": 1,
        "preset": "quick",
        "device": "cpu",
        "progress": False,
    }
    runs = fit("resnet18", seeds=(0, 1), dataset=small_images, home=tmp_path_factory.mktemp("home"), **tiny)
    planes = draw_planes(small_images.test, 5)
    models = {run.spec.name: run for run in runs}
    return Sampling(runs=models, planes=planes, resolution=12, padding=0.1, confidence=True, device="cpu")


@pytest.fixture
def parts(sampling, monkeypatch) -> list[Part]:
    """Both networks on groups of two planes, and the last plane alone."""
    monkeypatch.setitem(gathering._POINTS, "cpu", 2 * 12**2)
    made = parts_of(list(sampling.runs), 5, 12, CPU)
    assert [(part.start, part.stop) for part in made] == 2 * [(0, 2), (2, 4), (4, 5)]
    return made


def at_once(sampling: Sampling, **changes):
    grid = {"resolution": 12, "padding": 0.1, "confidence": True, "device": "cpu"} | changes
    return sample(sampling.runs, sampling.planes, **grid)


def test_groups_depend_on_the_grid_and_the_device_alone():
    assert len(parts_of(["a", "b"], 500, 50, CPU)) == 2 * 5
    assert len(parts_of(["a", "b"], 500, 50, torch.device("cuda"))) == 2
    assert len(parts_of(["a"], 3, 500, CPU)) == 3
    assert len(parts_of(["a"], 3, 5000, CPU)) == 3  # a plane is never split


def test_parts_gathered_are_the_maps_sampled_at_once(sampling, parts, tmp_path):
    maps, whole = sample_in_parts(sampling, parts, InProcess(threads=1), tmp_path / "parts"), at_once(sampling)
    assert maps.labels.equals(whole.labels)
    assert maps.confidence.dtype == whole.confidence.dtype
    assert maps.sizes == whole.sizes
    assert set(maps.variables) == set(whole.variables)
    assert {name: maps[name].identical(whole[name]) for name in whole.coords} == dict.fromkeys(whole.coords, True)
    source = provenance(sampling.runs, sampling.planes, 12, 0.1)
    assert {name: maps.attrs[name] for name in source} == source
    assert maps.attrs.keys() == whole.attrs.keys()
    assert json.loads(maps.attrs["environments"]) == json.loads(whole.attrs["environments"])
    assert set(json.loads(maps.attrs["evaluation"])) == set(sampling.runs)
    assert not (tmp_path / "parts").exists()


def test_the_content_does_not_depend_on_who_samples_which_part(sampling, parts, tmp_path):
    executors = [InProcess(threads=1), Pool(processes=2, threads=1)]
    digests = {content_digest(sample_in_parts(sampling, parts, e, tmp_path / "parts")) for e in executors}
    assert len(digests) == 1


def test_networks_are_sampled_alone_as_together(sampling):
    alone = [sample({name: run}, sampling.planes, resolution=12, device="cpu") for name, run in sampling.runs.items()]
    assert gather(alone, sampling.planes).labels.equals(at_once(sampling, confidence=False).labels)


def test_finished_parts_are_kept_when_the_command_is_killed(sampling, parts, tmp_path, monkeypatch):
    done = []

    def interrupted(event):
        done.extend([event.item] if isinstance(event, Finished) else [])
        if isinstance(event, Started) and len(done) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_in_parts(sampling, parts, InProcess(), tmp_path / "parts", on_event=interrupted)
    assert len(list((tmp_path / "parts").iterdir())) == 2
    first = next((tmp_path / "parts").iterdir())
    first.write_bytes(first.read_bytes()[:-1])  # a damaged part is sampled again
    again = []
    monkeypatch.setattr(gathering, "sample", lambda *a, **k: again.append(a) or sample(*a, **k))
    maps = sample_in_parts(sampling, parts, InProcess(), tmp_path / "parts")
    assert len(again) == len(parts) - 1
    assert maps.labels.equals(at_once(sampling).labels)


def test_parts_of_other_weights_or_refined_ones_are_not_taken(sampling, parts, tmp_path, monkeypatch):
    refined = replace(sampling, confidence=False, refine=True)
    save(refined(parts[0]), gathering._path(refined, parts[0], tmp_path))
    assert gathering._stored(refined, parts[0], tmp_path) is not None
    assert gathering._stored(sampling, parts[0], tmp_path) is None
    monkeypatch.setattr(gathering, "provenance", lambda *_: {"weights": '{"a": "b"}'})
    assert gathering._stored(refined, parts[0], tmp_path) is None


def test_a_part_that_fails_stops_no_other(sampling, parts, tmp_path, monkeypatch):
    def failing(models, planes, **grid):
        if len(planes) == 1:
            raise KeyError("why")
        return sample(models, planes, **grid)

    monkeypatch.setattr(gathering, "sample", failing)
    events: list = []
    with pytest.raises(RunsFailed, match=r"2 of 6 parts of .* failed, first label maps of .* 4 to 4: 'why'"):
        sample_in_parts(sampling, parts, InProcess(), tmp_path / "parts", on_event=events.append)
    assert len([event for event in events if isinstance(event, Failed)]) == 2
    assert len(list((tmp_path / "parts").iterdir())) == 4


def test_a_run_that_cannot_be_sampled_is_bad_input(sampling, parts, tmp_path):
    with pytest.raises(InputError, match="resolution is 1"):
        sample_in_parts(replace(sampling, resolution=1), parts, InProcess(), tmp_path / "parts")


def test_a_run_is_found_from_another_directory(sampling, parts, tmp_path, monkeypatch):
    home = next(iter(sampling.runs.values())).directory.parent
    monkeypatch.chdir(home)
    runs = {name: replace(run, directory=Path(run.directory.name)) for name, run in sampling.runs.items()}
    seen = []
    monkeypatch.setattr(gathering, "run_tasks", lambda _, task, *__, **___: seen.append(task) or [])
    with pytest.raises(KeyError):
        sample_in_parts(replace(sampling, runs=runs), parts, InProcess(), tmp_path / "parts")
    assert {run.directory for run in seen[0].runs.values()} == {home / name for name in runs}
