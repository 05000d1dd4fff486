"""The tables of measurements in the documentation: made from stored results, each with its machine and date."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"
DIRECTIVE = re.compile(r"^:::\{results\} (.+)\n(?::kind: (\w+)\n)?:::$", re.MULTILINE)
PAGES = sorted(page for page in DOCS.rglob("*.md") if "{results}" in page.read_text())
TABLES = [
    pytest.param(names.split(), kind or None, id=f"{page.stem} {names.split()[0]} {kind}")
    for page in PAGES
    for names, kind in DIRECTIVE.findall(page.read_text())
]


@pytest.fixture(scope="module")
def results() -> ModuleType:
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("results", DOCS / "extensions/results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_every_directive_is_read_here():
    assert len(TABLES) == sum(page.read_text().count("{results}") for page in PAGES)


@pytest.mark.parametrize(("names", "kind"), TABLES)
def test_table_has_equal_rows_and_says_when_it_was_measured(results, names, kind):
    rows, measured = results.table(names, kind)
    assert len({len(row) for row in rows}) == 1
    assert len(rows) > 1
    assert re.search(
        r"on \d threads? of \d+ cores of an? .+, PyTorch \S+, \d+ \w+ 20\d\d", results.measured_with(measured)
    )


def test_interval_stays_on_one_line(results):
    text = results._estimate({"value": 0.7, "low": 0.6, "high": None})
    assert text.split() == ["0.7", "[0.6,", "inf]"]
    assert " " not in text


def test_command_is_shown_without_places_and_where_its_script_is_today(results):
    command = "python experiments/sources.py --runs 6 --out /tmp/x --home runs"
    script = next(Path(DOCS.parent / "experiments").rglob("sources.py")).relative_to(DOCS.parent)
    assert results._command({"command": command}) == f"python {script} --runs 6"
