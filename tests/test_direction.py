"""Every import goes along the line of design.md: a module uses what stands to its left, never what stands right."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dbviz

LINE = [
    ["digests", "errors", "sealed", "streams"],
    ["naming", "seeding", "spec"],
    ["images"],
    ["models"],
    ["training"],
    ["environment", "executors", "progress"],
    ["store"],
    ["backbones", "results", "runs", "trainings"],
    ["regions"],
    ["scores"],
    ["sweeps"],
    ["figures"],
    ["audits", "benchmarks"],
    ["console", "options"],
    ["announcement", "comparison", "kept_maps", "many_runs", "reports", "side_by_side", "wanted"],
    ["audit_determinism", "audit_init", "audit_sources"],
    ["commands"],
]
"""From left to right; what stands in one place is free to use each other. Commands are what `python -m dbviz` lists."""

PACKAGE = Path(dbviz.__file__).parent
FACADE = ("__init__.py", "__main__.py")
"""The public names and the list of commands, which belong to no place."""


def place_of(part: str) -> int:
    """Where `dbviz.<part>` stands on the line."""
    if (PACKAGE / f"{part}.py").exists() and is_command(PACKAGE / f"{part}.py"):
        part = "commands"
    found = [place for place, parts in enumerate(LINE) if part in parts]
    assert found, f"dbviz.{part} has no place on the line: give it one in this test and in design.md"
    return found[0]


def is_command(file: Path) -> bool:
    said = ast.get_docstring(ast.parse(file.read_text())) or ""
    return said.startswith(f"python -m dbviz.{file.stem}: ")


def parts_imported(source: str) -> Iterator[str]:
    """The first name behind `dbviz.` of every import, also of those inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "dbviz":
            names = [f"dbviz.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [node.module or ""]
        else:
            continue
        for name in names:
            if name.startswith("dbviz."):
                yield name.split(".")[1]


def against(part: str, source: str) -> list[str]:
    """The imports of a module of `part` that go against the line."""
    return [found for found in parts_imported(source) if found != part and place_of(found) > place_of(part)]


FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if file.relative_to(PACKAGE).as_posix() not in FACADE]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_import_goes_against_the_line(file):
    part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert against(part, file.read_text()) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_command_is_imported(file):
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    commands = len(LINE) - 1
    assert [part for part in parts_imported(file.read_text()) if part != own and place_of(part) == commands] == []


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("images", "from dbviz.figures import RegionDisplay"),
        ("training", "def f():\n    from dbviz import store"),
        ("scores", "import dbviz.figures.palette"),
        ("store", "from dbviz.runs import fit"),
        ("spec", "from dbviz.images.arrays import ImageSet"),
        ("regions", "from dbviz.console import say"),
    ],
)
def test_an_import_against_the_line_is_noticed(part, source):
    assert len(against(part, source)) == 1


def test_imports_along_the_line_are_let_through():
    source = (
        "import torch\nfrom dbviz.store import Run\nfrom dbviz import images\nfrom dbviz.regions.plane import Plane"
    )
    assert against("regions", source) == []


def test_only_the_commands_themselves_parse_a_command_line():
    using = {
        file.stem
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import) and any(alias.name == "tyro" for alias in node.names)
    }
    assert {name for name in using if place_of(name) < place_of("console")} == set()
