"""What the documentation makes of docstrings, which are plain text with names in backticks."""

import importlib.util
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parents[2] / "docs/extensions/docstrings.py"


@pytest.fixture(scope="module")
def as_rst():
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("docstrings", EXTENSION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.as_rst


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("(|x2 - x1|, 0) of `v`", r"(\|x2 - x1\|, 0) of `v`"),
        ("any `*axes` and *axes", r"any `*axes` and \*axes"),
        ("`name_` and name_", r"`name_` and name\_"),
        (">>> 2 * 3 | 4", ">>> 2 * 3 | 4"),
    ],
)
def test_only_text_outside_backticks_is_escaped(as_rst, line, expected):
    assert as_rst([line]) == [expected]


def test_backticks_may_span_lines(as_rst):
    assert as_rst(["see `a * b", "* c` and *d"]) == ["see `a * b", r"* c` and \*d"]


def test_an_indented_block_after_text_is_shown_as_it_is(as_rst):
    assert as_rst(["Files:", "", "    HOME/*", "", "More *text."]) == [
        *("Files:", "", ".. code-block:: text", "", "    HOME/*", "", r"More \*text.")
    ]


def test_the_arguments_of_a_function_are_no_block(as_rst):
    lines = ["Args:", "    name: of |x|.", "", "    other: more."]
    assert as_rst(lines)[:2] == ["Args:", r"    name: of \|x\|."]
    assert not any("code-block" in line for line in as_rst(lines))
