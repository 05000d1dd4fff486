"""What `python -m dbviz.audit machine` does: is dbviz exact, repeatable and fast on this machine?"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.options import MachineOptions, check_architectures
from dbviz.core.device_names import check_device_name
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import counted, duration, print_table, say, say_written

if TYPE_CHECKING:
    import torch

    from dbviz.audits.machine import Check, Part, Scale

__all__ = ["MachineAuditOptions", "audit_machine"]


@dataclass(frozen=True, kw_only=True)
class MachineAuditOptions:
    """Tests whether dbviz is exact and repeatable on this machine, and how fast it is beside the machine's own speed.

    Every architecture is audited in a process of its own on the built-in images: two trainings, and one that was
    killed and resumed, have the same bits; labels of the fast form, of refined maps and in other batches, and margins,
    are those of plain fp32; odd widths work. Then speeds are measured. The exit status is 0 if all is right, 1 if
    anything is wrong, and 3 if time ran out first. Results are kept: the same command does only what is missing or
    failed.
    """

    arch: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Architectures. Default: all; with --quick fcnet, resnet18 and vit."""
    quick: bool = False
    """Narrow networks, and less of everything."""
    minutes: float | None = None
    """When to stop. Default: 15 on a CPU, 8 on a GPU; with --quick 5 and 2."""
    speeds: bool = True
    """Also measure speeds."""
    fresh: bool = False
    """Do everything again."""
    device: str = MachineOptions.device
    """auto, cpu, cuda, or cuda:N."""
    out: Path = Path("results/audit")
    """Where the results are written as JSON, and runs are kept for as long as they are needed."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_architectures(self.arch)
        check_device_name(self.device)
        if self.minutes is not None and not self.minutes > 0:
            raise InputError(f"--minutes is {self.minutes:g}: give more than 0")


def audit_machine(options: MachineAuditOptions) -> int:
    """Does what is missing of the audit, prints and writes the results; returns the exit status."""
    out = output_directory(options.out)

    from dbviz.audits.machine import TimeLimitReached, minutes_allowed, unfinished_checks
    from dbviz.reports.machine import read_checks
    from dbviz.training import choose_device

    device = choose_device(options.device)
    path = out / f"{file_name(['machine', str(device), *(['quick'] if options.quick else [])])}.json"
    minutes = options.minutes or minutes_allowed(device, quick=options.quick)
    with tempfile.TemporaryDirectory(prefix=".machine-", dir=out, ignore_cleanup_errors=True) as home:
        parts = _parts(options, device, Path(home).absolute())
        key = _key(device, quick=options.quick)
        results = {} if options.fresh else read_checks(path, key)
        _announce(parts, results, device, minutes)
        try:
            _run(parts, results, 60 * minutes, lambda: _write(path, key, results, device))
        except TimeLimitReached:
            say(f"Time ran out after {duration(60 * minutes)}: the same command resumes from here.")
    _write(path, key, results, device)
    audited = {part.name: results.get(part.name, []) for part in parts}
    wrong = _print(audited)
    unfinished = sum(len(unfinished_checks(part, audited)) for part in parts)
    say(_conclusion(len(wrong), unfinished - len(wrong)))
    say_written([path])
    return 1 if wrong else 3 if unfinished else 0


def _parts(options: MachineAuditOptions, device: "torch.device", home: Path) -> "list[Part]":
    from dbviz.audits.machine import ALL, QUICK, ArchitectureChecks, AuditedNetwork, network_width
    from dbviz.benchmarks.machine import MachineSpeeds

    def network(arch: str, scale: "Scale", place: str) -> AuditedNetwork:
        width = network_width(arch, device, quick=options.quick)
        return AuditedNetwork(arch=arch, width=width, device=device, home=home / place, scale=scale)

    scale, timed = _scales(device, quick=options.quick)
    archs = options.arch or (QUICK if options.quick else ALL)
    parts: list[Part] = [ArchitectureChecks(network=network(arch, scale, file_name([arch]))) for arch in archs]
    if options.speeds:
        parts.append(MachineSpeeds(network=network("resnet18", timed, "speeds"), planes=4 if options.quick else 8))
    return parts


def _scales(device: "torch.device", *, quick: bool) -> "tuple[Scale, Scale]":
    """How much is computed for each architecture, and for the speeds."""
    from dbviz.audits.machine import Scale

    if device.type == "cuda":
        checks = Scale(resolution=64 if quick else 96, margin_images=32)
        return checks, Scale(train_images=4096 if quick else 16384, test_images=4096, batch_size=256)
    return Scale(), Scale(train_images=512 if quick else 1024, test_images=512, batch_size=64)


def _key(device: "torch.device", *, quick: bool) -> dict[str, Any]:
    """What decides the results: machine, versions and the amount of work. Results of another key are not used."""
    import dbviz
    from dbviz.core.environment import environment

    machine = environment(device)
    names = ("processor", "cpu_capability", "cores", "threads", "gpu", "driver", "dbviz_commit")
    return {
        "dbviz": dbviz.__version__,
        "torch": machine["packages"].get("torch"),
        "device": str(device),
        **{name: machine.get(name) for name in names},
        "quick": quick,
    }


def _announce(
    parts: "Sequence[Part]", results: "dict[str, list[Check]]", device: "torch.device", minutes: float
) -> None:
    """The first line: what is done, on which device, and for how long."""
    from dbviz.audits.machine import expected_seconds, unfinished_checks
    from dbviz.core.environment import environment

    machine = environment(device)
    where = machine.get("gpu") or f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores"
    checks = {part.name: unfinished_checks(part, results) for part in parts}
    left, total = sum(map(len, checks.values())), sum(len(part.checks) for part in parts)
    ready = f"{total - left} of {total} checks ready, " if left < total else ""
    expected = sum(expected_seconds(part, checks[part.name]) for part in parts)
    about = f"about {duration(expected)}, " if device.type == "cpu" else ""  # not measured on a GPU
    names = ", ".join(part.name for part in parts)
    say(f"Audit of this machine ({where}): {names}: {ready}{about}at most {duration(60 * minutes)}.")


def _run(parts: "Sequence[Part]", results: "dict[str, list[Check]]", seconds: float, write: Any) -> None:
    """Does what is missing; `results` is extended, and written after every check."""
    from dbviz.audits.machine import Check, expected_seconds, run_parts, unfinished_checks
    from dbviz.core.progress import progress_bar

    weights = {part.name: expected_seconds(part, part.checks) / len(part.checks) for part in parts}
    total = sum(weights[part.name] * len(unfinished_checks(part, results)) for part in parts)
    with progress_bar(total, show=total > 0) as advance:
        for part, event in run_parts(parts, results, seconds=seconds):
            done = isinstance(event, Check)
            if done:
                others = [check for check in results.get(part.name, []) if check.name != event.name]
                results[part.name] = [*others, event]
                write()
            advance(weights[part.name] if done else 0.0, f"{part.name}: {event.name}")


def _write(path: Path, key: dict[str, Any], results: "dict[str, list[Check]]", device: "torch.device") -> None:
    from dbviz.core.results import write_result
    from dbviz.reports.machine import machine_fields

    write_result(path, machine_fields(key, results), device=device)


def _print(audited: "dict[str, list[Check]]") -> list[str]:
    """Prints the tables and what is wrong; returns the latter."""
    from dbviz.reports.machine import check_rows, faults, speed_rows

    architectures = {name: checks for name, checks in audited.items() if name != "speeds"}
    checks, speeds, wrong = check_rows(architectures), speed_rows(audited), faults(audited)
    if checks[1]:
        print_table("Is it exact?", *checks)
    if speeds[1]:
        print_table("How fast is it?", *speeds)
    for fault in wrong:
        say(f"WRONG: {fault}")
    return wrong


def _conclusion(wrong: int, missing: int) -> str:
    if not wrong and not missing:
        return "All is right."
    parts = [f"{counted(wrong, 'check')} failed"] if wrong else []
    parts += [f"{counted(missing, 'check')} not done"] if missing else []
    return f"{' and '.join(parts)}."
