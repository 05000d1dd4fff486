"""Reports of an audit of a machine: what is written is read back, and tables show every outcome."""

import json

import pytest

from dbviz.audits.machine import CHECKS, Check, Speed
from dbviz.reports.machine import check_rows, faults, machine_fields, read_checks, speed_rows

KEY = {"torch": "2.15.0", "device": "cuda"}
SPEEDS = (
    Speed(what="memory copy", value=2500.0, unit="GB/s"),
    Speed(what="sampling", value=50.0, unit="points/s", bound=200.0),
    Speed(what="checkpoint", value=400.0, unit="ms", bound=2.0),
)
RESULTS = {
    "vit": [
        Check(name="repeats", passed=True, detail="identical", seconds=1.0),
        Check(name="margins", passed=False, detail="differ by 0.2 pixels", seconds=2.4),
    ],
    "speeds": [Check(name="sampling", passed=True, detail="measured", seconds=3.0, speeds=SPEEDS)],
}


def test_what_was_written_under_the_same_key_is_read_back(tmp_path):
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(machine_fields(KEY, RESULTS)))
    assert read_checks(path, KEY) == RESULTS


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", json.dumps({"key": {}, "parts": {}}), json.dumps({"key": KEY, "parts": {"vit": [{"name": "a"}]}})],
)
def test_what_is_damaged_or_of_another_machine_is_not_used(content, tmp_path):
    path = tmp_path / "machine.json"
    path.write_text(content)
    assert read_checks(path, KEY) == {}


def test_the_table_has_a_row_an_architecture_and_a_column_a_check():
    heading, rows = check_rows(RESULTS)
    assert heading == ["architecture", *CHECKS, "time"]
    (row,) = rows
    assert dict(zip(heading, row, strict=True)) == {
        **dict.fromkeys(CHECKS, "-"),
        **{"architecture": "vit", "repeats": "ok", "margins": "WRONG", "time": "3 s"},
    }


def test_speeds_are_shown_beside_their_bounds_and_less_time_is_better():
    assert speed_rows(RESULTS)[1] == [
        ["memory copy", "2,500 GB/s", "", ""],
        ["sampling", "50.0 points/s", "200 points/s", "25%"],
        ["checkpoint", "400 ms", "2.0 ms", "0.5%"],
    ]


def test_faults_are_named_with_their_evidence():
    assert faults(RESULTS) == ["vit, margins: differ by 0.2 pixels"]
