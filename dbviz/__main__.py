"""python -m dbviz: lists the commands."""

import ast
from importlib import resources

__all__ = ["commands", "main"]


def commands() -> dict[str, str]:
    """What each `python -m dbviz.NAME` does, in a line: the first line of its module."""
    found = {}
    for file in sorted(resources.files("dbviz").iterdir(), key=lambda file: file.name):
        name = file.name.removesuffix(".py")
        if file.name.endswith(".py"):
            said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            prefix = f"python -m dbviz.{name}: "
            if said.startswith(prefix):
                found[name] = said.splitlines()[0].removeprefix(prefix)
    return found


def main() -> None:
    """Prints the commands."""
    print("dbviz: would this network draw the same decision boundary if it were trained again?\n")
    listed = commands()
    for name, said in listed.items():
        print(f"  python -m dbviz.{name:<{max(map(len, listed))}}  {said}")
    print("\nEach explains itself with --help.")


if __name__ == "__main__":
    main()
