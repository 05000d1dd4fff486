"""The version has one source, `dbviz.__version__`, from which the package's metadata are built."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import dbviz

PYPROJECT = Path(dbviz.__file__).parents[1] / "pyproject.toml"


def test_the_metadata_have_the_version_of_the_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", dbviz.__version__)
    assert metadata.version("dbviz-repro") == dbviz.__version__


def test_no_second_version_is_written():
    project = tomllib.loads(PYPROJECT.read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "dbviz/__init__.py"
