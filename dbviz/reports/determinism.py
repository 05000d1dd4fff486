"""An audit of determinism as JSON values, as rows of a table, in sentences, as CSV and as LaTeX."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dbviz.audits import DeterminismAudit
from dbviz.reports.tables import csv_text, latex_table

__all__ = [
    "conclusions",
    "determinism_csv",
    "determinism_fields",
    "determinism_latex",
    "determinism_rows",
    "operation_rows",
]

_HEADING = [
    *("changed", "from", "to", "bitwise identical"),
    *("weights", "relative", "logits", "relative", "labels changed"),
]


def determinism_fields(audit: DeterminismAudit) -> dict[str, Any]:
    """Every result of an audit as JSON values.

    Example:
        >>> from dbviz.audits import Settings
        >>> common = {"first": None, "random_in_evaluation": None, "nondeterministic": (), "varied": (), "loader": None}
        >>> determinism_fields(DeterminismAudit(steps=5, settings=Settings(), **common))["repeats"]
        True
    """
    return {"repeats": audit.repeats, **asdict(audit)}


def determinism_rows(audit: DeterminismAudit) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table: the largest differences that each setting makes.

    Differences of weights are relative to the largest value of the tensor.

    Example:
        >>> from dbviz.audits import Settings
        >>> common = {"first": None, "random_in_evaluation": None, "nondeterministic": (), "varied": (), "loader": None}
        >>> heading, rows = determinism_rows(DeterminismAudit(steps=5, settings=Settings(), **common))
        >>> heading[:4]
        ['changed', 'from', 'to', 'bitwise identical']
    """
    rows = []
    for effect in audit.varied:
        row = [effect.setting, effect.before, effect.after]
        if effect.lacks is not None:
            rows.append([*row, effect.lacks, "", "", "", "", ""])
            continue
        numbers = [effect.weights, effect.weights_relative, effect.logits, effect.logits_relative]
        row += ["yes" if effect.same_bits else "no", *("0" if not number else f"{number:.1e}" for number in numbers)]
        rows.append([*row, f"{effect.labels_changed or 0:.1%}"])
    return _HEADING, rows


def operation_rows(audit: DeterminismAudit) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table: the operations that torch documents as nondeterministic.

    Example:
        >>> from dbviz.audits import Settings
        >>> common = {"first": None, "random_in_evaluation": None, "nondeterministic": (), "varied": (), "loader": None}
        >>> operation_rows(DeterminismAudit(steps=5, settings=Settings(), **common))[1]
        []
    """
    outcomes = {"deterministic": "become deterministic", "error": "fail"}
    rows = [
        [
            used.operation,
            used.documented.when if used.documented else "here, as torch warned",
            outcomes[used.documented.then] if used.documented else "fail",
            _first_places(used.where),
        ]
        for used in audit.nondeterministic
    ]
    return ["operation", "nondeterministic", "deterministic algorithms make it", "used in"], rows


def conclusions(audit: DeterminismAudit) -> list[str]:
    """The results of an audit in sentences.

    Example:
        >>> from dbviz.audits import Settings
        >>> common = {"first": None, "random_in_evaluation": None, "nondeterministic": (), "varied": (), "loader": None}
        >>> conclusions(DeterminismAudit(steps=5, settings=Settings(), **common))
        ['every batch, loss, gradient, weight and buffer of two trainings is bitwise identical.']
    """
    identical = "every batch, loss, gradient, weight and buffer of two trainings is bitwise identical"
    lines = [f"{identical if audit.first is None else f'two trainings differ: {audit.first}'}."]
    if audit.random_in_evaluation is not None:
        lines.append(
            f"random in evaluation mode: the same images give other outputs in {audit.random_in_evaluation}; "
            "such a network has no labels to compare."
        )
    if audit.loader is not None:
        few, many = audit.loader.workers
        faults = [str(fault) for fault in audit.loader.faults] or ["the same batches every time"]
        lines += [f"images loaded by {few} and by {many} workers: {fault}." for fault in faults]
    return lines


def determinism_csv(audit: DeterminismAudit) -> str:
    """One row a setting, with the numbers of its effect.

    Example:
        >>> from dbviz.audits import Settings
        >>> common = {"first": None, "random_in_evaluation": None, "nondeterministic": (), "varied": (), "loader": None}
        >>> determinism_csv(DeterminismAudit(steps=5, settings=Settings(), **common)).strip()
        ''
    """
    return csv_text([asdict(effect) for effect in audit.varied])


def determinism_latex(audit: DeterminismAudit, caption: str) -> str:
    r"""A booktabs table, one row a setting; needs `\usepackage{booktabs}`.

    Example:
        >>> from dbviz.audits import Settings
        >>> common = {"first": None, "random_in_evaluation": None, "nondeterministic": (), "varied": (), "loader": None}
        >>> table = determinism_latex(DeterminismAudit(steps=5, settings=Settings(), **common), "Settings")
        >>> r"\caption{Settings}" in table
        True
    """
    heading, rows = determinism_rows(audit)
    return latex_table([row[1:] for row in rows], [row[0] for row in rows], heading[1:], caption)


def _first_places(places: Sequence[str], at_most: int = 1) -> str:
    more = f" and {len(places) - at_most} more" if len(places) > at_most else ""
    return f"{'; '.join(places[:at_most])}{more}"
