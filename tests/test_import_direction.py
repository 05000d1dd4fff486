"""Every import goes along the line of design.md: a module uses what stands to its left, never what stands right."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dbviz

LINE = [
    "core",
    "spec",
    "data",
    "models",
    "training",
    "executors",
    "runs",
    "planes",
    "label_maps",
    "margins",
    "scores",
    "sweeps",
    "audits",
    "figures",
    "reports",
    "benchmarks",
    "cli",
    "commands",
]
"""The folders from left to right; commands are the files beside them, what `python -m dbviz` lists."""

PACKAGE = Path(dbviz.__file__).parent
FACADE = ("__init__.py", "__main__.py")
"""The public names and the list of commands, which belong to no place."""


def place_of(part: str) -> int:
    """Where `dbviz.<part>` stands on the line."""
    part = "commands" if (PACKAGE / f"{part}.py").exists() else part
    assert part in LINE, (
        f"dbviz.{part} has no place on the line: give it one in this test and in docs/how_it_is_built.md"
    )
    return LINE.index(part)


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
    return [imports for imports in parts_imported(source) if imports != part and place_of(imports) > place_of(part)]


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
        ("data", "from dbviz.figures import RegionDisplay"),
        ("training", "def f():\n    from dbviz import runs"),
        ("scores", "import dbviz.figures.palette"),
        ("planes", "from dbviz.label_maps import sample"),
        ("spec", "from dbviz.data.arrays import ImageSet"),
        ("label_maps", "from dbviz.cli.console import run_command"),
    ],
)
def test_an_import_against_the_line_is_noticed(part, source):
    assert len(against(part, source)) == 1


def test_imports_along_the_line_are_let_through():
    source = (
        "import torch\nfrom dbviz.runs.store import Run\nfrom dbviz import data\nfrom dbviz.planes.plane import Plane"
    )
    assert against("label_maps", source) == []


def test_only_the_commands_themselves_parse_a_command_line():
    using = {
        file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import) and any(alias.name == "tyro" for alias in node.names)
    }
    assert using == {"cli"}
