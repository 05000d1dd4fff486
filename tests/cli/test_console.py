"""How a command ends."""

import subprocess
import sys

import pytest

SCRIPT = """
import dataclasses
import dbviz.cli.console as console

@dataclasses.dataclass(frozen=True)
class Options:
    pass

def main(options):
    import triton._C.libtriton
    return 3

raise SystemExit(console.run_command("python -m dbviz.test", Options, main, []))
"""


def test_nothing_is_printed_at_the_end_of_a_command_that_has_loaded_the_compiler():
    pytest.importorskip("triton")
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
