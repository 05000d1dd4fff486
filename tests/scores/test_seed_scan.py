"""The scan of one network: its parts agree with each other, and what was published stands where it belongs."""

import json

import numpy as np
import pytest

from dbviz.reports.published import published_spread
from dbviz.reports.seed_scan import scan_fields, scan_rows
from dbviz.scores import scan_seeds


def scan(runs: int = 5):
    correct = np.random.default_rng(0).random((runs, 40)) < 0.7
    correct[1], correct[2] = True, False
    return scan_seeds(correct, [f"s{run}" for run in range(runs)], rng=np.random.default_rng(1), splits=20)


def test_the_numbers_are_plain_values_and_name_the_seeds():
    found = scan()
    fields = json.loads(json.dumps(scan_fields(found)))
    assert (fields["best"]["seed"], fields["best"]["value"]) == ("s1", 1.0)
    assert (fields["worst"]["seed"], fields["worst"]["value"]) == ("s2", 0.0)
    assert fields["range"] == 1
    assert fields["expected_range"] == fields["best"]["expected"] - fields["worst"]["expected"]
    assert fields["mean"] == pytest.approx(np.mean(fields["accuracies"]))
    assert fields["deviation"]["value"] == pytest.approx(np.std(fields["accuracies"], ddof=1))
    np.testing.assert_allclose(np.mean(fields["halves"], axis=0), fields["accuracies"])


def test_few_runs_have_no_correlation():
    found = scan(runs=3)
    assert found.correlation is None
    assert scan_fields(found)["correlation"] is None
    rows = {row[0]: row[1:] for row in scan_rows([found], "cifar10")}
    assert rows["correlation of two halves"] == ["", ""]


def test_published_values_stand_beside_those_of_cifar10_alone():
    rows = {row[0]: row[-1] for row in scan_rows([scan()], "cifar10")}
    assert rows["highest - lowest"] == "2% (Picard 2021, 10,000 short runs)"
    assert rows["the same on endless test images"] == "0.033% (Jordan 2023, 64 epochs)"
    heads = {row[0]: row[-1] for row in scan_rows([scan()], "cifar10", head_alone=True)}
    assert heads["highest - lowest"].startswith("0.5%")
    assert heads["standard deviation"] == ""
    assert {row[-1] for row in scan_rows([scan()], "shapes")} == {""}
    assert published_spread("cifar10", "mean") is None
