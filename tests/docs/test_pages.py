"""The README, the pages and CITATION.cff: short, with links that lead somewhere, and with names that exist."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from torch import nn

import dbviz
from dbviz.__main__ import commands

ROOT = Path(__file__).parents[2]
GENERATED = ("_build", "notebooks", "api", "commands")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if not {*page.parts} & {*GENERATED}),
]


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def local_links(text: str) -> list[str]:
    """The targets of links and images in Markdown that are files here, without the heading they may name."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [target.partition("#")[0] for target in targets if not re.match(r"https?:|#", target)]


def attributes_of_dbviz(code: str) -> set[str]:
    """Every dotted name that begins with `dbviz`, such as `dbviz.scores.reproducibility`."""
    attributes = set()
    for node in ast.walk(ast.parse(code)):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id == "dbviz":
            attributes.add(".".join(parts))
    return attributes


def resolve(name: str) -> object:
    """`dbviz.<name>`, as far as it is a package's or a class's attribute."""
    value: object = dbviz
    for part in name.split("."):
        value = getattr(value, part)
    return value


def test_readme_is_one_screen():
    assert len((ROOT / "README.md").read_bytes()) <= 8000


def test_readme_lists_every_command():
    listed = re.findall(r"^\| `python -m dbviz\.(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(commands())


def test_readme_shows_ten_lines_of_python():
    (block,) = python_blocks(ROOT / "README.md")
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_to_files_lead_somewhere(page):
    made_by_the_build = re.compile(r"reference/(api|commands)/|notebooks/")
    for target in local_links(page.read_text()):
        path = (page.parent / target).resolve()
        if made_by_the_build.search(target) and not path.is_relative_to(ROOT / "notebooks"):
            path = ROOT / "notebooks" / path.name if "notebooks/" in target else None
        assert path is None or path.exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_examples_compile_and_name_what_exists(page):
    for block in python_blocks(page):
        for name in attributes_of_dbviz(block):
            resolve(name)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_references_to_functions_and_classes_exist(page):
    for name in re.findall(r"\{py:(?:func|class|mod)\}`dbviz\.([\w.]+)`", page.read_text()):
        resolve(name)


def commands_named(text: str) -> list[str]:
    return re.findall(r"python -m dbviz\.(\w+)", text)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_exist(page):
    assert {*commands_named(page.read_text())} <= {*commands()}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_named_exist(page):
    for file in re.findall(r"\b(?:dbviz|experiments|tests|docs)/[\w/]+\.(?:py|md)\b", page.read_text()):
        assert "NAME" in file or (ROOT / file).exists(), file


def test_how_it_is_built_lists_every_folder():
    page = (ROOT / "docs/how_it_is_built.md").read_text()
    listed = re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in (ROOT / "dbviz").glob("*/__init__.py"))


def test_every_page_is_in_a_table_of_contents():
    toctrees = re.findall(r"```\{toctree\}(.*?)```", (ROOT / "docs/index.md").read_text(), re.DOTALL)
    lines = [line.strip() for toctree in toctrees for line in toctree.splitlines()]
    listed = {re.sub(r".*<(.*)>", r"\1", line) for line in lines if line and not line.startswith((":", "`"))}
    pages = {
        str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES if page.is_relative_to(ROOT / "docs")
    }
    notebooks = {f"notebooks/{notebook.stem}" for notebook in (ROOT / "notebooks").glob("*.ipynb")}
    assert listed == (pages - {"index"}) | notebooks | {"reference/commands/index", "reference/api/index"}


def test_format_of_label_maps_is_described_completely():
    images = dbviz.data.shapes(30, split="test")
    planes = dbviz.draw_planes(images, 2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    maps = dbviz.sample(network, planes, resolution=4, confidence=True, device="cpu")
    page = (ROOT / "docs/reference/file_formats.md").read_text().partition("## Runs")[0]
    described = set(re.findall(r"`(\w+)`", page))
    assert {*map(str, maps.variables), *maps.attrs} <= described
    for name, array in maps.variables.items():
        (row,) = re.findall(rf"^\| `{name}` \|(.*)", page, re.MULTILINE)
        assert ", ".join(map(str, array.dims)) in row


def test_citation_has_the_fields_that_its_format_needs():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= citation.keys()
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert all({"type", "title", "authors"} <= reference.keys() for reference in citation["references"])


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == dbviz.__version__
    released = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert dbviz.__version__ in released
