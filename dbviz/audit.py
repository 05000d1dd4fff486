"""python -m dbviz.audit: is a training the same twice, and what changes it; do two definitions begin alike."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import tyro

from dbviz.console import duration, file_name, output_directory, print_table, run_command, say
from dbviz.errors import InputError
from dbviz.options import TrainingOptions
from dbviz.spec import Setting

if TYPE_CHECKING:
    from dbviz.audits import DeterminismAudit, InitAudit, Settings, Varied
    from dbviz.audits.subject import Subject
    from dbviz.spec import RunSpec
    from dbviz.store import Run
    from dbviz.wanted import Wanted

__all__ = ["DeterminismOptions", "InitOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class DeterminismOptions(TrainingOptions):
    """Trains each network twice for a few steps, compares every bit, and then changes one setting at a time.

    Named are the first step, tensor and operation that differ, operations that torch calls nondeterministic, a module
    that is random in evaluation mode, and what is wrong with how batches are loaded.
    """

    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N")] = ("0",)
    """The seed of the training that is repeated."""
    steps: int = 5
    """Training steps."""
    images: int = 256
    """Test images that the networks are then asked about."""
    vary: tuple[Setting, ...] = ()
    """Settings that are changed, one at a time. Default: all that this machine has."""
    precision: Literal["fp32", "bf16"] | None = None
    """Of the training that is repeated, instead of the preset's."""
    threads: int | None = None
    """The same for the number of threads."""
    tf32: bool = False
    """Repeat a training that uses TF32."""
    cudnn_benchmark: bool = False
    """Repeat a training that lets cuDNN choose its fastest algorithms."""
    compile: bool = False
    """Repeat a training of the compiled network. Then no operation can be named."""
    out: Path = Path("audits")
    """Where what was found is written as JSON."""


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
    out: Path = Path("audits")
    """Where what was found is written as JSON."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    named: list[Any] = [Annotated[made, tyro.conf.subcommand(name)] for name, (made, _) in _AUDITS.items()]
    return run_command("python -m dbviz.audit", reduce(or_, named), _audit, argv)


def _audit(options: Any) -> None:
    (run,) = (run for made, run in _AUDITS.values() if made is type(options))
    run(options)


# ---- determinism


def _determinism(options: DeterminismOptions) -> None:
    if len(options.run_seeds()) != 1:
        raise InputError(f"{len(options.run_seeds())} seeds given: an audit repeats one training (--seeds)")
    if options.steps < 1 or options.images < 1:
        raise InputError(
            f"{options.steps} steps and {options.images} images asked for: an audit needs at least one of each"
        )
    out = output_directory(options.out)

    from dbviz.naming import network_names
    from dbviz.wanted import wanted

    asked = wanted(options)
    paths = [
        _audited(options, asked, spec, name, out)
        for spec, name in zip(asked.specs, network_names(asked.specs), strict=True)
    ]
    say("\n".join(["Written:", *(f"  {path}" for path in paths)]))


def _audited(options: DeterminismOptions, asked: "Wanted", spec: "RunSpec", name: str, out: Path) -> Path:
    from dbviz.audits.determinism import audit_determinism, estimate_seconds
    from dbviz.audits.settings import check_settings
    from dbviz.progress import progress_bar
    from dbviz.results import write_result

    subject, settings, vary = _subject(options, asked, spec), _settings(options, spec), options.vary or None
    check_settings(settings, asked.device, also=options.vary)
    _announce(subject, settings, asked, spec, estimate_seconds(subject, settings, vary))
    with progress_bar(2.0 + len(vary or get_args(Setting))) as advance:
        found = audit_determinism(
            subject,
            settings,
            vary=vary,
            make_loader=_make_loader(subject, asked, spec),
            advance=lambda doing: advance(1.0, doing),
        )
    _print_determinism(found, name, subject)
    numbers = {"network": name, "spec": spec.to_dict(), "repeats": found.repeats, **asdict(found)}
    path = out / f"{file_name(['determinism', asked.images.name, name, asked.device.type])}.json"
    return write_result(path, numbers, device=asked.device)


def _subject(options: DeterminismOptions, asked: "Wanted", spec: "RunSpec") -> "Subject":
    from dbviz import store
    from dbviz.audits.subject import subject_of

    home = store.home_directory(options.home)
    teacher = store.find_by_identity(spec.teacher, home).model(asked.device) if spec.teacher else None
    return subject_of(spec, asked.images, asked.device, steps=options.steps, shown=options.images, teacher=teacher)


def _settings(options: DeterminismOptions, spec: "RunSpec") -> "Settings":
    from dbviz.audits import Settings

    return Settings(
        deterministic=spec.recipe.deterministic,
        cudnn_benchmark=options.cudnn_benchmark,
        tf32=options.tf32,
        precision=options.precision or spec.recipe.precision,
        compiled=options.compile,
        threads=options.threads,
    )


def _make_loader(subject: "Subject", asked: "Wanted", spec: "RunSpec") -> Callable[[int], Any]:
    """The same images cropped and mirrored by torchvision's transforms in a DataLoader."""
    from dbviz.benchmarks.usual import AugmentedImages
    from dbviz.images import LoaderBatches

    size = spec.recipe.batch_size
    dataset = AugmentedImages(asked.images.train.first(min(len(asked.images.train), subject.steps * size)))
    return lambda workers: LoaderBatches(
        dataset, batch_size=size, seeds=spec.seeds, device=asked.device, workers=workers
    )


def _announce(subject: "Subject", settings: "Settings", asked: "Wanted", spec: "RunSpec", seconds: float) -> None:
    width = f" of width {spec.width}" if spec.width is not None else ""
    say(
        f"{asked.images.name}: determinism of {spec.arch}{width}: {subject.steps} steps of {spec.recipe.batch_size} "
        f"images twice, {_described(settings, asked.device)}, then with one setting changed at a time: "
        f"about {duration(seconds)}."
    )


def _described(settings: "Settings", device: Any) -> str:
    on = [
        "deterministic algorithms" if settings.deterministic else "any algorithms",
        settings.precision,
        *(["TF32"] if settings.tf32 else []),
        *(["cuDNN benchmark"] if settings.cudnn_benchmark else []),
        *(["compiled"] if settings.compiled else []),
        f"threads: {settings.value('threads', device)}",
    ]
    return f"{', '.join(on)}, on {device}"


def _print_determinism(found: "DeterminismAudit", name: str, subject: "Subject") -> None:
    columns = ["changed", "from", "to", "same bits", "weights", "relative", "logits", "relative", "labels changed"]
    title = (
        f"{name}: largest differences after {found.steps} steps, relative to the largest value of the tensor, and "
        f"share of {len(subject.images)} labels changed"
    )
    print_table(title, columns, [_row(each) for each in found.varied])
    if found.nondeterministic:
        rows = [
            [
                used.operation,
                used.documented.when if used.documented else "here, as torch warned",
                {"deterministic": "become deterministic", "error": "fail"}[used.documented.then]
                if used.documented
                else "fail",
                _some(used.where),
            ]
            for used in found.nondeterministic
        ]
        columns = ["operation", "nondeterministic", "deterministic algorithms make it", "used in"]
        print_table(f"{name}: operations that torch calls nondeterministic", columns, rows)
    if found.first is None:
        said = "every batch, loss, gradient, weight and buffer of two trainings is equal to the bit"
    else:
        said = f"two trainings differ: {found.first}"
    say(f"{name}: {said}.")
    if found.random_in_evaluation is not None:
        say(
            f"{name}: random in evaluation mode: the same images give other outputs in {found.random_in_evaluation}; "
            "such a network has no labels to compare."
        )
    if found.loader is not None:
        one, other = found.loader.workers
        faults = [str(fault) for fault in found.loader.faults] or ["the same batches every time"]
        say("\n".join(f"{name}: images loaded by {one} and by {other} workers: {fault}." for fault in faults))


def _row(one: "Varied") -> list[str]:
    begun = [one.setting, one.before, one.after]
    if one.lacks is not None:
        return [*begun, one.lacks, "", "", "", "", ""]
    numbers = [one.weights, one.weights_relative, one.logits, one.logits_relative]
    shown = ["0" if not number else f"{number:.1e}" for number in numbers]
    return [*begun, "yes" if one.same_bits else "no", *shown, f"{one.labels_changed or 0:.1%}"]


def _some(places: Sequence[str], at_most: int = 1) -> str:
    more = f" and {len(places) - at_most} more" if len(places) > at_most else ""
    return f"{'; '.join(places[:at_most])}{more}"


# ---- initial weights


def _init(options: InitOptions) -> None:
    if not 1 <= len(options.names) <= 2:
        raise InputError(f"{len(options.names)} names given: give one to see its fingerprint, or two to compare them")
    if options.seed < 0 or options.classes < 1:
        raise InputError(f"seed {options.seed} and {options.classes} classes: give a seed of at least 0 and a class")
    out = output_directory(options.out)

    from dbviz.results import write_result

    numbers = _compared_definitions(options) if len(options.names) == 2 else _fingerprint(options)
    path = write_result(out / f"{file_name(['init', *options.names])}.json", {"seed": options.seed, **numbers})
    say(f"Written:\n  {path}")


def _fingerprint(options: InitOptions) -> dict[str, Any]:
    from dbviz import store
    from dbviz.audits import initial_fingerprint
    from dbviz.models import ARCHITECTURES, build

    (name,) = options.names
    if name not in ARCHITECTURES and ":" not in name:
        home = store.home_directory(options.home)
        if _is_run(name, home):
            return _fingerprint_of_run(store.find_by_name(name, home))
    module = build(name, options.classes, _width(options, name), options.seed)
    found = initial_fingerprint(module)
    count = sum(parameter.numel() for parameter in module.parameters())
    say(f"{name}, {count:,} parameters, drawn by name under seed {options.seed}: its initial weights have digest")
    say(found)
    return {"network": name, "width": options.width, "parameters": count, "initial_fingerprint": found}


def _fingerprint_of_run(run: "Run") -> dict[str, Any]:
    from dbviz.audits import initial_fingerprint
    from dbviz.models import build
    from dbviz.models.nudge import nudge

    spec = run.spec
    module = build(spec.arch, run.class_count, spec.width, spec.seeds.init, image_shape=run.image_shape)
    if spec.seeds.nudge is not None:
        nudge(module, spec.seeds.nudge)
    now, kept = initial_fingerprint(module), run.initial_fingerprint
    say(f"{run.directory.name}: before its first step its weights had digest")
    say(kept or "none that was kept: an earlier dbviz trained this run")
    said = "the same" if now == kept else f"digest {now}" if kept is None else f"OTHER weights, digest {now}"
    say(f"Drawn again here and now they are {said}.")
    return {"run": run.directory.name, "initial_fingerprint": kept, "drawn_again": now}


def _compared_definitions(options: InitOptions) -> dict[str, Any]:
    from dbviz.audits import audit_initialisation
    from dbviz.models.build import construct_unseeded

    one, other = options.names
    say(f"Initial weights of {one} and of {other} under seed {options.seed}, drawn both ways: a few seconds.")

    def make(name: str) -> Callable[[], Any]:
        return lambda: construct_unseeded(name, options.classes, _width(options, name), (3, 32, 32))

    found = audit_initialisation(make(one), make(other), seed=options.seed, labels=(one, other))
    _print_init(found, one, other)
    return {"networks": [one, other], "width": options.width, **asdict(found)}


def _print_init(found: "InitAudit", one: str, other: str) -> None:
    rows = [
        [mine.name, *(_shape(shape) for shape in mine.shapes), mine.state, by_name.state]
        for mine, by_name in zip(found.sequential.parameters, found.by_name.parameters, strict=True)
    ]
    print_table("Parameters, matched by name", ["", one, other, "drawn in sequence", "drawn by name"], rows)
    for said, way in (("Drawn in sequence", found.sequential), ("Drawn by name", found.by_name)):
        say(f"{said}: {way.equal} of {way.in_both} parameters of one name and shape begin with equal values.")
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


_AUDITS: dict[str, tuple[type[Any], Callable[[Any], None]]] = {
    "determinism": (DeterminismOptions, _determinism),
    "init": (InitOptions, _init),
}
"""Every audit by name: its options and what does it."""


if __name__ == "__main__":
    sys.exit(main())
