"""Networks compared as the experiments do it: trained, sampled, scored, printed, written."""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dbviz.cli.label_maps
from dbviz.cli.comparison import Comparison, compare, print_summary
from dbviz.cli.label_maps import sample_job
from dbviz.cli.options import (
    ComparisonOptions,
    DataOptions,
    MachineOptions,
    NetworkOptions,
    OutputOptions,
    RecipeOptions,
    TripletOptions,
)
from dbviz.core.errors import InputError
from dbviz.planes import draw_planes
from dbviz.scores import reproducibility

OPTIONS = ComparisonOptions(
    networks=NetworkOptions(arch=("fcnet",), seeds=("0-1",), width=16, preset="quick"),
    data=DataOptions(dataset="shapes", train_size=64),
    recipe=RecipeOptions(epochs=1),
    planes=TripletOptions(triplets=3, triplet_seed=5),
    machine=MachineOptions(device="cpu"),
)


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> ComparisonOptions:
    home = tmp_path_factory.mktemp("home")
    machine = MachineOptions(device="cpu", home=home / "runs")
    return replace(OPTIONS, machine=machine, output=OutputOptions(out=home / "results"))


@pytest.fixture(scope="module")
def compared(options) -> Comparison:
    return compare("some_figure", options, resolution=5, padding=0.25)


def test_the_networks_asked_for_are_sampled_on_the_planes_asked_for(compared):
    assert [run.spec.seeds.init for run in compared.runs] == [0, 1]
    assert compared.maps.model.values.tolist() == [run.spec.name for run in compared.runs]
    triplets = draw_planes(compared.job.images.test, 3, seed=5).triplets
    assert np.array_equal(compared.maps.triplet.values, triplets)
    assert np.array_equal(compared.planes.triplets, triplets)
    assert dict(compared.maps.labels.sizes) == {"model": 2, "plane": 3, "row": 5, "column": 5}
    assert (compared.maps.evaluated == 25).all()
    assert compared.maps.attrs["margin"] == 0.25
    assert compared.path.parent.name == "results"
    assert compared.path.name.startswith("some_figure-shapes-quick-3-")


def test_what_was_compared_is_found_again(compared, options, monkeypatch):
    monkeypatch.setattr(dbviz.cli.label_maps, "sample", lambda *_, **__: pytest.fail("sampled"))
    again = compare("some_figure", options, resolution=5, padding=0.25)
    assert (again.path, again.runs) == (compared.path, compared.runs)
    assert again.maps.labels.equals(compared.maps.labels)


def test_other_planes_of_the_same_runs_have_a_file_of_their_own(compared, options):
    one_class = draw_planes(compared.job.images.test, 2, one_class=True)
    parts = ["some_figure", "one class"]
    maps, path = sample_job(compared.job, compared.runs[:1], one_class, options.output.out, parts, resolution=4)
    assert dict(maps.labels.sizes) == {"model": 1, "plane": 2, "row": 4, "column": 4}
    assert path.name.startswith("some_figure-one_class-")


def test_the_summary_is_printed_and_written_beside_the_maps(compared, tmp_path, capsys):
    compared = replace(compared, path=tmp_path / "results" / compared.path.name)
    compared.path.parent.mkdir()
    plain, summary = compared.summary(), compared.summary(image_scores=True)
    assert str(summary.matrix["fcnet", "fcnet"]) == str(reproducibility(compared.maps))
    assert set(summary.scores) - set(plain.scores) == {"test accuracy", "churn", "divergence"}
    print_summary(compared.maps, summary)
    compared.write(summary)
    plt.close("all")
    printed = capsys.readouterr().out
    assert str(summary.matrix["fcnet", "fcnet"]) in printed
    assert str(summary.scores["churn"]["fcnet"]) in printed
    assert "Note on some intervals: over planes alone: 2 runs cannot show how runs vary." in printed
    written = [line.strip() for line in printed.partition("Written:\n")[2].splitlines()]
    assert written[0] == str(compared.path)
    assert sorted(written[1:]) == sorted(str(path) for path in compared.path.parent.iterdir())


def test_a_place_that_cannot_be_written_to_is_found_before_training(monkeypatch):
    monkeypatch.setattr("dbviz.cli.comparison.train_runs", lambda *_, **__: pytest.fail("trained"))
    Path("results").write_text("a file")
    with pytest.raises(InputError, match="cannot write to results"):
        compare("some_figure", replace(OPTIONS, output=OutputOptions(out=Path("results"))))
