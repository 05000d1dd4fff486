"""The scripts of the published figures: each can be started, and the README lists each."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tyro

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "experiments").glob("*.py"))


def imported(script: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"experiment_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_explains_itself(script, capsys, monkeypatch):
    module = imported(script, monkeypatch)
    assert f"python experiments/{script.name}" in (module.__doc__ or "")
    options = getattr(module, "Options", None)
    if options is not None:  # double_descent hands its arguments to a command of the package
        with pytest.raises(SystemExit) as ended:
            tyro.cli(options, args=["--help"])
        assert ended.value.code == 0
        assert options.__doc__.split()[0] in capsys.readouterr().out


def test_the_readme_lists_every_script():
    section = (ROOT / "README.md").read_text().partition("\n## Published figures")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `experiments/")]
    listed = {name for row in rows for name in re.findall(r"(\w+\.py)`", row.split("|")[1])}
    assert listed == {script.name for script in SCRIPTS}
