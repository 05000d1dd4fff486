"""Executes the notebooks in place, so that the documentation shows their outputs.

Every notebook starts with an empty store and one thread, and stops at the old name of something renamed. Metadata that
differs between executions is removed, figures have 80 dots per inch, and a notebook is refused if an output has an
absolute path or the file exceeds 600 kB.

    python notebooks/execute.py                               # all of them, about two minutes on one core
    python notebooks/execute.py notebooks/01_quickstart.ipynb
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
LARGEST = 600_000
"""Bytes of a notebook file."""
ABSOLUTE_PATH = re.compile(r"(?<![\w.<])/(?:home|root|Users|tmp|work|usr|var|opt|mnt|private)/")
METADATA = {
    "jupytext": {"cell_metadata_filter": "-all"},
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
}


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of an execution, without metadata of cells."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "matplotlibrc").write_text("figure.dpi: 80\nsavefig.dpi: 80\n")
        os.environ |= {"DBVIZ_HOME": f"{folder}/runs", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::FutureWarning"}
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=600, record_timing=False, resources=resources).execute()
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def checked_text(notebook: nbformat.NotebookNode) -> str:
    """The text of the notebook's file.

    Raises:
        ValueError: an output has an absolute path, or the file is too large.
    """
    outputs = str([output for cell in notebook.cells for output in cell.get("outputs", [])])
    if path := ABSOLUTE_PATH.search(outputs):
        raise ValueError(f"an output has the absolute path {outputs[path.start() : path.end() + 20]}...")
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > LARGEST:
        raise ValueError(f"the file has {len(text.encode()):,} bytes, more than {LARGEST:,}")
    return text


def main(paths: list[Path]) -> None:
    for path in paths:
        began = time.perf_counter()
        text = checked_text(execute(path))
        path.write_text(text)
        print(f"{path}: {len(text.encode()):,} bytes, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")))
