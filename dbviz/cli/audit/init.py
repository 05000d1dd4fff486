"""What `python -m dbviz.audit init` does: do two definitions begin with the same weights."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import print_table, say, say_written

if TYPE_CHECKING:
    from dbviz.audits import InitAudit
    from dbviz.runs import Run

__all__ = ["InitOptions", "audit_init"]


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """Compares the initial weights of two definitions, or prints the fingerprint of one, or of a stored run."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME ...")] = ()
    """One or two architectures, as --arch names them; or a stored run's directory name or identity."""
    seed: int = 0
    """The seed of the initial weights."""
    width: int | None = None
    """The architectures' own width, instead of the published one."""
    classes: int = 10
    """How many classes the networks tell apart."""
    home: Path | None = None
    """Where runs are kept. Default: $DBVIZ_HOME, else ./runs."""
    out: Path = Path("results/audit")
    """Where the results are written as JSON."""


def audit_init(options: InitOptions) -> None:
    """Compares initial weights, or prints a fingerprint, and writes the result."""
    if not 1 <= len(options.names) <= 2:
        raise InputError(f"{len(options.names)} names given: give one to see its fingerprint, or two to compare them")
    if options.seed < 0 or options.classes < 1:
        raise InputError(f"seed {options.seed} and {options.classes} classes: give a seed of at least 0 and a class")
    out = output_directory(options.out)

    from dbviz.core.results import write_result

    numbers = _compared_definitions(options) if len(options.names) == 2 else _fingerprint(options)
    path = write_result(out / f"{file_name(['init', *options.names])}.json", {"seed": options.seed, **numbers})
    say_written([path])


def _fingerprint(options: InitOptions) -> dict[str, Any]:
    from dbviz.audits import initial_fingerprint
    from dbviz.models import ARCHITECTURES, build
    from dbviz.runs import store

    (name,) = options.names
    if name not in ARCHITECTURES and ":" not in name:
        home = store.home_directory(options.home)
        if _is_run(name, home):
            return _fingerprint_of_run(store.find_by_name(name, home))
    module = build(name, options.classes, _width(options, name), options.seed)
    fingerprint = initial_fingerprint(module)
    count = sum(parameter.numel() for parameter in module.parameters())
    say(f"{name}, {count:,} parameters, drawn by name under seed {options.seed}: its initial weights have digest")
    say(fingerprint)
    return {"network": name, "width": options.width, "parameters": count, "initial_fingerprint": fingerprint}


def _fingerprint_of_run(run: "Run") -> dict[str, Any]:
    from dbviz.audits import initial_fingerprint
    from dbviz.models import build
    from dbviz.models.nudge import nudge

    spec = run.spec
    module = build(spec.arch, run.class_count, spec.width, spec.seeds.init, image_shape=run.image_shape)
    if spec.seeds.nudge is not None:
        nudge(module, spec.seeds.nudge)
    now, stored = initial_fingerprint(module), run.initial_fingerprint
    say(f"{run.directory.name}: before its first step its weights had the digest")
    say(stored or "(not stored: an earlier dbviz trained this run)")
    result = "the same" if now == stored else f"of digest {now}" if stored is None else f"DIFFERENT, of digest {now}"
    say(f"Drawn again on this machine they are {result}.")
    return {"run": run.directory.name, "initial_fingerprint": stored, "drawn_again": now}


def _compared_definitions(options: InitOptions) -> dict[str, Any]:
    from dbviz.audits import audit_initialisation
    from dbviz.models.build import construct_unseeded

    one, other = options.names
    say(f"Initial weights of {one} and of {other} under seed {options.seed}, drawn both ways: a few seconds.")

    def make(name: str) -> Callable[[], Any]:
        return lambda: construct_unseeded(name, options.classes, _width(options, name), (3, 32, 32))

    audit = audit_initialisation(make(one), make(other), seed=options.seed, labels=(one, other))
    _print(audit, one, other)
    return {"networks": [one, other], "width": options.width, **asdict(audit)}


def _print(audit: "InitAudit", one: str, other: str) -> None:
    rows = [
        [mine.name, *(_shape(shape) for shape in mine.shapes), mine.state, by_name.state]
        for mine, by_name in zip(audit.sequential.parameters, audit.by_name.parameters, strict=True)
    ]
    print_table("Parameters, matched by name", ["", one, other, "drawn in sequence", "drawn by name"], rows)
    for how, way in (("Drawn in sequence", audit.sequential), ("Drawn by name", audit.by_name)):
        say(f"{how}: {way.equal} of {way.in_both} parameters of one name and shape begin with equal values.")
        if way.first_unequal is not None:
            say(f"  The first that differs is {way.first_unequal}: {way.cause}.")
        for name, fingerprint in zip((one, other), way.fingerprints, strict=True):
            say(f"  {name}: {fingerprint}")


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else " x ".join(map(str, shape)) or "a number"


def _width(options: InitOptions, name: str) -> int | None:
    from dbviz.models import ARCHITECTURES

    return options.width if name in ARCHITECTURES else None


def _is_run(name: str, home: Path) -> bool:
    return any(name in (path.parent.name, path.parent.name.rpartition("-")[2]) for path in home.glob("*/metrics.json"))
