"""python -m dbviz.score: from runs and from label-map files, and what it refuses."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dbviz.reports.summary
from dbviz import label_maps
from dbviz.cli.score import main
from dbviz.core.files import load_tensors
from dbviz.runs import fitting
from dbviz.scores import agreement, fragmentation, networks, reproducibility_matrix

TRAINING = ["--dataset", "shapes", "--train-size", "64", "--epochs", "1", "--width", "16", "--device", "cpu"]
PLANES = ["--triplets", "4", "--resolution", "6"]


@pytest.fixture(autouse=True)
def _figures_closed():
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch):
    """Figures are drawn once, by `scored_once`: they take most of a command's time."""
    monkeypatch.setattr(dbviz.reports.summary, "_figures", lambda *_: {})


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory) -> Path:
    """Runs trained once for all tests of this file."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _at_home(shared_home, monkeypatch):
    monkeypatch.setenv("DBVIZ_HOME", str(shared_home))


@pytest.fixture(scope="module")
def scored_once(shared_home, tmp_path_factory) -> tuple[Path, str]:
    """The label maps of two architectures under two seeds, scored; their folder's place and what was printed."""
    out, said = tmp_path_factory.mktemp("scores"), io.StringIO()
    arguments = [*TRAINING, *PLANES, "--arch", "fcnet", "resnet18", "--seeds", "0-1"]
    arguments += ["--convergence", "--margins", "6", "--home", str(shared_home), "--out", str(out)]
    with contextlib.redirect_stdout(said):
        assert main(arguments) == 0
    return out, said.getvalue()


@pytest.fixture
def scored(scored_once) -> Path:
    """The label maps of those scores, copied with all that was written beside them."""
    shutil.copytree(scored_once[0], "results/score")
    return next(path for path in Path("results/score").glob("*.nc") if path.with_suffix(".json").exists())


def test_scores_of_runs_are_printed_stored_and_drawn(scored, scored_once):
    summary = json.loads(scored.with_suffix(".json").read_text())
    maps = label_maps.load(scored)
    matrix = reproducibility_matrix(maps)
    stored = {tuple(cell["networks"]): cell["value"] for cell in summary["reproducibility"]}
    assert stored == {
        (a, b): matrix[a, b].value for a, b in [("fcnet", "fcnet"), ("fcnet", "resnet18"), ("resnet18", "resnet18")]
    }
    assert {name: cell["value"] for name, cell in summary["scores"]["fragments of a plane"].items()} == {
        name: estimate.value for name, estimate in fragmentation(maps).items()
    }
    assert str(matrix["fcnet", "resnet18"]) in scored_once[1]
    endings = sorted(path.name.removeprefix(scored.stem) for path in Path("results/score").glob(f"{scored.stem}*"))
    extremes = [f"-extremes-{name}.pdf" for name in ("fcnet", "resnet18")]
    figures = ["-matrix.csv", "-matrix.pdf", "-matrix.tex", "-planes.pdf", "-scores.csv", "-scores.pdf", "-scores.tex"]
    pairs = ["-differences.csv", "-differences.tex", "-matrices.csv"]
    assert endings == sorted([*extremes, *figures, *pairs, ".json", ".nc"])


def test_every_score_has_its_row_and_its_line(scored, scored_once):
    rows = ["reproducibility", "beyond chance", "Jaccard", "inside the triangle", "fragments of a plane"]
    rows += ["test accuracy", "churn", "divergence", "fragments at 3 x 3", "fragments at 6 x 6", "fragments at 11 x 11"]
    rows += ["median margin, all images"]
    for row in rows:
        assert row in scored_once[1]
    table = Path(f"{scored.with_suffix('')}-scores.csv").read_text()
    assert table.startswith(
        "score,network,value,low,high,level,items,item,runs,other_runs,note\nreproducibility,fcnet,"
    )
    assert "\ntest accuracy,resnet18," in table


def test_convergence_at_the_full_resolution_is_the_fragmentation(scored):
    scores = json.loads(scored.with_suffix(".json").read_text())["scores"]
    assert scores["fragments at 6 x 6"] == scores["fragments of a plane"]


def test_few_runs_cannot_be_planned_from(scored, capsys):
    assert main([str(scored), "--half-width", "0.01"]) == 2
    assert "at least three" in capsys.readouterr().err


def test_the_floor_compares_runs_with_their_nudged_siblings(capsys):
    arguments = [*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0-1", "--floor"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "instability floor (disagreement)" in printed
    assert "disagreement between seeds" in printed
    (path,) = Path("results/score").glob("*.json")
    scores, maps = json.loads(path.read_text())["scores"], label_maps.load(path.with_suffix(".nc"))
    assert list(maps.seed.values) == ["0", "1", "0-nudge0", "1-nudge0"]
    labels = maps.labels.values
    floor = np.mean([1 - agreement(labels[k], labels[k + 2]) for k in (0, 1)])
    assert scores["instability floor (disagreement)"]["fcnet"]["value"] == pytest.approx(floor)
    between = 1 - agreement(labels[0], labels[1])
    assert scores["disagreement between seeds"]["fcnet"]["value"] == pytest.approx(between)
    assert scores["reproducibility"]["fcnet"]["value"] == pytest.approx(agreement(labels[0], labels[1]))


def test_optimizers_and_modes_are_compared_under_their_own_names(capsys):
    modes = ["--optimizer", "sgd", "adam", "--mode", "plain", "mixup"]
    assert main([*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0", *modes]) == 0
    (path,) = Path("results/score").glob("*.nc")
    names = ["fcnet sgd plain", "fcnet sgd mixup", "fcnet adam plain", "fcnet adam mixup"]
    assert networks(label_maps.load(path)) == names
    assert all(name.rpartition(" ")[0] in capsys.readouterr().out for name in names[:1])


@pytest.mark.usefixtures("scored_once")
def test_a_student_learns_from_a_run_of_the_store(shared_home):
    teacher = next(path.name for path in shared_home.glob("shapes-resnet18-*-s0-*"))
    student = [*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0-1", "--mode", "distil-soft"]
    assert main([*student, "--teacher", teacher, "--out", "students"]) == 0
    (path,) = Path("students").glob("*.nc")
    specs = json.loads(label_maps.load(path).attrs["specs"]).values()
    assert {spec["teacher"][:10] for spec in specs} == {teacher.rpartition("-")[2]}


def test_label_map_files_alone_give_the_same_scores(scored, capsys, monkeypatch):
    maps = label_maps.load(scored)
    label_maps.save(maps.isel(model=slice(2)), "a.nc")
    label_maps.save(maps.isel(model=slice(2, 4)), "b.nc")
    monkeypatch.setattr(fitting, "fit_specs", lambda *_, **__: pytest.fail("trained"))
    assert main(["a.nc", "b.nc", "--out", "again"]) == 0
    again, first = (
        json.loads(path.read_text())["reproducibility"]
        for path in (Path("again/a+b-from_files.json"), scored.with_suffix(".json"))
    )
    assert again == first
    assert "4 models on 4 planes from 2 files" in capsys.readouterr().out


@pytest.mark.parametrize("planes", [["noise"], ["shuffled"], ["around"], ["around", "--direction", "adversarial"]])
def test_planes_off_the_manifold_are_scored(planes):
    assert main([*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0-1", "--planes", *planes]) == 0
    (path,) = Path("results/score").glob("*.nc")
    assert label_maps.load(path).attrs["split"] == f"test {planes[0]}"


def test_planes_go_through_triplets_of_one_class():
    assert main([*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0-1", "--corners", "one-class"]) == 0
    (path,) = Path("results/score").glob("*.nc")
    assert all(len(set(labels)) == 1 for labels in label_maps.load(path).triplet_label.values)


@pytest.mark.parametrize(("among", "wrong"), [("mislabelled", True), ("correct", False)])
def test_planes_go_through_mislabelled_training_images(among, wrong, shared_home):
    noisy = ["--label-noise", "0.3", "--split", "train", "--among", among]
    assert main([*TRAINING, *PLANES, "--arch", "fcnet", "--seeds", "0-1", *noisy]) == 0
    (path,) = Path("results/score").glob("*.nc")
    triplets = label_maps.load(path).triplet.values
    for labels in shared_home.glob("*/labels.safetensors"):
        assert (load_tensors(labels)[0]["mislabelled"].numpy()[triplets] == wrong).all()


def test_results_of_different_environments_are_pointed_out(scored, capsys):
    maps = label_maps.load(scored)
    first, others = str(maps.model.values[0]), [str(name) for name in maps.model.values[1:]]
    base = json.loads(maps.attrs["environment"])
    older = base | {"packages": base["packages"] | {"torch": "2.11.0"}}
    entries = [{"environment": older, "trained": [first]}, {"environment": base, "trained": others}]
    capsys.readouterr()
    label_maps.save(maps.assign_attrs(environments=json.dumps(entries)), "a.nc")
    assert main(["a.nc", "--out", "again"]) == 0
    now = base["packages"]["torch"]
    expected = f"trained in different environments, which may change bits: torch {now} (3 models), 2.11.0 (1 model)."
    assert [line for line in capsys.readouterr().out.splitlines() if "environments" in line] == [f"Note: {expected}"]
    stored = json.loads(Path("again/a-from_files.json").read_text())["environment_differences"]
    assert stored == {"trained": {"torch": {"2.11.0": [first], now: others}}, "computed": {}}


def test_nothing_is_said_of_environments_that_agree(scored, scored_once):
    assert "environments" not in scored_once[1]
    stored = json.loads(scored.with_suffix(".json").read_text())["environment_differences"]
    assert stored == {"trained": {}, "computed": {}}


def changed(scored: Path, **attributes) -> None:
    maps = label_maps.load(scored)
    label_maps.save(maps.isel(model=slice(2)), "a.nc")
    label_maps.save(maps.isel(model=slice(2, 4)).assign_attrs(attributes), "b.nc")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"resolution": 7}, "differ in resolution (6 and 7)"),
        ({"margin": 0.5}, "differ in padding"),
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
        ([*TRAINING, "--seeds", "0-1", "--half-width", "0.1"], "at least three --seeds"),
        ([*TRAINING, "--among", "correct"], "--among goes with --label-noise"),
        (["a.nc", "--floor"], "leave them out where FILEs are scored"),
        ([*TRAINING, "--mode", "distil-soft"], "distillation needs a teacher"),
        ([*TRAINING, "--teacher", "some"], "goes with --mode distil-soft"),
        ([*TRAINING, "--mode", "distil-hard", "--teacher", "none"], "no finished run is called 'none'"),
        ([*TRAINING, "--arch", "fcnet", "fcnet"], "--arch fcnet is given twice"),
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
    maps = label_maps.load(scored)
    label_maps.save(maps.isel(model=slice(1)), "run.nc")
    label_maps.save(maps.isel(plane=slice(1)), "plane.nc")
    for file, said in (("run.nc", "at least two"), ("plane.nc", "at least two planes")):
        assert main([file]) == 2
        assert said in capsys.readouterr().err
