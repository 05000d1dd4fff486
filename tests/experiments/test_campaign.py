"""The campaign in pieces: it stops in time, resumes anywhere, and trains nothing twice."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import dbviz
from dbviz.cli.console import run_command
from dbviz.core.errors import InputError, TrainingDiverged
from dbviz.executors import InProcess
from dbviz.label_maps import archive as archives
from dbviz.label_maps import load, save
from dbviz.runs import store
from dbviz.spec import RunSpec
from dbviz.sweeps import Study, make_curves, run_sweep

PAPER = Path(__file__).parents[2] / "experiments" / "paper"
TINY = (
    *("--preset", "quick", "--arch", "fcnet", "--width", "16", "--train-size", "64", "--epochs", "2"),
    *("--seeds", "0", "1", "--dataset", "shapes", "--triplets", "3", "--resolution", "6"),
    *("--device", "cpu", "--executor", "here"),
)
Call = Callable[..., int]


def part(name: str) -> ModuleType:
    return importlib.import_module(f"campaign_parts.{name}")


pytestmark = pytest.mark.usefixtures("few_images")


@pytest.fixture(autouse=True)
def _folder_of_the_script(monkeypatch) -> None:
    monkeypatch.syspath_prepend(PAPER)
    part("network").images_and_planes.cache_clear()


@pytest.fixture
def campaign() -> ModuleType:
    return importlib.import_module("campaign")


def caller(campaign: ModuleType) -> Call:
    """Calls the script; an option that is given again replaces the one before."""

    def called(*arguments: str, stage: str = "architectures", tiny: Sequence[str] = TINY) -> int:
        places = ("--home", "home", "--archive", "campaign.nc", "--out", "out")
        everything = ("--stage", stage, *tiny, *places, *arguments)
        return run_command("python experiments/paper/campaign.py", campaign.Options, campaign.main, everything)

    return called


@pytest.fixture
def scored_call(campaign) -> Call:
    return caller(campaign)


@pytest.fixture
def call(campaign, monkeypatch) -> Call:
    """As `scored_call`, without the scores and figures at the end."""
    monkeypatch.setattr(part("results").StageResults, "write", lambda _: [])
    return caller(campaign)


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The names of the networks whose training is begun or resumed."""
    names: list[str] = []
    original = part("network").train_run

    def train_run(spec: RunSpec, *arguments, **options) -> None:
        names.append(spec.name)
        original(spec, *arguments, **options)

    monkeypatch.setattr(part("network"), "train_run", train_run)
    return names


@pytest.fixture
def clock(campaign, monkeypatch) -> SimpleNamespace:
    """A clock that the campaign looks at, and that only a training moves: by `step` seconds a batch."""
    clock = SimpleNamespace(now=0.0, step=1.0)
    fake = SimpleNamespace(time=lambda: clock.now, perf_counter=lambda: clock.now)
    for module in (campaign, part("network"), part("schedule")):
        monkeypatch.setattr(module, "time", fake)
    check = part("network").Network._check_time

    def check_time(network: object, count: int) -> None:
        clock.now += clock.step
        check(network, count)

    monkeypatch.setattr(part("network").Network, "_check_time", check_time)
    return clock


def spec_of(name: str) -> RunSpec:
    return RunSpec.from_dict(json.loads(archives.load_archive("campaign.nc").attrs["specs"])[name])


def test_complete_stage_is_archived_scored_and_ends_with_status_0(scored_call, small_images, capsys):
    assert scored_call() == 0
    archive = archives.load_archive("campaign.nc")
    assert archive.labels.shape == (2, 3, 6, 6)
    assert archive.attrs["preset"] == "quick"
    for position, name in enumerate(archive.model.values):
        run = store.find(spec_of(name), Path("home"))
        assert run is not None
        assert (archives.predictions(archive)[position] == run.test_logits().numpy().argmax(axis=1)).all()
        train = small_images.train.first(64)
        outputs = run.model()(train.normalized(list(range(64)))).argmax(1).numpy()
        assert archive.train_wrong.values[position].tolist() == [*(outputs != train.labels), *[255] * 64]
    table = pd.read_csv("out/architectures/architectures-networks.csv", index_col="network")
    assert table.test_accuracy.tolist() == pytest.approx(archive.test_accuracy.values.tolist())
    assert "Reproducibility" in capsys.readouterr().out
    scores = json.loads(Path("out/architectures/architectures-scores.json").read_text())
    assert scores["label_maps"] == "campaign.nc"
    assert {"reproducibility", "test accuracy", "churn"} <= scores["scores"].keys()


def test_label_maps_are_those_of_sample(call, small_images):
    call()
    archive = archives.load_archive("campaign.nc")
    runs = [store.find(spec_of(name), Path("home")) for name in archive.model.values]
    planes = dbviz.draw_planes(small_images.test, 3)
    maps = dbviz.sample([run for run in runs if run], planes, resolution=6, device="cpu")
    assert (maps.labels.values == archive.labels.values).all()


def test_nothing_in_the_archive_is_trained_on_another_machine(call, trained):
    call("--seeds", "0")
    first = archives.load_archive("campaign.nc")
    assert len(trained) == 1
    assert call("--home", "other") == 0
    assert len(trained) == 2
    assert trained[0] != trained[1]
    both = archives.load_archive("campaign.nc")
    assert both.model.values.tolist() == trained
    for name in ("labels", "logits", "train_wrong", "training"):
        assert np.array_equal(both[name].values[0], first[name].values[0], equal_nan=True)
    assert call("--home", "third") == 0
    assert len(trained) == 2
    assert not Path("third").exists()


def test_stops_in_time_and_resumes_from_the_checkpoint(call, trained, clock):
    long = ("--epochs", "80", "--seeds", "0")  # of one batch, so that a minute is 60 epochs
    assert call(*long, "--minutes", "1") == 3
    assert clock.now == 60
    assert not Path("campaign.nc").exists()
    (directory,) = Path("home").iterdir()
    assert (directory / "resume.safetensors").exists()
    assert call(*long, "--minutes", "1") == 0
    assert clock.now < 60 + 30  # else it began again
    assert len(trained) == 2
    weights = archives.load_archive("campaign.nc").attrs["weights"]
    assert call(*long, "--minutes", "9", "--home", "other", "--archive", "other.nc") == 0
    assert archives.load_archive("other.nc").attrs["weights"] == weights


def test_finished_networks_are_archived_before_time_is_up(call, clock, capsys):
    assert call("--epochs", "40", "--minutes", "1") == 3
    assert clock.now == 60
    assert archives.load_archive("campaign.nc").sizes["model"] == 1
    assert "campaign.nc has 1 of the 2 networks of architectures" in capsys.readouterr().out
    assert call("--epochs", "40", "--minutes", "2", "--home", "other") == 0
    assert clock.now == 60 + 40  # from its beginning


def test_network_without_time_for_sampling_is_sampled_by_the_next_call(call, clock, trained, monkeypatch):
    monkeypatch.setattr(part("schedule"), "estimate_measuring_seconds", lambda *_: 600.0)
    assert call("--seeds", "0", "--minutes", "1") == 3
    assert not Path("campaign.nc").exists()
    assert call("--seeds", "0", "--minutes", "1") == 0
    assert clock.now == 2
    assert len(trained) == 2  # the second call finds it trained


def test_scores_are_left_to_the_next_call_where_time_is_short(scored_call, clock, capsys):
    assert scored_call("--epochs", "40", "--seeds", "0", "--minutes", "1") == 3
    assert "continues with the scores" in capsys.readouterr().out
    assert not Path("out/architectures").exists()
    assert scored_call("--epochs", "40", "--seeds", "0", "--minutes", "1") == 0
    assert clock.now == 40


def test_zero_minutes_score_what_there_is_and_train_nothing(scored_call, trained):
    scored_call("--seeds", "0", "1")
    trained.clear()
    assert scored_call("--seeds", "0-2", "--minutes", "0", "--home", "other") == 3
    assert not trained
    assert not Path("other").exists()
    assert Path("out/architectures/architectures-scores.json").exists()


def test_zero_minutes_without_an_archive(call):
    assert call("--minutes", "0") == 3


def test_finished_entry_of_this_machine_is_archived_without_training(call, trained):
    call("--seeds", "0")
    trained.clear()
    assert call("--seeds", "0", "--archive", "second.nc") == 0
    assert not trained
    assert archives.load_archive("second.nc").sizes["model"] == 1


def test_interruption_loses_the_network_at_work_alone(call, monkeypatch):
    original, begun = part("network").train_run, []

    def train_run(spec: RunSpec, *arguments, **options) -> None:
        begun.append(spec)
        if len(begun) == 2:
            raise KeyboardInterrupt
        original(spec, *arguments, **options)

    monkeypatch.setattr(part("network"), "train_run", train_run)
    assert call() == 130
    assert archives.load_archive("campaign.nc").model.values.tolist() == [begun[0].name]


def test_failed_network_stops_no_other(call, monkeypatch, capsys):
    original = part("network").train_run

    def train_run(spec: RunSpec, *arguments, **options) -> None:
        if spec.seeds.init == 0:
            raise TrainingDiverged("the loss is infinite")
        original(spec, *arguments, **options)

    monkeypatch.setattr(part("network"), "train_run", train_run)
    assert call() == 1
    assert "1 of 2 networks failed" in capsys.readouterr().err
    assert archives.load_archive("campaign.nc").sizes["model"] == 1


# ---- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--triplets", "2"), "campaign.nc has number of planes 3, this call 2: give the options"),
        (("--triplet-seed", "1"), "campaign.nc has planes "),
        (("--resolution", "7"), "campaign.nc has resolution 6, this call 7"),
        (("--padding", "0.2"), "campaign.nc has padding 0.1, this call 0.2"),
        (("--preset", "standard"), "campaign.nc has preset quick, this call standard"),
        (("--triplets", "1"), "1 planes: intervals need at least two"),
        (("--minutes", "-1"), "--minutes is -1: give 0"),
        (("--widths", "4", "4"), "--widths 4 is given twice"),
        (("--arch", "vit", "fcnet", "--stage", "sources"), "2 architectures given: the sources of one"),
        (("--arch", "nonsense"), "unknown architecture 'nonsense'"),
    ],
)
def test_other_settings_are_refused_in_one_line(call, capsys, trained, options, message):
    call("--seeds", "0")
    trained.clear()
    before = Path("campaign.nc").read_bytes()
    capsys.readouterr()
    assert call(*options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not trained
    assert Path("campaign.nc").read_bytes() == before


def test_damaged_archive_is_refused(call, capsys, trained):
    call("--seeds", "0")
    trained.clear()
    content = Path("campaign.nc").read_bytes()
    Path("campaign.nc").write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    assert call() == 2
    assert "campaign.nc is damaged" in capsys.readouterr().err
    assert not trained


def test_file_of_label_maps_is_refused(call, capsys):
    call("--seeds", "0")
    save(load("campaign.nc").drop_vars("logits"), "campaign.nc")
    assert call() == 2
    assert "is no archive" in capsys.readouterr().err


def test_archive_that_would_grow_too_large_is_refused_before_training(call, capsys, trained, monkeypatch):
    monkeypatch.setattr(part("archive_file"), "LIMIT", 400_000)
    assert call() == 2
    assert "2 more networks would make campaign.nc about 0 MiB, above the limit" in capsys.readouterr().err
    assert not trained


# ---- stages


def test_machine_is_audited_in_a_process_of_its_own(call, monkeypatch):
    commands = []

    def run(command: list[str]) -> subprocess.CompletedProcess:
        commands.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert call("--minutes", "4", stage="machine") == 3
    audit = [sys.executable, "-m", "dbviz.audit", "machine"]
    assert commands == [[*audit, "--device", "cpu", "--minutes", "4", "--out", "out/machine", "--quick"]]


def test_double_descent_has_the_curves_of_a_sweep(scored_call, small_images):
    tiny = [*TINY, "--widths", "16", "--epochs", "4"]
    tiny[tiny.index("fcnet")] = "mlp"
    assert scored_call(stage="double_descent", tiny=tiny) == 0
    archive = archives.load_archive("campaign.nc")
    specs = [spec_of(name) for name in archive.model.values]
    assert len(specs) == 4
    study = Study(dataset="shapes", images=small_images, home=Path("home"), device="cpu", triplets=3, resolution=6)
    assert run_sweep(specs, study, InProcess(), progress=False) == []
    assert dbviz.sweeps.load("out/double_descent/double_descent-curves.json") == make_curves_without_variances(
        specs, study
    )


def make_curves_without_variances(specs: Sequence[RunSpec], study: Study) -> object:
    """The curves of a sweep, written and read."""
    fields = {"curves": [part("results").curve_fields(curve) for curve in make_curves(specs, study)]}
    Path("curves.json").write_text(json.dumps(fields))
    return dbviz.sweeps.load("curves.json")


def test_optimizers_are_compared(scored_call):
    assert scored_call("--seeds", "0", stage="optimizers") == 0
    table = pd.read_csv("out/optimizers/optimizers-table.csv", index_col=0)
    assert table.index.tolist() == ["fcnet adam", "fcnet sgd", "fcnet sam"]
    assert not table["test accuracy"].isna().to_numpy().any()


def test_kernels_of_a_cpu_repeat_exactly(scored_call):
    assert scored_call("--seeds", "0", "--runs", "2", stage="sources") == 0
    result = json.loads(Path("out/sources/sources-analysis.json").read_text())
    churn = {cell: fields["value"] for cell, fields in result["scores"]["churn"].items()}
    assert churn["kernels"] == 0.0
    assert churn["init + order + augment"] > 0
    assert result["scores"]["reproducibility"]["kernels"]["value"] == 1.0


def test_sources_of_an_early_end_are_those_whose_runs_are_complete(small_images):
    stages, results = part("stages"), part("results")
    design = stages.design_of(stages.StageOptions(stage="sources", runs=3), small_images)
    cells = results.complete_cells(design, [*design.cells["init",], design.cells["order",][1]])
    assert {cell: runs.tolist() for cell, runs in cells.items()} == {("init",): [0, 1, 2]}


def test_stages_have_the_same_networks_on_every_machine(small_images):
    stages = part("stages")
    options = stages.StageOptions(stage="architectures")
    specs = stages.specs_of(options, small_images)
    assert [(spec.arch, spec.seeds.init) for spec in specs[:4]] == [
        *(("resnet18", 0), ("vgg19", 0), ("fcnet", 0), ("resnet18", 1))
    ]
    assert {spec.recipe.precision for spec in specs} == {"bf16"}
    assert len(stages.specs_of(stages.StageOptions(stage="double_descent"), small_images)) == 48


# ---- schedule


def timing_of(schedule: ModuleType, seconds: dict[RunSpec, float]):
    return schedule.Timing(estimates=seconds, sampling=0.0)


@pytest.fixture
def networks(small_images) -> list[RunSpec]:
    """resnet18, vgg19 and fcnet under seed 0, then under seed 1."""
    stages = part("stages")
    return stages.specs_of(stages.StageOptions(stage="architectures", seeds=("0-1",)), small_images)


def test_estimates_are_corrected_by_what_is_measured(networks):
    timing = timing_of(part("schedule"), dict(zip(networks[:3], (10.0, 20.0, 30.0), strict=True)))
    assert timing.total(networks, concurrency=1) == 120
    assert timing.total(networks, concurrency=4) == 30
    timing.record(networks[0], 30.0)
    assert timing.seconds(networks[3]) == 30  # the same network under another seed
    assert timing.seconds(networks[1]) == 60  # three times its estimate, too


def test_next_is_what_was_begun_then_what_fits(networks, clock, tmp_path):
    schedule, network = part("schedule"), part("network")
    task = network.Network(planes=network.PlaneOptions(), home=tmp_path, device="cpu", deadline=25.0)
    timing = timing_of(schedule, dict(zip(networks[:3], (30.0, 20.0, 10.0), strict=True)))
    clock.now = 2.0
    assert schedule.next_networks(networks[:3], task, timing, 1) == [networks[1]]
    assert schedule.next_networks(networks[:1], task, timing, 1) == [networks[0]]
    assert schedule.next_networks(networks[:3], task, timing, 8) == [networks[1], networks[2], networks[0]]
    (tmp_path / networks[0].name).mkdir()
    (tmp_path / networks[0].name / "spec.json").touch()
    assert schedule.next_networks(networks[:3], task, timing, 1) == [networks[0]]


def test_room_is_measured_by_the_networks_in_the_archive(small_images, tmp_path):
    archive_file, planes = part("archive_file"), part("network").PlaneOptions()
    maps = dbviz.label_maps.from_array(np.zeros((4, 2, 3, 3), np.uint8))
    of_planes = 2**20  # bytes, which further networks do not add
    maps = maps.drop_vars([name for name, values in maps.coords.items() if "model" not in values.dims])
    maps = maps.assign_coords(b=("point", np.zeros(of_planes // 8)))
    file = archive_file.ArchiveFile(tmp_path / "a.nc", "quick", maps, size=4 * 2**20 + of_planes)
    file.check_room(11, small_images, planes)
    with pytest.raises(InputError, match=r"12 more networks would make .* about 17 MiB, above the limit of 16 MiB"):
        file.check_room(12, small_images, planes)


def test_every_stage_fits_into_one_archive(small_images, tmp_path):
    stages, planes = part("stages"), part("network").PlaneOptions()
    images = SimpleNamespace(train=range(50_000), test=range(10_000), class_names=range(10))
    for stage in ("architectures", "patches", "double_descent", "optimizers", "sources"):
        count = len(stages.specs_of(stages.StageOptions(stage=stage), small_images))
        part("archive_file").ArchiveFile(tmp_path / "a.nc", "standard").check_room(count, images, planes)
