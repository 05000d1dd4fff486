"""What `python -m dbviz.audit determinism` does: is a training the same twice, and what changes it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import tyro

from dbviz.cli.options import TrainingOptions
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import duration, print_table, say, say_written
from dbviz.spec import Setting

if TYPE_CHECKING:
    from dbviz.audits import DeterminismAudit, SettingEffect, Settings
    from dbviz.audits.training_setup import TrainingSetup
    from dbviz.cli.job import Wanted
    from dbviz.spec import RunSpec

__all__ = ["DeterminismOptions", "audit_determinism"]


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


def audit_determinism(options: DeterminismOptions) -> None:
    """Trains twice, compares, and prints and writes what was found."""
    if len(options.run_seeds()) != 1:
        raise InputError(f"{len(options.run_seeds())} seeds given: an audit repeats one training (--seeds)")
    if options.steps < 1 or options.images < 1:
        raise InputError(
            f"{options.steps} steps and {options.images} images asked for: an audit needs at least one of each"
        )
    out = output_directory(options.out)

    from dbviz.cli.job import wanted
    from dbviz.spec.names import network_names

    asked = wanted(options)
    paths = [
        _audited(options, asked, spec, name, out)
        for spec, name in zip(asked.specs, network_names(asked.specs), strict=True)
    ]
    say_written(paths)


def _audited(options: DeterminismOptions, asked: "Wanted", spec: "RunSpec", name: str, out: Path) -> Path:
    from dbviz.audits.determinism import audit_determinism as audited
    from dbviz.audits.determinism import estimate_seconds
    from dbviz.audits.settings import check_settings
    from dbviz.core.progress import progress_bar
    from dbviz.core.results import write_result

    subject, settings, vary = _subject(options, asked, spec), _settings(options, spec), options.vary or None
    check_settings(settings, asked.device, also=options.vary)
    _announce(subject, settings, asked, spec, estimate_seconds(subject, settings, vary))
    with progress_bar(2.0 + len(vary or get_args(Setting))) as advance:
        found = audited(
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


def _subject(options: DeterminismOptions, asked: "Wanted", spec: "RunSpec") -> "TrainingSetup":
    from dbviz.audits.training_setup import training_setup_of
    from dbviz.runs import store

    home = store.home_directory(options.home)
    teacher = store.find_by_identity(spec.teacher, home).model(asked.device) if spec.teacher else None
    return training_setup_of(
        spec, asked.images, asked.device, steps=options.steps, test_images=options.images, teacher=teacher
    )


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


def _make_loader(subject: "TrainingSetup", asked: "Wanted", spec: "RunSpec") -> Callable[[int], Any]:
    """The same images cropped and mirrored by torchvision's transforms in a DataLoader."""
    from dbviz.benchmarks.baseline import AugmentedImages
    from dbviz.data import LoaderBatches

    size = spec.recipe.batch_size
    dataset = AugmentedImages(asked.images.train.first(min(len(asked.images.train), subject.steps * size)))
    return lambda workers: LoaderBatches(
        dataset, batch_size=size, seeds=spec.seeds, device=asked.device, workers=workers
    )


def _announce(subject: "TrainingSetup", settings: "Settings", asked: "Wanted", spec: "RunSpec", seconds: float) -> None:
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


def _print_determinism(found: "DeterminismAudit", name: str, subject: "TrainingSetup") -> None:
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


def _row(one: "SettingEffect") -> list[str]:
    begun = [one.setting, one.before, one.after]
    if one.lacks is not None:
        return [*begun, one.lacks, "", "", "", "", ""]
    numbers = [one.weights, one.weights_relative, one.logits, one.logits_relative]
    shown = ["0" if not number else f"{number:.1e}" for number in numbers]
    return [*begun, "yes" if one.same_bits else "no", *shown, f"{one.labels_changed or 0:.1%}"]


def _some(places: Sequence[str], at_most: int = 1) -> str:
    more = f" and {len(places) - at_most} more" if len(places) > at_most else ""
    return f"{'; '.join(places[:at_most])}{more}"
