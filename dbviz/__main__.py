"""python -m dbviz: lists the commands, or runs one of them."""

import ast
import importlib
import sys
from collections.abc import Sequence
from importlib import resources

from dbviz.core.errors import unknown_name

__all__ = ["commands", "main"]


def commands() -> dict[str, str]:
    """What each `python -m dbviz.NAME` does, in a line: the first line of its module."""
    listed = {}
    for file in sorted(resources.files("dbviz").iterdir(), key=lambda file: file.name):
        name = file.name.removesuffix(".py")
        if file.name.endswith(".py"):
            docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            prefix = f"python -m dbviz.{name}: "
            if docstring.startswith(prefix):
                listed[name] = docstring.splitlines()[0].removeprefix(prefix)
    return listed


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names with the others, or lists the commands; the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    listed = commands()
    if not arguments or arguments[0] in ("-h", "--help"):
        _print(listed)
        return 0
    name, *rest = arguments
    if name not in listed:
        print(f"dbviz: error: {unknown_name('command', name, listed)}", file=sys.stderr)
        return 2
    return importlib.import_module(f"dbviz.cli.{name}").main(rest)


def _print(listed: dict[str, str]) -> None:
    print("dbviz: would this network draw the same decision boundary if it were trained again?\n")
    for name, what in listed.items():
        print(f"  python -m dbviz.{name:<{max(map(len, listed))}}  {what}")
    print("\nEach explains itself with --help.")


if __name__ == "__main__":
    sys.exit(main())
