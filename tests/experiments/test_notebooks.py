"""Notebooks are committed with outputs that do not depend on the machine: the documentation shows them as they are."""

import importlib.util
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def execute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_output(text: str) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("stream", text=text)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=[output])])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_was_executed_in_order(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_figures_and_no_errors(path):
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    kinds = [output.output_type for output in outputs]
    assert "error" not in kinds
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_has_nothing_of_the_machine(path, execute):
    notebook = nbformat.read(path, 4)
    execute.checked_text(notebook)
    assert notebook.metadata == execute.METADATA
    assert not any(cell.metadata for cell in notebook.cells)


def test_an_absolute_path_in_an_output_is_refused(execute):
    with pytest.raises(ValueError, match="absolute path /home/me/runs"):
        execute.checked_text(with_output("Run(vit, seed 0; /home/me/runs)"))
    execute.checked_text(with_output("points/s, and/or https://x.org/home/"))


def test_a_large_notebook_is_refused(execute):
    with pytest.raises(ValueError, match="more than 600,000"):
        execute.checked_text(with_output("x" * 600_000))
