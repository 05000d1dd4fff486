"""Result files: what a command wrote, with how to run it again."""

import json
import sys
from pathlib import Path

import pytest

import dbviz
from dbviz.core.results import write_result

PACKAGE = Path(dbviz.__file__).parent


@pytest.mark.parametrize(
    ("script", "command"),
    [
        (PACKAGE / "plot.py", "python -m dbviz.plot --arch vit"),
        (PACKAGE / "__main__.py", "python -m dbviz --arch vit"),
        (Path("/usr/local/bin/dbviz"), "python -m dbviz --arch vit"),
        (Path("experiments/paper/optimizers.py"), "python experiments/paper/optimizers.py --arch vit"),
    ],
)
def test_the_command_of_a_result_can_be_run_again(script, command, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(script), "--arch", "vit"])
    path = write_result(tmp_path / "result.json", {"agreement": 0.5})
    assert json.loads(path.read_text())["command"] == command
