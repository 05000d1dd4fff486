"""Docstrings are plain text with `names` in backticks; here they become reStructuredText.

What reStructuredText would take for markup (|x|, *maps, name_) is escaped, and an indented block after a blank line is
shown as it is, as in the listing of a directory.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(``.*?``|`[^`]*`)")
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Example|Examples|Note|Args and Raises):")


def as_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText.

    Example:
        >>> as_rst(["The length |v| of `v`, and *axes."])
        ['The length \\\\|v\\\\| of `v`, and \\\\*axes.']
    """
    converted: list[str] = []
    text, block = "", False
    in_code = False
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else ""
        if line and not line.startswith(" "):
            block = False
        if line.startswith("    ") and not before.strip() and not block and _opens_block(lines[:number]):
            block = True
            converted += [".. code-block:: text", ""]
        if block:
            converted.append(line)
            continue
        text, in_code = _escaped(line, in_code)
        converted.append(text)
    return converted


def _opens_block(before: list[str]) -> bool:
    """Whether the last line of text above an indented one is prose: not a section's name, nor an indented line."""
    last = next((line for line in reversed(before) if line.strip()), "")
    return bool(last) and not last.startswith(" ") and not _SECTION.match(last)


def _escaped(line: str, in_code: bool) -> tuple[str, bool]:
    """The line with what would be markup escaped outside backticks, which may span lines."""
    if line.lstrip().startswith((">>>", "...", "- ", "* ")):
        head = re.match(r"\s*(>>>|\.\.\.|- |\* )", line)
        if head and head[1] in (">>>", "..."):
            return line, in_code
    pieces = line.split("`")
    for index, piece in enumerate(pieces):
        if (index % 2 == 0) != in_code:
            piece = re.sub(r"(?<!\\)([|*])", r"\\\1", piece) if not piece.startswith("* ") else piece
            pieces[index] = re.sub(r"(?<=\w)_(?=\W|$)", r"\\_", piece)
    return "`".join(pieces), in_code != (len(pieces) % 2 == 0)


def _convert(_app: Sphinx, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _convert, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
