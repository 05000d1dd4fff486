"""Tables of measurements, made from the stored results when the site is built.

    :::{results} bench-sampling-resnet18-cpu.json
    :::

is replaced by a table of the numbers in that file of experiments/results/, and a line that says by which command, on
which machine and when they were measured. Several files of one kind make one table. A number is so kept in one place.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dbviz.reports.machine import check_rows, parse_checks, speed_rows
from dbviz.reports.published import PUBLISHED_OPTIMIZERS, PUBLISHED_SPREADS, published
from dbviz.scores import Estimate

__all__ = ["RESULTS", "TABLES", "find", "measured_with", "table"]

RESULTS = Path(__file__).parents[2] / "experiments/results"

Result = dict[str, Any]
Rows = list[list[str]]
"""The rows of a table, its head first."""


def find(name: str) -> Path:
    """The stored result called `name`, in whichever folder of experiments/results/ it is.

    Raises:
        FileNotFoundError: there is none.
    """
    places = sorted(RESULTS.rglob(name))
    if not places:
        raise FileNotFoundError(f"no {name} below {RESULTS}")
    return places[0]


def table(names: Sequence[str], kind: str | None = None) -> tuple[Rows, list[Result]]:
    """The table of the results called `names`, and the results.

    Args:
        kind: a key of `TABLES`; by default the one that the first file's name begins with.
    """
    results = [json.loads(find(name).read_text(encoding="utf-8")) for name in names]
    chosen = kind or next(kind for kind in TABLES if names[0].startswith(kind))
    return TABLES[chosen](results), results


def measured_with(results: Iterable[Result]) -> str:
    """By which commands, on which machine, with which PyTorch and when the results were measured, in a sentence."""
    commands: dict[str, list[str]] = {}
    for result in results:
        listed = commands.setdefault(_machine(result), [])
        listed += [command for command in [f"`{_command(result)}`"] if command not in listed]
    return "; ".join(f"{' and '.join(listed)} on {machine}" for machine, listed in commands.items())


def _machine(result: Result) -> str:
    environment = result["environment"]
    count, day = environment["threads"], date.fromisoformat(result["date"][:10])
    threads = f"{count} thread{'s' if count > 1 else ''} of {environment['cores']} cores"
    torch = environment["packages"]["torch"]
    return f"{threads} of an {environment['processor']}, PyTorch {torch}, {day.day} {day:%B %Y}"


def _command(result: Result) -> str:
    """The command without the options that only say where files are; a script where it is today."""
    command = re.sub(r" --(data-dir|home|out) \S+", "", result["command"])
    return re.sub(r"experiments/(\w+\.py)", _script_today, command)


def _script_today(found: re.Match[str]) -> str:
    places = sorted(RESULTS.parent.rglob(found[1]))
    return str(places[0].relative_to(RESULTS.parents[1])) if places else found[0]


_UNBROKEN = "\N{NO-BREAK SPACE}"
"""Keeps an interval on one line."""


def _estimate(fields: dict[str, Any], scale: float = 1) -> str:
    """`0.83 [0.82, 0.84]`; a bound that is stored as null is infinite."""
    value, low, high = (math.inf if fields[name] is None else scale * fields[name] for name in ("value", "low", "high"))
    text = str(Estimate(value=value, low=low, high=high, runs=(), items=0))
    return text.replace(" ", _UNBROKEN)


def _bench(results: list[Result]) -> Rows:
    (result,) = results
    rates = {way.replace("usual", "baseline"): rate for way, rate in result["rates"].items()}
    baseline = next(iter(rates.values()))
    rows = [[way, f"{rate:,.0f}", f"{rate / baseline:,.1f} x"] for way, rate in rates.items()]
    first = "the baseline" if rows[0][0].startswith("baseline") else "the first row"
    return [[result["title"], f"{result['unit']}/s", f"relative to {first}"], *rows]


def _growth(results: list[Result]) -> Rows:
    (result,) = results
    rows = []
    for growth in result["growth"]:
        steps = zip(growth["values"], growth["seconds"], strict=True)
        rows.append([growth["over"], *(f"{value}: {seconds:.2f} s" for value, seconds in steps)])
    return [["seconds against", "", "", ""], *rows]


def _refinement(results: list[Result]) -> Rows:
    (result,) = results
    cautions = list(next(iter(result["networks"].values()))["cautions"])
    rows = []
    for network, found in result["networks"].items():
        cells = (found["cautions"][caution] for caution in cautions)
        rows.append(
            [
                network,
                f"{found['fragments']:g}",
                *(f"{cell['different']} ({cell['evaluated']:.1%})" for cell in cells),
            ]
        )
    return [["network", "fragments", *(f"caution {float(caution):g}" for caution in cautions)], *rows]


def _exactness(results: list[Result]) -> Rows:
    rows = [
        [
            f"{arch} (width {found['width']})",
            f"{found['labels']:,}",
            str(found["different"]),
            f"{found['reevaluated']:.1%}",
            found["form"],
        ]
        for result in results
        for arch, found in result["architectures"].items()
    ]
    return [["network", "labels", "different", "re-evaluated in fp32", "form"], *sorted(rows)]


def _machine_checks(results: list[Result]) -> Rows:
    (result,) = results
    heading, rows = check_rows(parse_checks(result))
    return [heading, *rows]


def _machine_speeds(results: list[Result]) -> Rows:
    (result,) = results
    heading, rows = speed_rows(parse_checks(result))
    return [heading, *rows]


def _coverage(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [
            runs,
            f"{100 * found['coverage']:.1f} ± {100 * found['standard_error']:.1f} %",
            f"{found['mean_half_width']:.3f}",
        ]
        for runs, found in result["by_runs"].items()
    ]
    return [["runs", "intervals that contain the true value", "mean half-width"], *rows]


def _shared_seeds(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [
            case["design"],
            f"{case['runs']} x {case['planes']}",
            f"{100 * case['before']:.1f} %",
            f"{100 * case['after']:.1f} ± {100 * case['standard_error']:.1f} %",
        ]
        for case in result["coverage"]
    ]
    return [["design", "runs x planes", "runs taken as independent", "as now"], *rows]


def _differences(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [f"{case['difference']:g}", str(case["runs"]), *(f"{100 * case[name]:.1f} %" for name in ("before", "after"))]
        for case in result["differences"]
    ]
    return [["true difference", "runs of each", "separate intervals part", "the difference excludes zero"], *rows]


def _margin_coverage(results: list[Result]) -> Rows:
    (result,) = results
    runs = sorted({case["runs"] for case in result["coverage"]})
    rows: dict[tuple[str, int], list[str]] = {}
    for case in sorted(result["coverage"], key=lambda case: case["runs"]):
        share, error = (f"{100 * case[name]:.1f}" for name in ("coverage", "standard_error"))
        rows.setdefault((case["score"], case["directions"]), []).append(f"{share} ± {error} %")
    head = ["margin", "directions", *(f"{count} runs" for count in runs)]
    return [head, *([score, str(directions), *cells] for (score, directions), cells in rows.items())]


def _profiles(results: list[Result]) -> Rows:
    (result,) = results
    rows = []
    for stage, found in result["stages"].items():
        operations = found["operations"]
        shares = [sum(s for name, s in operations.items() if part in name) for part in ("convolution", "batch_norm")]
        shares.append(found["outside torch's operations"])
        rows.append([stage, f"{found['seconds']:.2g} s", *(f"{share:.0%}" for share in shares)])
    return [["stage", "time", "convolutions", "batch norm", "outside PyTorch's operations"], *rows]


def _overhead(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [executor, f"{found['start_s']:.1f} s", f"{found['overhead_ms']:.0f} ms"]
        for executor, found in result["executors"].items()
    ]
    return [["executor", "start", "overhead of a run"], *rows]


def _vectorised(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [
            str(step["width"]),
            f"{step['one after the other']:.2f} s",
            f"{step['vectorised']:.2f} s",
            f"{step['gain']:.1f} x",
        ]
        for step in result["steps"]
    ]
    return [["width", "one after the other", "vectorised", "gain"], *rows]


def _determinism(results: list[Result]) -> Rows:
    head = ["changed", *(f"{r['network']}: {what}" for r in results for what in ("weights", "logits", "labels"))]
    rows = []
    for changes in zip(*(result["varied"] for result in results), strict=True):
        first = changes[0]
        what = f"{first['setting']}: {first['before']} to {first['after']}" if first["before"] else first["setting"]
        cells = []
        for change in changes:
            numbers = (change["weights"], change["logits"])
            shown = [f"{number:.1e}" if number else "0" for number in numbers]
            cells += ["not measured", "", ""] if change["lacks"] else [*shown, f"{change['labels_changed']:.1%}"]
        rows.append([what, *cells])
    return [head, *rows]


_SPREADS = ("sd of test accuracy, %", "churn", "reproducibility", "fragments of a plane")


def _sources(results: list[Result]) -> Rows:
    (result,) = results
    shares = result["shares"]["predictions"]["total"]
    rows = []
    for cell in result["scores"]["churn"]:
        share = _estimate(shares[cell]) if cell in shares else ""
        rows.append([cell, *(_estimate(result["scores"][score][cell]) for score in _SPREADS), share])
    return [["varied", *_SPREADS, "share of the variance of predictions"], *rows]


def _shares(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [source, *(f"{_estimate(kinds['total'][source])}: {result['nearly_full'][q][source]}" for q, kinds in shares)]
        for shares in [list(result["shares"].items())]
        for source in shares[0][1]["total"]
    ]
    return [["varied alone", *(f"share of the variance of {quantity}" for quantity in result["shares"])], *rows]


def _scan(results: list[Result]) -> Rows:
    head = ["in %", "mean test accuracy", "standard deviation", "the same on the test distribution", "highest − lowest"]
    rows = [
        [
            _scanned(group),
            f"{100 * group['mean']:.2f}",
            *(_estimate(group[what], 100) for what in ("deviation", "distribution_deviation")),
            f"{100 * group['range']:.2f}",
            _estimate(group["correlation"]),
        ]
        for result in results
        for group in result["groups"]
    ]
    spreads = ("deviation", "distribution_deviation", "range")
    published_row = ["published", "", *(_spread(what) for what in spreads), ""]
    heads_row = ["published, new heads only", "", "", "", _spread("range, head alone"), ""]
    return [[*head, "correlation of two halves"], *rows, published_row, heads_row]


def _scanned(group: Result) -> str:
    spec = group["spec"]
    if spec["pretrained"]:
        return f"{spec['arch']}, new heads only"
    return f"{spec['arch']} of width {spec['width']}, {spec['recipe']['epochs']} epochs"


def _spread(what: str) -> str:
    value, source = PUBLISHED_SPREADS[what]
    return f"{100 * value:g} ({source.partition(',')[0]})"


def _matrix(results: list[Result]) -> Rows:
    (result,) = results
    widths = {spec["arch"]: spec["width"] for spec in result["specs"].values()}
    pairs = {frozenset(pair["networks"]): pair for pair in result["reproducibility"]}

    def cell(one: str, other: str) -> str:
        reference = published("cifar10", one, other)
        return _estimate(pairs[frozenset((one, other))]) + (f" ({reference:.2f})" if reference else "")

    names = list(widths)
    rows = [
        [f"{one} of width {widths[one]}", *(cell(one, other) if i <= j else "" for j, other in enumerate(names))]
        for i, one in enumerate(names)
    ]
    return [["reproducibility", *names], *rows]


def _networks(results: list[Result]) -> Rows:
    (result,) = results
    names = list(next(iter(result["scores"].values())))
    rows = [[score, *(_estimate(by_network[name]) for name in names)] for score, by_network in result["scores"].items()]
    return [["score", *names], *rows]


def _optimizers(results: list[Result]) -> Rows:
    (result,) = results
    rows = []
    for network, agreed in result["scores"]["reproducibility"].items():
        reference, accuracy = PUBLISHED_OPTIMIZERS[tuple(network.split())]  # pyright: ignore[reportArgumentType]
        ours = _estimate(agreed), _estimate(result["scores"]["test accuracy"][network])
        rows.append([network, ours[0], f"{reference:.2f}", ours[1], f"{accuracy:.2f}"])
    return [["network", "reproducibility", "published", "test accuracy", "published"], *rows]


_OFF_MANIFOLD = ("reproducibility", "beyond chance (kappa)", "fragments of a plane")


def _off_manifold(results: list[Result]) -> Rows:
    (result,) = results
    rows = [
        [f"{kind.replace('_', ' ')}: {score}", *(_estimate(fields) for fields in found["scores"][score].values())]
        for kind, found in result["by_kind"].items()
        for score in _OFF_MANIFOLD
    ]
    names = list(next(iter(result["by_kind"].values()))["scores"]["reproducibility"])
    return [["planes through", *names], *rows]


_SWEPT = {
    "test_error": "test error",
    "train_error": "training error",
    "fragmentation": "fragments",
    "reproducibility": "reproducibility",
    "median_margin": "median margin",
}


def _sweep(results: list[Result]) -> Rows:
    (result,) = results
    points = [(curve, point) for curve in result["curves"] for point in curve["points"]]
    scores = [score for score in _SWEPT if score in points[0][1]]
    rows = [
        [curve["name"], f"{point['x']:g}", *(_estimate(point[score]) if score in point else "" for score in scores)]
        for curve, point in points
    ]
    return [["", "width", *(_SWEPT[score] for score in scores)], *rows]


TABLES: dict[str, Callable[[list[Result]], Rows]] = {
    "bench": _bench,
    "determinism": _determinism,
    "differences": _differences,
    "exactness": _exactness,
    "growth": _growth,
    "interval_coverage": _coverage,
    "machine": _machine_checks,
    "machine_speeds": _machine_speeds,
    "margin_coverage": _margin_coverage,
    "networks": _networks,
    "off_manifold": _off_manifold,
    "optimizers": _optimizers,
    "profiles": _profiles,
    "refinement_error": _refinement,
    "reproducibility_matrix": _matrix,
    "seed_scan": _scan,
    "shared_seeds": _shared_seeds,
    "shares": _shares,
    "sources": _sources,
    "sweep_overhead": _overhead,
    "vectorised_seeds": _vectorised,
    "cifar10": _sweep,
}
"""How the results of each kind become a table; files are called after their kind."""


def as_markdown(rows: Rows) -> list[str]:
    """The rows as a Markdown table, its head first."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


class Results(SphinxDirective):
    """`:::{results} FILE ...`, with `:kind:` where the file's name does not say which table is meant."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"kind": functools.partial(directives.choice, values=tuple(TABLES))}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        names = self.arguments[0].split()
        rows, found = table(names, self.options.get("kind"))
        for name in names:
            self.env.note_dependency(str(find(name)))
        text = [*as_markdown(rows), "", "```{div} provenance", f"Measured by {measured_with(found)}.", "```"]
        return [nodes.container("", *self.parse_text_to_nodes("\n".join(text)), classes=["results"])]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("results", Results)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
