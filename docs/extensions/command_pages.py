"""A page for each command, with what `python -m dbviz.NAME --help` prints today; written before a build reads them."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pages import write_pages
from sphinx.application import Sphinx

from dbviz.__main__ import commands

_WIDTH = 100


def help_of(*words: str) -> str:
    """What a command prints under --help, in lines of at most 100 characters."""
    settings = {**os.environ, "COLUMNS": str(_WIDTH), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", f"dbviz.{words[0]}", *words[1:], "--help"],
        capture_output=True,
        text=True,
        env=settings,
        check=True,
    )
    lines = (textwrap.wrap(line, _WIDTH) if len(line) > _WIDTH else [line] for line in done.stdout.splitlines())
    return "\n".join(line for wrapped in lines for line in wrapped).rstrip()


def subcommands(text: str) -> list[str]:
    """The subcommands named in the first line of a help text, as in `usage: ... {determinism,init,sources}`."""
    listed = re.search(r"\{([a-z,-]+)\}$", text.partition("\n")[0])
    return listed[1].split(",") if listed else []


def command_pages() -> dict[str, str]:
    """The Markdown of each command's page, and of the page that lists them."""
    listed = commands()
    with ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda name: list(_sections(name)), listed))
    pages = {name: _page(name, does, text) for (name, does), text in zip(listed.items(), texts, strict=True)}
    return pages | {"index": _index(listed)}


def _sections(name: str) -> Iterator[tuple[list[str], str]]:
    """The help text of a command, then those of its subcommands, each with the words it is called by."""
    text = help_of(name)
    yield [name], text
    for subcommand in subcommands(text):
        yield [name, subcommand], help_of(name, subcommand)


def _page(name: str, does: str, sections: list[tuple[list[str], str]]) -> str:
    parts = [f"# {name}", f"{does[0].upper()}{does[1:]}", f"`python -m dbviz.{name}`, or `dbviz {name}`."]
    for words, text in sections:
        if len(words) > 1:
            parts.append(f"## {' '.join(words)}")
        parts.append(f"```{{code-block}} text\n:class: command-help\n\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _index(listed: dict[str, str]) -> str:
    rows = [f"| [`{name}`]({name}.md) | {does} |" for name, does in listed.items()]
    hidden = "\n".join(["```{toctree}", ":hidden:", "", *listed, "```"])
    return "\n".join([_INTRODUCTION, "| command | what it does |", "|---|---|", *rows, "", hidden, ""])


_INTRODUCTION = """\
# Commands

`python -m dbviz.plot`, `python -m dbviz plot` and `dbviz plot` are the same command. `dbviz` alone lists the commands;
each explains its options with `--help`, which is what these pages show.

Every command ends with exit status 0 when it is done; 1 when a training diverged, some of many runs failed, or an audit
found something wrong; 2 for bad input or a place that cannot be read or written, in one line on standard error; 3 when
`audit machine` ran out of time; and 130 when it is interrupted.
"""


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference/commands", command_pages()))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
