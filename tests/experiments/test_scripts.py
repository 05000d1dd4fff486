"""Experiments and their results: every script explains itself, and every result file is described beside it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tyro

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
RESULTS = EXPERIMENTS / "results"
SCRIPTS = sorted(
    path for folder in ("paper", "validation", "performance") for path in (EXPERIMENTS / folder).glob("*.py")
)
SWEEP = EXPERIMENTS / "paper" / "double_descent.py"
"""It passes its arguments to a command of the package, so it has no options of its own."""


def committed(folder: Path) -> list[Path]:
    """Files of the repository below a folder; every file where there is no repository."""
    listed = subprocess.run(["git", "ls-files", "-z", "."], cwd=folder, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\0")[:-1] if listed.returncode == 0 else []
    return [folder / name for name in names] or [path for path in folder.rglob("*") if path.is_file()]


RESULT_FILES = committed(RESULTS)
STUDIES = sorted({path.parent for path in RESULT_FILES if path.parent != RESULTS})


def imported(script: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"experiment_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(script.parent)  # as Python does for a script
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def row_links(index: Path) -> set[str]:
    """The targets of the links in the tables of a Markdown file."""
    rows = [line for line in index.read_text().splitlines() if line.startswith("|")]
    return {target for row in rows for target in re.findall(r"\]\(([^)]+)\)", row)}


def test_every_script_is_in_one_of_the_three_folders():
    assert SCRIPTS
    assert not list(EXPERIMENTS.glob("*.py"))


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path != SWEEP], ids=lambda script: script.stem)
def test_help_describes_the_script(script, capsys, monkeypatch):
    options = imported(script, monkeypatch).Options
    with pytest.raises(SystemExit) as stopped:
        tyro.cli(options, args=["--help"], config=(tyro.conf.OmitArgPrefixes,))
    assert stopped.value.code == 0
    assert options.__doc__.split()[0] in capsys.readouterr().out


def test_help_of_double_descent_is_that_of_the_sweep():
    shown = subprocess.run([sys.executable, SWEEP, "--help"], capture_output=True, text=True, check=True)
    assert "--label-noise" in shown.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_header_is_a_lab_note(script, monkeypatch):
    header = imported(script, monkeypatch).__doc__ or ""
    assert f"\n    python {script.relative_to(EXPERIMENTS.parent)}" in header
    fields = re.findall(r"^([A-Z][a-z]+): {2,}\S", header, flags=re.MULTILINE)
    assert {"Hardware", "Time"} <= set(fields)
    assert {"Result", "Expected"} & set(fields)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_header_with_a_result_names_where_it_is(script, monkeypatch):
    header = imported(script, monkeypatch).__doc__ or ""
    folders = re.findall(r"^Files: +(experiments/results/\w+)/$", header, flags=re.MULTILINE)
    assert len(folders) == ("\nResult:" in header)
    assert all((EXPERIMENTS.parent / folder / "README.md").is_file() for folder in folders)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_default_output_is_in_the_results(script, monkeypatch):
    if script == SWEEP:
        out = Path("experiments/results/double_descent")
    else:
        options = imported(script, monkeypatch).Options
        out = options.output.out if hasattr(options, "output") else options.out
    assert str(out) in script.read_text()
    assert (out.parent if out.suffix else out).parent == Path("experiments/results")


def test_experiments_readme_lists_every_script():
    scripts = {str(script.relative_to(EXPERIMENTS)) for script in SCRIPTS}
    assert {link for link in row_links(EXPERIMENTS / "README.md") if link.endswith(".py")} == scripts


def test_results_readme_lists_every_study():
    assert [path.name for path in RESULT_FILES if path.parent == RESULTS] == ["README.md"]
    assert row_links(RESULTS / "README.md") == {f"{study.name}/README.md" for study in STUDIES}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_readme_of_a_study_names_every_file_and_how_it_was_made(study):
    text = (study / "README.md").read_text()
    names = {path.name for path in RESULT_FILES if path.parent == study} - {"README.md"}
    assert set(re.findall(r"^\| `([^`]+)` \|", text.partition("\n## Files\n")[2], flags=re.MULTILINE)) == names
    assert re.search(r"^    python (experiments/\w+/|-m dbviz)", text, flags=re.MULTILINE)
    for heading in ("Time", "Machine", "Date"):
        assert f"| {heading}" in text
