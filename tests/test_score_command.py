"""python -m dbviz.score: from runs and from label-map files, and what it refuses."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from dbviz import regions, runs
from dbviz.score import main
from dbviz.scores import fragmentation, reproducibility_matrix

TRAINING = ["--dataset", "shapes", "--train-size", "64", "--epochs", "1", "--width", "16", "--device", "cpu"]
PLANES = ["--triplets", "4", "--resolution", "6"]


@pytest.fixture(autouse=True)
def _figures_closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory) -> Path:
    """Runs trained once for all tests of this file."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _at_home(shared_home, monkeypatch):
    monkeypatch.setenv("DBVIZ_HOME", str(shared_home))


@pytest.fixture
def scored(_at_home) -> Path:
    """The label maps of two architectures under two seeds, scored."""
    assert main([*TRAINING, *PLANES, "--arch", "fcnet", "resnet18", "--seeds", "0-1"]) == 0
    (path,) = Path("scores").glob("*.nc")
    return path


def test_scores_of_runs_are_printed_stored_and_drawn(capsys, scored):
    found = json.loads(scored.with_suffix(".json").read_text())
    maps = regions.load(scored)
    matrix = reproducibility_matrix(maps)
    stored = {tuple(cell["archs"]): cell["value"] for cell in found["reproducibility"]}
    assert stored == {
        (a, b): matrix[a, b].value for a, b in [("fcnet", "fcnet"), ("fcnet", "resnet18"), ("resnet18", "resnet18")]
    }
    assert {arch: cell["value"] for arch, cell in found["fragmentation"].items()} == {
        arch: estimate.value for arch, estimate in fragmentation(maps).items()
    }
    out = capsys.readouterr().out
    assert str(matrix["fcnet", "resnet18"]) in out
    endings = sorted(path.name.removeprefix(scored.stem) for path in Path("scores").iterdir())
    assert endings == ["-fragmentation.pdf", "-matrix.pdf", ".csv", ".json", ".nc", ".tex"]


def test_label_map_files_alone_give_the_same_scores(scored, capsys, monkeypatch):
    maps = regions.load(scored)
    regions.save(maps.isel(model=slice(2)), "a.nc")
    regions.save(maps.isel(model=slice(2, 4)), "b.nc")
    monkeypatch.setattr(runs, "fit_specs", lambda *_, **__: pytest.fail("trained"))
    assert main(["a.nc", "b.nc", "--out", "again"]) == 0
    again, first = (
        json.loads(path.read_text())["reproducibility"]
        for path in (Path("again/a+b.json"), scored.with_suffix(".json"))
    )
    assert again == first
    assert "4 models on 4 planes from 2 files" in capsys.readouterr().out


@pytest.mark.parametrize("planes", ["noise", "shuffled", "around"])
def test_planes_off_the_manifold_are_scored(planes):
    assert main([*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0-1", "--planes", planes]) == 0
    (path,) = Path("scores").glob("*.nc")
    assert regions.load(path).attrs["split"] == f"test {planes}"


def changed(scored: Path, **attributes) -> None:
    maps = regions.load(scored)
    regions.save(maps.isel(model=slice(2)), "a.nc")
    regions.save(maps.isel(model=slice(2, 4)).assign_attrs(attributes), "b.nc")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"resolution": 7}, "differ in resolution (6 and 7)"),
        ({"margin": 0.5}, "differ in margin"),
        ({"planes": "others"}, "differ in planes"),
        ({"class_names": "[]"}, "differ in class_names"),
        ({"dataset": "cifar10"}, "differ in dataset (shapes and cifar10)"),
    ],
)
def test_maps_that_do_not_belong_together_are_refused(scored, capsys, attributes, said):
    changed(scored, **attributes)
    capsys.readouterr()
    assert main(["a.nc", "b.nc"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.nc", "a.nc"], "is in two of the files"),
        (["absent.nc"], "absent.nc does not exist"),
        ([*TRAINING, "--triplets", "1"], "at least two planes"),
        ([*TRAINING, "--seeds", "0"], "two runs"),
        ([*TRAINING, "--resolution", "1"], "resolution is 1"),
    ],
)
def test_too_little_is_refused_in_one_line(scored, capsys, arguments, said):
    changed(scored)
    capsys.readouterr()
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_one_run_or_one_plane_in_files_is_refused(scored, capsys):
    maps = regions.load(scored)
    regions.save(maps.isel(model=slice(1)), "run.nc")
    regions.save(maps.isel(plane=slice(1)), "plane.nc")
    for file, said in (("run.nc", "at least two"), ("plane.nc", "at least two planes")):
        assert main([file]) == 2
        assert said in capsys.readouterr().err
