"""The report of a seed scan: its numbers agree with each other, and a file of them is read back."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.reports import load_scans, scan_csv, scan_fields, scan_latex, scan_rows
from dbviz.scores import SeedScan, scan_seeds


def scan(runs: int = 5) -> SeedScan:
    correct = np.random.default_rng(0).random((runs, 40)) < 0.7
    correct[1], correct[2] = True, False
    return scan_seeds(correct, [f"s{run}" for run in range(runs)], rng=np.random.default_rng(1), splits=20)


def written(path: Path, scans: dict[str, SeedScan]) -> Path:
    path.write_text(json.dumps({"groups": [{"name": name, **scan_fields(scan)} for name, scan in scans.items()]}))
    return path


def test_the_numbers_are_plain_values_and_name_the_seeds():
    fields = json.loads(json.dumps(scan_fields(scan())))
    assert (fields["best"]["seed"], fields["best"]["value"]) == ("s1", 1.0)
    assert (fields["worst"]["seed"], fields["worst"]["value"]) == ("s2", 0.0)
    assert fields["range"] == 1
    assert fields["expected_range"] == fields["best"]["expected"] - fields["worst"]["expected"]
    assert fields["mean"] == pytest.approx(np.mean(fields["accuracies"]))
    assert fields["deviation"]["value"] == pytest.approx(np.std(fields["accuracies"], ddof=1))
    assert (fields["deviation"]["items"], fields["deviation"]["item"]) == (40, "test images")
    assert (fields["correlation"]["items"], fields["correlation"]["item"]) == (20, "splits")
    np.testing.assert_allclose(np.mean(fields["halves"], axis=0), fields["accuracies"])


@pytest.mark.parametrize("runs", [3, 5])
def test_a_scan_is_read_back_as_it_was_but_for_the_variances(runs, tmp_path):
    original = scan(runs)
    read = load_scans(written(tmp_path / "scan.json", {"vit": original}))["vit"]
    estimates: dict[str, Any] = {
        name: replace(estimate, run_variance=np.nan, item_variance=np.nan)
        for name in ("deviation", "distribution_deviation", "correlation")
        if (estimate := getattr(original, name)) is not None
    }
    for name, value in vars(replace(original, **estimates)).items():
        np.testing.assert_equal(*(vars(v) if hasattr(v, "__dict__") else v for v in (getattr(read, name), value)))
    assert scan_rows([read], "cifar10") == scan_rows([original], "cifar10")


def test_a_scan_of_the_first_release_is_read(tmp_path):
    path = written(tmp_path / "scan.json", {"vit": scan()})
    result = json.loads(path.read_text())
    for name in ("deviation", "distribution_deviation", "correlation"):
        fields = result["groups"][0][name]
        fields["triplets"], fields["runs"] = fields.pop("items"), " x ".join(map(str, fields["runs"]))
        del fields["item"]
    path.write_text(json.dumps(result))
    read = load_scans(path)["vit"]
    assert read.correlation is not None
    assert (read.correlation.items, read.correlation.item) == (20, "splits")
    assert (read.deviation.items, read.deviation.item, read.deviation.runs) == (40, "test images", (5,))


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "is no file"), ("{", "is no JSON"), ("[]", "holds no groups"), ('{"curves": []}', "holds no groups")],
)
def test_what_is_no_scan_is_refused(text, message, tmp_path):
    path = tmp_path / "scan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=rf"{message}.*dbviz\.scan"):
        load_scans(path)


def test_few_runs_have_no_correlation():
    few = scan(runs=3)
    assert few.correlation is None
    assert scan_fields(few)["correlation"] is None
    rows = {row[0]: row[1:] for row in scan_rows([few], "cifar10")}
    assert rows["correlation of two halves"] == ["", ""]
    (row,) = csv.DictReader(io.StringIO(scan_csv({"vit": few})))
    assert (row["correlation_value"], row["correlation_items"]) == ("", "")


def test_published_values_are_in_the_last_column_for_cifar10_only():
    rows = {row[0]: row[-1] for row in scan_rows([scan()], "cifar10")}
    assert rows["range"] == "2% (Picard 2021, 10,000 short runs)"
    assert rows["standard deviation on the test distribution"] == "0.033% (Jordan 2023, 64 epochs)"
    heads = {row[0]: row[-1] for row in scan_rows([scan()], "cifar10", head_alone=True)}
    assert heads["range"].startswith("0.5%")
    assert heads["standard deviation"] == ""
    assert {row[-1] for row in scan_rows([scan()], "shapes")} == {""}


def test_the_csv_has_a_row_a_network_with_the_numbers_of_its_scan():
    scans = {"vit": scan(), "fcnet": scan(3)}
    rows = list(csv.DictReader(io.StringIO(scan_csv(scans))))
    assert [row["network"] for row in rows] == ["vit", "fcnet"]
    for row, each in zip(rows, scans.values(), strict=True):
        assert float(row["deviation_value"]) == pytest.approx(each.deviation.value, rel=1e-5)
        assert float(row["distribution_deviation_low"]) == pytest.approx(each.distribution_deviation.low, abs=1e-5)
        assert (row["best_seed"], row["worst_seed"], row["deviation_items"]) == ("s1", "s2", "40")
        assert row["runs"] == str(len(each.seeds))


def test_the_latex_table_has_a_row_a_network_in_per_cent():
    latex = scan_latex({"mlp_mixer": scan()}, "Spread, 95 % intervals")
    assert r"\caption{Spread, 95 \% intervals}" in latex
    assert rf"mlp\_mixer & 5 & {100 * scan().mean:.2f} & \shortstack" in latex
    assert " & 0.00 & 100.00 & " in latex


def test_the_repr_of_a_scan_is_one_short_line():
    assert (
        repr(scan()) == f"SeedScan(5 runs, mean test accuracy {scan().mean:.1%}, standard deviation {scan().deviation})"
    )
