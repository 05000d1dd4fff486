"""What an environment records, and which differences between several are reported."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import dbviz
from dbviz.core.environment import _own_commit, describe_differences, differences, environment
from dbviz.training.device import deterministic_algorithms, full_precision

PACKAGE = Path(dbviz.__file__).parent
MODULE = sys.modules["dbviz.core.environment"]


def git(place: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", "-C", str(place), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path) -> Path:
    """A user's own repository with a commit, which is the current directory."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mine.py").write_text("1\n")
    git(tmp_path, "add", "mine.py")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


@pytest.fixture
def _own_commit_forgotten():
    _own_commit.cache_clear()
    yield
    _own_commit.cache_clear()


def test_the_commits_of_the_users_project_and_of_dbviz_are_both_recorded(project):
    recorded = environment()
    assert recorded["git_commit"] == git(project, "rev-parse", "HEAD")
    (project / "mine.py").write_text("2\n")
    assert environment()["git_commit"] == f"{git(project, 'rev-parse', 'HEAD')}+"
    if (PACKAGE.parent / ".git").exists():
        assert recorded["dbviz_commit"].removesuffix("+") == git(PACKAGE, "rev-parse", "HEAD")


@pytest.mark.usefixtures("_own_commit_forgotten")
def test_installed_into_a_users_repository_dbviz_has_no_commit_of_its_own(project, monkeypatch):
    (project / "site-packages").mkdir()
    (project / "site-packages" / "environment.py").write_text("")
    monkeypatch.setattr(MODULE, "__file__", str(project / "site-packages" / "environment.py"))
    recorded = environment()
    assert recorded["dbviz_commit"] is None
    assert recorded["git_commit"] is not None


def test_settings_that_change_bits_are_the_current_ones():
    with deterministic_algorithms(), full_precision():
        strict = environment()
    with deterministic_algorithms(False):
        loose = environment()
    assert (strict["deterministic_algorithms"], strict["cudnn_benchmark"]) == (True, False)
    assert (loose["deterministic_algorithms"], loose["cudnn_benchmark"]) == (False, True)
    assert strict["fp32_precision"]["cudnn.conv"] == "ieee"
    assert strict["variables"]["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_variables_and_kernels_are_recorded(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    recorded = environment()
    assert (recorded["variables"]["PYTHONHASHSEED"], recorded["variables"]["MKL_NUM_THREADS"]) == ("7", None)
    assert recorded["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert json.loads(json.dumps(recorded)) == recorded


def test_a_gpu_brings_its_driver_and_libraries(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA Test")
    monkeypatch.setattr(MODULE, "_gpu_driver", lambda: "580.1")
    recorded = environment("cuda:0")
    assert (recorded["gpu"], recorded["driver"]) == ("NVIDIA Test", "580.1")
    assert {"cuda", "cudnn"} <= recorded.keys()


def test_the_same_environment_does_not_differ_from_itself():
    assert differences({"a": environment(), "b": environment()}) == {}
    assert differences({"a": environment()}) == differences({}) == {}
    assert describe_differences({}) == ""


CHANGES: list[tuple[Any, str]] = [
    ({"packages": {"torch": "0.1"}}, "torch"),
    ({"packages": {"numpy": "0.1"}}, "numpy"),
    ({"packages": {"dbviz-repro": "9"}}, "dbviz"),
    ({"threads": 77}, "threads"),
    ({"processor": "other"}, "processor"),
    ({"cpu_capability": "DEFAULT"}, "CPU kernels"),
    ({"system": "Darwin arm64"}, "system"),
    ({"float32_matmul_precision": "medium"}, "float32 matmul precision"),
    ({"deterministic_algorithms": True}, "deterministic algorithms"),
    ({"fp32_precision": {"mkldnn.conv": "bf16"}}, "fp32 in mkldnn.conv"),
    ({"dbviz_commit": "0" * 40}, "dbviz commit"),
    ({"variables": {"PYTHONHASHSEED": "1234"}}, "PYTHONHASHSEED"),
]


def changed(recorded: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    recorded = copy.deepcopy(recorded)
    for name, value in change.items():
        recorded[name] = recorded[name] | value if isinstance(value, dict) else value
    return recorded


@pytest.mark.parametrize(("change", "setting"), CHANGES, ids=[setting for _, setting in CHANGES])
def test_a_setting_that_can_change_bits_is_reported(change, setting):
    base = environment()
    differing = differences({"a": base, "b": changed(base, change), "c": base})
    assert list(differing) == [setting]
    assert sorted(map(tuple, differing[setting].values())) == [("a", "c"), ("b",)]


@pytest.mark.parametrize(
    "change",
    [
        {"argv": ["other"]},
        {"git_commit": "other"},
        {"python": "3.99.1"},
        {"platform": "Linux-of-yesterday"},
        {"cores": 999},
        {"device": "cpu:0"},
        {"cudnn_benchmark": True},
        {"packages": {"matplotlib": "0", "xarray": "0", "torchvision": "0"}},
        {"fp32_precision": {"cudnn.conv": "ieee-or-not"}},
        {"variables": {"OMP_NUM_THREADS": "4", "CUBLAS_WORKSPACE_CONFIG": ":16:8"}},
    ],
)
def test_what_cannot_change_the_bits_of_a_cpu_is_not(change):
    base = environment()
    assert differences({"a": base, "b": changed(base, change)}) == {}


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"driver": "581"}, "GPU driver"),
        ({"gpu": "NVIDIA Other"}, "GPU"),
        ({"cudnn": 1}, "cuDNN"),
        ({"cudnn_benchmark": True}, "cuDNN benchmark"),
        ({"fp32_precision": {"cuda.matmul": "tf32"}}, "fp32 in cuda.matmul"),
        ({"variables": {"CUBLAS_WORKSPACE_CONFIG": ":16:8"}}, "CUBLAS_WORKSPACE_CONFIG"),
    ],
)
def test_on_a_gpu_its_own_settings_are_compared(change, setting):
    base = environment() | {"device": "cuda:0", "gpu": "NVIDIA Test", "driver": "580", "cuda": "13", "cudnn": 9}
    assert list(differences({"a": base, "b": changed(base, change)})) == [setting]
    assert differences({"a": base, "b": base | {"device": "cuda:1"}}) == {}


def test_a_cpu_and_a_gpu_differ():
    base = environment()
    assert differences({"a": base, "b": base | {"device": "cuda"}})["device"] == {"CPU": ["a"], "GPU": ["b"]}


def test_what_an_older_environment_lacks_is_not_compared():
    old = {"packages": {"torch": "2.11.0"}, "threads": 2}
    new = {"packages": {"torch": "2.15.0", "timm": "1.0"}, "threads": 2, "cpu_capability": "AVX512"}
    differing = differences({"a": old, "b": new, "c": {}})
    assert differing == {"torch": {"2.11.0": ["a"], "2.15.0": ["b"]}}
    assert describe_differences(differing) == "torch 2.11.0 (1 run), 2.15.0 (1 run)"


def test_commits_are_shown_by_their_first_digits():
    commits = {"a": {"dbviz_commit": "ab" * 20}, "b": {"dbviz_commit": f"{'ab' * 20}+"}, "c": {"dbviz_commit": None}}
    expected = "dbviz commit ababababab (1 model), ababababab+ (1 model), none (1 model)"
    assert describe_differences(differences(commits), of="models") == expected


def test_the_public_name_is_the_function_also_when_its_module_is_loaded():
    assert dbviz.environment is environment
    assert dbviz.environment()["argv"] == dbviz.environment()["argv"]
