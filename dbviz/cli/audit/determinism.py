"""What `python -m dbviz.audit determinism` does: is a training the same twice, and what changes it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from dbviz.cli.options import DataOptions, MachineOptions, NetworkOptions, RecipeOptions, StreamOptions
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import duration, print_table, say, say_written
from dbviz.spec import Setting

if TYPE_CHECKING:
    from dbviz.audits import DeterminismAudit, Settings
    from dbviz.audits.training_setup import TrainingSetup
    from dbviz.cli.job import Job
    from dbviz.spec import RunSpec

__all__ = ["DeterminismOptions", "audit_determinism"]


@dataclass(frozen=True, kw_only=True)
class RepetitionOptions:
    """What is repeated, under which settings, and what is then varied."""

    steps: int = 5
    """Training steps."""
    images: int = 256
    """Test images that the networks then classify."""
    vary: tuple[Setting, ...] = ()
    """Settings that are changed, one at a time. Default: all that this machine has."""
    threads: int | None = None
    """Of the training that is repeated. Default: the process's number."""
    tf32: bool = False
    """Repeat a training that uses TF32."""
    cudnn_benchmark: bool = False
    """Repeat a training that lets cuDNN choose its fastest algorithms."""
    compile: bool = False
    """Repeat a training of the compiled network. Then no operation can be named."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.steps < 1 or self.images < 1:
            raise InputError(f"--steps {self.steps} --images {self.images}: an audit needs at least one of each")


@dataclass(frozen=True, kw_only=True)
class DeterminismOptions:
    """Trains each network twice for a few steps, compares every bit, and then changes one setting at a time.

    Reports the first step, tensor and operation that differ, operations that torch documents as nondeterministic, a
    module that is random in evaluation mode, and faults in how batches are loaded. The exit status is 1 if two
    trainings differ, or a network is random in evaluation mode.
    """

    networks: NetworkOptions = NetworkOptions(seeds=("0",))
    repetition: RepetitionOptions = RepetitionOptions()
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()
    out: Path = Path("results/audit")
    """Where the results are written as JSON."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if (count := len(self.networks.run_seeds(self.streams))) != 1:
            raise InputError(f"{count} seeds given: an audit repeats one training (--seeds)")


def audit_determinism(options: DeterminismOptions) -> int:
    """Trains twice, compares, prints and writes the result; 1 if a training is not the same twice, else 0."""
    out = output_directory(options.out)

    from dbviz.cli.job import make_job
    from dbviz.spec import network_names

    job = make_job(options)
    audited = [
        _audit(options.repetition, job, spec, name, out)
        for spec, name in zip(job.specs, network_names(job.specs), strict=True)
    ]
    say_written([path for path, _ in audited])
    return 0 if all(repeats for _, repeats in audited) else 1


def _audit(options: RepetitionOptions, job: "Job", spec: "RunSpec", name: str, out: Path) -> tuple[Path, bool]:
    """The file of one network's audit, and whether its training is the same twice."""
    from dbviz.audits.determinism import audit_determinism as audit_setup
    from dbviz.audits.determinism import estimate_seconds
    from dbviz.audits.settings import check_settings
    from dbviz.core.progress import progress_bar
    from dbviz.core.results import write_result
    from dbviz.reports.determinism import determinism_fields

    setup, settings, vary = _setup(options, job, spec), _settings(options, spec), options.vary or None
    check_settings(settings, job.device, also=options.vary)
    _announce(setup, settings, job, spec, estimate_seconds(setup, settings, vary))
    with progress_bar(2.0 + len(vary or get_args(Setting))) as advance:
        audit = audit_setup(
            setup,
            settings,
            vary=vary,
            make_loader=_make_loader(setup, job, spec),
            advance=lambda at_work: advance(1.0, at_work),
        )
    _print(audit, name, setup)
    numbers = {"network": name, "spec": spec.to_dict(), **determinism_fields(audit)}
    path = out / f"{file_name(['determinism', job.images.name, name, job.device.type])}.json"
    return write_result(path, numbers, device=job.device), audit.repeats


def _setup(options: RepetitionOptions, job: "Job", spec: "RunSpec") -> "TrainingSetup":
    from dbviz.audits.training_setup import training_setup_of
    from dbviz.runs import store

    teacher = store.find_by_identity(spec.teacher, job.home).model(job.device) if spec.teacher else None
    return training_setup_of(
        spec, job.images, job.device, steps=options.steps, test_images=options.images, teacher=teacher
    )


def _settings(options: RepetitionOptions, spec: "RunSpec") -> "Settings":
    from dbviz.audits import Settings

    return Settings(
        deterministic=spec.recipe.deterministic,
        cudnn_benchmark=options.cudnn_benchmark,
        tf32=options.tf32,
        precision=spec.recipe.precision,
        compiled=options.compile,
        threads=options.threads,
    )


def _make_loader(setup: "TrainingSetup", job: "Job", spec: "RunSpec") -> Callable[[int], Any]:
    """The same images cropped and mirrored by torchvision's transforms in a DataLoader."""
    from dbviz.benchmarks.baseline import AugmentedImages
    from dbviz.data import LoaderBatches

    size = spec.recipe.batch_size
    dataset = AugmentedImages(job.images.train.first(min(len(job.images.train), setup.steps * size)))
    return lambda workers: LoaderBatches(dataset, batch_size=size, seeds=spec.seeds, device=job.device, workers=workers)


def _announce(setup: "TrainingSetup", settings: "Settings", job: "Job", spec: "RunSpec", seconds: float) -> None:
    width = f" of width {spec.width}" if spec.width is not None else ""
    say(
        f"{job.images.name}: determinism of {spec.arch}{width}: {setup.steps} steps of {spec.recipe.batch_size} "
        f"images twice, {_described(settings, job.device)}, then with one setting changed at a time: "
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


def _print(audit: "DeterminismAudit", name: str, setup: "TrainingSetup") -> None:
    from dbviz.reports.determinism import conclusions, determinism_rows, operation_rows

    title = (
        f"{name}: largest differences after {audit.steps} steps, relative to the largest value of the tensor, and "
        f"share of {len(setup.images)} labels changed"
    )
    print_table(title, *determinism_rows(audit))
    if audit.nondeterministic:
        print_table(f"{name}: operations that torch documents as nondeterministic", *operation_rows(audit))
    say("\n".join(f"{name}: {conclusion}" for conclusion in conclusions(audit)))
