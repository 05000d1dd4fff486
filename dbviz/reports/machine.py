"""An audit of a machine as JSON values that can be read back, as rows of tables, and in sentences."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dbviz.audits.machine import CHECKS, Check, Speed

__all__ = ["check_rows", "faults", "machine_fields", "parse_checks", "read_checks", "speed_rows"]

Results = Mapping[str, Sequence[Check]]
"""The checks of every part, by the part's name."""


def machine_fields(key: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """The results as JSON values.

    Args:
        key: what decides the results, such as the machine and the version of torch; see `read_checks`.

    Example:
        >>> check = Check(name="margins", passed=True, detail="equal", seconds=1.0)
        >>> machine_fields({"torch": "2.15.0"}, {"vit": [check]})["parts"]["vit"][0]["passed"]
        True
    """
    return {"key": dict(key), "parts": {name: [asdict(check) for check in checks] for name, checks in results.items()}}


def read_checks(path: Path, key: Mapping[str, Any]) -> dict[str, list[Check]]:
    """The results that were written to a file under the same `key`; none where it is absent, damaged, or of another.

    Example:
        >>> read_checks(Path("nowhere.json"), {})
        {}
    """
    try:
        stored = json.loads(path.read_bytes())
        if stored["key"] != key:
            return {}
        return parse_checks(stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def parse_checks(fields: Mapping[str, Any]) -> dict[str, list[Check]]:
    """The results from the JSON values that `machine_fields` returned.

    Raises:
        KeyError, TypeError: they are other values.

    Example:
        >>> check = Check(name="margins", passed=True, detail="equal", seconds=1.0)
        >>> parse_checks(machine_fields({}, {"vit": [check]})) == {"vit": [check]}
        True
    """
    return {name: [_check(stored) for stored in checks] for name, checks in fields["parts"].items()}


def check_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table of the exactness checks: one row an architecture.

    Example:
        >>> check_rows({"vit": [Check(name="repeats", passed=False, detail="differ", seconds=1.0)]})[1][0][:3]
        ['vit', 'WRONG', '-']
    """
    rows = []
    for name, checks in results.items():
        by_name = {check.name: check for check in checks}
        if by_name.keys() & CHECKS.keys() or not checks:
            outcomes = [_outcome(by_name.get(check)) for check in CHECKS]
            rows.append([name, *outcomes, f"{sum(check.seconds for check in checks):.0f} s"])
    return ["architecture", *CHECKS, "time"], rows


def speed_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table of the speeds.

    Example:
        >>> speed = Speed(what="step", value=4.0, unit="ms", bound=1.0)
        >>> speed_rows({"speeds": [Check(name="training", passed=True, detail="", seconds=1.0, speeds=(speed,))]})[1]
        [['step', '4.0 ms', '1.0 ms', '25%']]
    """
    speeds = [speed for checks in results.values() for check in checks for speed in check.speeds]
    rows = [
        [
            speed.what,
            _amount(speed.value, speed.unit),
            "" if speed.bound is None else _amount(speed.bound, speed.unit),
            "" if speed.share is None else f"{speed.share:.0%}" if speed.share >= 0.095 else f"{speed.share:.1%}",
        ]
        for speed in speeds
    ]
    return ["speed", "measured", "upper bound", "share"], rows


def faults(results: Results) -> list[str]:
    """A sentence for every check that failed.

    Example:
        >>> faults({"vit": [Check(name="repeats", passed=False, detail="two trainings differ", seconds=1.0)]})
        ['vit, repeats: two trainings differ']
    """
    return [
        f"{name}, {check.name}: {check.detail}"
        for name, checks in results.items()
        for check in checks
        if not check.passed
    ]


def _check(fields: Mapping[str, Any]) -> Check:
    return Check(**{**fields, "speeds": tuple(Speed(**speed) for speed in fields["speeds"])})


def _outcome(check: Check | None) -> str:
    return "-" if check is None else "ok" if check.passed else "WRONG"


def _amount(value: float, unit: str) -> str:
    """A number with three significant digits at least, and its unit."""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}" if value >= 1 else f"{value:.2g} {unit}"
