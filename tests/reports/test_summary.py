"""The report of a summary: its file describes itself and is read back."""

import json

import numpy as np
import pytest
from helpers import maps_of, spec

from dbviz.label_maps import from_array
from dbviz.reports.summary import load_summary, pair_tables, summary_fields, summary_rows, write_summary
from dbviz.scores import summarise


@pytest.fixture
def maps():
    labels = np.random.default_rng(0).integers(0, 3, (5, 3, 6, 6)).astype(np.uint8)
    specs = [spec("sgd", 0), spec("sgd", 1), spec("sgd", 2), spec("sam", 0), spec("sam", 1)]
    stack = maps_of(specs, labels).assign_coords(test_accuracy=("model", np.linspace(0.5, 0.7, 5)))
    return stack.assign_coords(
        triplet=(("plane", "corner"), np.arange(9).reshape(3, 3)),
        triplet_label=(("plane", "corner"), np.tile([0, 1, 2], (3, 1))),
    ).assign_attrs(split="test", planes="0" * 64, resolution=6, margin=0.1, class_names=json.dumps(["a", "b", "c"]))


def test_a_summary_is_read_back(maps, tmp_path):
    summary = summarise(maps)
    paths = write_summary(tmp_path / "scores", maps, summary, figure_format="png")
    assert all(path.exists() for path in paths)
    assert {path.suffix for path in paths} == {".json", ".csv", ".tex", ".png"}
    read = load_summary(paths[0])
    assert {pair: repr(e) for pair, e in read.matrix.items()} == {pair: repr(e) for pair, e in summary.matrix.items()}
    assert repr(read) == repr(summary)
    assert {s: {n: repr(e) for n, e in row.items()} for s, row in read.scores.items()} == {
        s: {n: repr(e) for n, e in row.items()} for s, row in summary.scores.items()
    }


def test_the_numbers_come_with_planes_grid_and_full_specs(maps, tmp_path):
    fields = json.loads(json.dumps(summary_fields(maps, summarise(maps), tmp_path / "maps.nc")))
    assert (fields["dataset"], fields["split"], fields["resolution"], fields["padding"]) == ("shapes", "test", 6, 0.1)
    assert (fields["label_maps"], fields["planes"], fields["triplets"][1]) == ("maps.nc", 3, [3, 4, 5])
    assert {run["recipe"]["momentum"] for run in fields["specs"].values()} == {0.9}
    runs = {tuple(entry["networks"]): entry["runs"] for entry in fields["reproducibility"]}
    assert runs == {("vit sgd", "vit sgd"): [3], ("vit sgd", "vit sam"): [3, 2], ("vit sam", "vit sam"): [2]}


def test_rows_have_a_column_a_network(maps):
    rows = {row[0]: row[1:] for row in summary_rows(maps, summarise(maps))}
    assert rows["runs"] == ["3", "2"]
    assert len(rows["fragments of a plane"]) == 2
    assert not any(name.startswith("published") for name in rows)


def test_published_values_and_differences_are_the_last_rows(maps):
    one = maps.isel(model=[0, 1]).assign_attrs(dataset="cifar10")
    summary = summarise(one)
    rows = {row[0]: row[1:] for row in summary_rows(one, summary)}
    assert rows["published (full networks, 100 epochs)"] == ["0.75"]
    assert rows["difference from published"] == [f"{summary.scores['reproducibility']['vit'].value - 0.75:+.2f}"]


def test_label_maps_of_a_plain_array_are_written_as_strict_json(tmp_path):
    maps = from_array(np.random.default_rng(0).integers(0, 3, (2, 3, 6, 6)))
    fields = summary_fields(maps, summarise(maps))
    assert json.loads(json.dumps(fields, allow_nan=False))["test_accuracy"] == {"model 0": None, "model 1": None}
    assert write_summary(tmp_path / "scores", maps, summarise(maps))


def test_tables_between_networks_and_differences_are_written_and_read_back(maps, tmp_path):
    summary = summarise(maps)
    paths = write_summary(tmp_path / "scores", maps, summary)
    assert {"scores-matrices.csv", "scores-differences.csv", "scores-differences.tex"} <= {path.name for path in paths}
    read = load_summary(paths[0])
    for name in ("matrices", "differences"):
        assert {s: list(pairs) for s, pairs in getattr(read, name).items()} == {
            s: list(pairs) for s, pairs in getattr(summary, name).items()
        }
    assert repr(read.differences["reproducibility"]["vit sgd", "vit sam"]) == repr(
        summary.differences["reproducibility"]["vit sgd", "vit sam"]
    )
    fields = json.loads(paths[0].read_text())
    del fields["matrices"], fields["differences"]  # as in files of earlier versions
    paths[0].write_text(json.dumps(fields))
    assert (load_summary(paths[0]).matrices, load_summary(paths[0]).differences) == ({}, {})


def test_intervals_over_planes_only_are_named_in_captions_and_cells(maps, tmp_path):
    texts = {
        path.name: path.read_text()
        for path in write_summary(tmp_path / "s", maps, summarise(maps))
        if path.suffix == ".tex"
    }
    for name in ("s-matrix.tex", "s-scores.tex", "s-differences.tex"):
        assert "Intervals marked (planes only) do not show how runs vary." in texts[name]
        assert r"\\ {\tiny (planes only)}}" in texts[name]


def test_the_tables_of_pairs_are_of_several_networks_and_leave_out_single_classes(maps):
    titles = [title for title, *_ in pair_tables(summarise(maps), ["vit sgd", "vit sam"])]
    assert [title.split(",")[0] for title in titles] == [
        "Agreement at the same seed (shared randomness)",
        "Within and between networks: beyond chance (kappa)",
        "Within and between networks: Jaccard index",
        "Differences",
    ]
    assert pair_tables(summarise(maps.isel(model=[0, 1, 2])), ["vit"]) == []
