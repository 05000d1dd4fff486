"""A page for each package of dbviz, from the docstrings of what it exports; written before a build reads them."""

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import as_rst
from docutils import nodes
from pages import write_pages
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer

import dbviz

PIPELINE = (
    *("spec", "data", "models", "training", "executors", "runs", "planes", "label_maps", "margins", "scores"),
    *("sweeps", "audits", "figures", "reports", "benchmarks", "core"),
)
"""The packages in the order of the pipeline, `core`, which all others use, last; what else there is comes after."""
FURTHER = {
    "executors": ["dbviz.executors.ray_cluster"],
    "label_maps": ["dbviz.label_maps.archive"],
    "runs": ["dbviz.runs.training_run", "dbviz.runs.fitting", "dbviz.runs.specs", "dbviz.runs.store"],
    "training": ["dbviz.training.loop"],
}
"""Modules with public names beyond those that their package exports."""


def packages() -> list[str]:
    """Every package below dbviz but the commands' own."""
    there = {path.parent.name for path in Path(dbviz.__file__).parent.glob("*/__init__.py")} - {"cli"}
    return [*(name for name in PIPELINE if name in there), *sorted(there - set(PIPELINE))]


def api_pages() -> dict[str, str]:
    """The reStructuredText of each package's page, wrapped for MyST, and of the page that lists them."""
    return {name: _package_page(name) for name in packages()} | {"index": _index()}


def aliases() -> dict[str, str]:
    """Where the names that `dbviz` itself exports are documented, such as `dbviz.fit` at `dbviz.runs.fit`."""
    found = {}
    for name in dbviz.__all__:
        value = getattr(dbviz, name)
        if not isinstance(value, ModuleType):
            found[f"dbviz.{name}"] = f"{_home(name, value)}.{name}"
    return found


def _home(name: str, value: Any) -> str:
    """The package that documents what `dbviz` exports under `name`, else the module that defines it."""
    package = ".".join(value.__module__.split(".")[:2])
    return package if name in getattr(importlib.import_module(package), "__all__", ()) else value.__module__


def _package_page(name: str) -> str:
    module = importlib.import_module(f"dbviz.{name}")
    text = [*_title(f"dbviz.{name}"), f".. automodule:: dbviz.{name}", "   :no-members:", "", *_members(module)]
    own = [path for path in aliases().values() if path.startswith(f"dbviz.{name}.") and path.count(".") > 2]
    others = {path.rpartition(".")[0] for path in own} - set(FURTHER.get(name, []))
    for further in [*FURTHER.get(name, []), *sorted(others)]:
        exported = set(getattr(module, "__all__", ()))
        part = importlib.import_module(further)
        names = [each for each in part.__all__ if each not in exported]
        text += [*_title(further, "-"), f".. automodule:: {further}", "   :no-members:", "", *_members(part, names)]
    return "\n".join(["```{eval-rst}", *text, "```", ""])


def _title(text: str, underline: str = "=") -> list[str]:
    return [text, underline * len(text), ""]


def _members(module: ModuleType, names: list[str] | None = None) -> list[str]:
    """A summary of the module's public names, then each of them."""
    names = list(getattr(module, "__all__", ())) if names is None else names
    values = {name: getattr(module, name) for name in names}
    values = {name: value for name, value in values.items() if not isinstance(value, ModuleType)}
    classes = [name for name, value in values.items() if inspect.isclass(value)]
    functions = [name for name, value in values.items() if inspect.isroutine(value)]
    rest = [name for name in values if name not in {*classes, *functions}]
    if not values:
        return []
    prefix = module.__name__
    text = _summary({name: values[name] for name in [*functions, *classes]})
    for name in functions:
        text += [f".. autofunction:: {prefix}.{name}", ""]
    for name in classes:
        text += [f".. autoclass:: {prefix}.{name}", "   :members:", ""]
    for name in rest:
        text += [f".. py:data:: {prefix}.{name}", "", *(f"   {line}" for line in _data_docstring(module, name)), ""]
    return text


def _summary(values: dict[str, Any]) -> list[str]:
    """A table of the names with the first line of each docstring; none for so few that a page shows them at once."""
    if len(values) < 3:
        return []
    rows = [
        line
        for name, value in values.items()
        for line in (f"   * - :py:obj:`{name}`", f"     - {as_rst([_first_line(value)])[0]}")
    ]
    return [".. list-table::", "   :widths: auto", "", *rows, ""]


def _data_docstring(module: ModuleType, name: str) -> list[str]:
    """What is written below a constant or a type alias in the module that defines it."""
    while True:
        tree = ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
        homes = (node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and _imports(node, name))
        home = next(homes, None)
        if home is None:
            break
        module = importlib.import_module(home)
    return ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name), [""])


def _imports(node: ast.ImportFrom, name: str) -> bool:
    return bool(node.module) and any((alias.asname or alias.name) == name for alias in node.names)


def _index() -> str:
    rows = []
    for alias, path in sorted(aliases().items(), key=lambda item: item[0].lower()):
        value = getattr(dbviz, alias.removeprefix("dbviz."))
        rows.append(f"| {{py:obj}}`{alias} <{path}>` | {_first_line(value)} |")
    modules = {name: importlib.import_module(f"dbviz.{name}") for name in packages()}
    listed = [f"| [`dbviz.{name}`]({name}.md) | {_first_line(module)} |" for name, module in modules.items()]
    hidden = "\n".join(["```{toctree}", ":hidden:", "", *packages(), "```"])
    names, below = ["| name | |", "|---|---|", *rows], ["| package | |", "|---|---|", *listed]
    return "\n".join([_INTRODUCTION, *names, "", _PACKAGES, *below, "", hidden])


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or "").partition("\n")[0]


_INTRODUCTION = """\
# Python API

`import dbviz` is quick: PyTorch is imported when the first of these names is used. Arrays are described by their type
and the names of their axes, as in `Float32[Tensor, "n c h w"]`: a `torch.Tensor` of `float32` with n images of c
channels, h rows and w columns. An axis written with a star, `*maps`, stands for any number of axes.

What a user can cause is raised as {py:obj}`dbviz.InputError <dbviz.core.errors.InputError>`, a `ValueError` whose
message names the parameter, the rule, the value and the remedy.

## Names of `dbviz`
"""
_PACKAGES = """
## Packages

In the order of the pipeline; [How it is built](../../how_it_is_built.md) says how they depend on each
other.
"""


def _resolve_alias(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """A link to `dbviz.fit` goes to where `dbviz.runs.fit` is documented."""
    target = aliases().get(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or target is None:
        return None
    place = node["refdoc"], app.builder
    return env.domains.python_domain.resolve_xref(env, *place, "obj", target, node, content)  # shown as the alias


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference/api", api_pages()))
    app.connect("missing-reference", _resolve_alias)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
