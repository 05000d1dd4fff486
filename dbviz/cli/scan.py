"""The command `scan`: how far a result spreads over seeds, and whether lucky seeds stay lucky."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import (
    DataOptions,
    ExecutorOptions,
    MachineOptions,
    NetworkOptions,
    OutputOptions,
    RecipeOptions,
    StreamOptions,
)
from dbviz.core.environment import Differences, differences
from dbviz.core.errors import InputError
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import print_table, say, say_written

if TYPE_CHECKING:
    from dbviz.cli.job import Job
    from dbviz.executors import Failed
    from dbviz.runs import Run
    from dbviz.scores import SeedScan
    from dbviz.spec import RunSpec

__all__ = ["ScanOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class ScannedRecipes(RecipeOptions):
    """How they are trained, where it differs from the preset."""

    lengths: Annotated[tuple[int, ...], tyro.conf.arg(name="epochs", metavar="N ...")] = ()
    """Passes over the training images; several, such as short and long training, are compared."""

    epochs: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        super().check()
        if len(set(self.lengths)) < len(self.lengths):
            raise InputError(f"--epochs {' '.join(map(str, self.lengths))} repeat one: give each once")

    def modes(self) -> list[dict[str, Any]]:
        """Every training mode for every length."""
        lengths: list[dict[str, Any]] = [{"epochs": epochs} for epochs in self.lengths] or [{}]
        return [mode | length for mode in super().modes() for length in lengths]


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """Trains networks under many seeds and reports how far their test accuracies spread.

    What is finished is never done again: more seeds train the new ones alone.
    """

    networks: NetworkOptions = NetworkOptions(seeds=("0-9",))
    recipe: ScannedRecipes = ScannedRecipes()
    output: OutputOptions = OutputOptions(out=Path("results/scan"))
    data: DataOptions = DataOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()
    splits: int = 100
    """How often the test images are split in halves, to see whether a seed is as lucky on both."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if (count := len(self.networks.run_seeds(self.streams))) < 2:
            raise InputError(f"{count} seed shows no spread: give at least two, such as --seeds 0-9")
        if self.splits < 1:
            raise InputError(f"splits are {self.splits}: give at least 1")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command("python -m dbviz.scan", ScanOptions, _scan, argv)


def _scan(options: ScanOptions) -> None:
    out = output_directory(options.output.out)

    from dbviz.cli.execution import finished_runs, raise_failures, train_job
    from dbviz.cli.job import make_job

    job = make_job(options)
    failed = train_job(job)
    groups = _groups(job, finished_runs(job))
    scans = {name: _scanned(runs, job, options.splits) for name, runs in groups.items()}
    environments = {run.directory.name: run.environment for run in chain(*groups.values())}
    differing = {"trained": differences(environments)}
    if scans:
        _print(scans, groups, job, head_alone=options.recipe.pretrained is not None)
        report_environment_differences(differing)
    _write(out / _name(job), groups, scans, failed, options, differing)
    raise_failures(failed, len(job.specs))


def _groups(job: "Job", runs: Mapping["RunSpec", "Run"]) -> dict[str, list["Run"]]:
    """The finished runs of each network and length, by its name; those of which two are finished."""
    from dbviz.spec import network_names

    groups: dict[str, list[Run]] = {}
    for name, spec in zip(network_names(job.specs), job.specs, strict=True):
        groups.setdefault(name, []).extend([runs[spec]] if spec in runs else [])
    return {name: members for name, members in groups.items() if len(members) > 1}


def _scanned(runs: Sequence["Run"], job: "Job", splits: int) -> "SeedScan":
    import numpy as np

    from dbviz.core.streams import numpy_stream
    from dbviz.scores import scan_seeds

    labels = job.images.test.labels
    correct = np.stack([run.test_logits().argmax(1).numpy() == labels for run in runs])
    seeds = [str(run.spec.seeds) for run in runs]
    return scan_seeds(correct, seeds, rng=numpy_stream(0, "halves"), splits=splits)


def _print(
    scans: Mapping[str, "SeedScan"], groups: Mapping[str, Sequence["Run"]], job: "Job", *, head_alone: bool
) -> None:
    from dbviz.cli.tables import width_of
    from dbviz.reports.seed_scan import scan_rows

    rows = scan_rows(list(scans.values()), job.images.name, head_alone=head_alone)
    rows.insert(1, ["width", *(width_of(groups[name][0].spec) for name in scans), ""])
    title = f"{job.images.name}, preset {job.preset}, {len(job.images.test):,} test images, 95 % intervals"
    print_table(title, ["", *scans, "published"], rows)
    for name, scan in scans.items():
        say(f"{name}: {_sentence(scan)}.")


def _sentence(scan: "SeedScan") -> str:
    here, anywhere = scan.deviation.value, scan.distribution_deviation
    spread = f"seeds differ by {here:.2%} on these test images, by {anywhere.value:.2%} on the test distribution"
    spread += f" ({anywhere.note})" if anywhere.note else ""
    if scan.correlation is None:
        return f"{spread}; too few runs to tell whether lucky seeds stay lucky"
    lasting = scan.correlation.value > scan.chance
    luck = "lucky seeds stay lucky" if lasting else "lucky seeds cannot be distinguished from chance"
    return (
        f"{spread}; {luck} on other images (correlation {scan.correlation.value:.2f}, chance up to {scan.chance:.2f})"
    )


def _name(job: "Job") -> str:
    """A name for the files, with eight digits of a hash of all the runs."""
    identities = " ".join(sorted(spec.identity for spec in job.specs))
    digits = hashlib.sha256(identities.encode()).hexdigest()[:8]
    kind = "seed_scan_heads" if job.specs[0].pretrained is not None else "seed_scan"
    return file_name([kind, job.images.name, "+".join(job.archs), job.preset, digits])


def _write(
    stem: Path,
    groups: Mapping[str, Sequence["Run"]],
    scans: Mapping[str, "SeedScan"],
    failed: Sequence["Failed"],
    options: ScanOptions,
    differing: Mapping[str, Differences],
) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from dbviz.core.files import atomic_write
    from dbviz.core.results import write_result
    from dbviz.figures import save_figure
    from dbviz.reports.seed_scan import scan_csv, scan_fields, scan_latex

    numbers = {
        "groups": [{"name": name, **_run_fields(groups[name]), **scan_fields(scan)} for name, scan in scans.items()],
        "splits": options.splits,
        "environment_differences": differing,
        "failed": [{"spec": f.item.to_dict(), "error": f.error, "traceback": f.traceback} for f in failed],
    }
    written = [write_result(Path(f"{stem}.json"), numbers)]
    if scans:
        for ending, text in {"csv": scan_csv(scans), "tex": scan_latex(scans, "Spread over seeds.")}.items():
            written.append(Path(f"{stem}.{ending}"))
            atomic_write(written[-1], text.encode())
    for kind, figure in (_figures(groups, scans) if scans else {}).items():
        written.append(save_figure(figure, Path(f"{stem}-{kind}.{options.output.format}")))
        plt.close(figure)
    say_written(written)


def _run_fields(runs: Sequence["Run"]) -> dict[str, Any]:
    """What the runs of a group have in common, without their seeds; and what each gave."""
    return {
        "spec": runs[0].spec.to_dict() | {"seeds": None},
        "run_seeds": [run.spec.to_dict()["seeds"] for run in runs],
        "run_names": [run.directory.name for run in runs],
        "seconds": [run.seconds for run in runs],
        "accuracy_after_epochs": [_after_epochs(run) for run in runs],
    }


def _after_epochs(run: "Run") -> list[float | None]:
    """Test accuracy after each epoch, in the recipe's precision, None where it was not tested; the last in fp32."""
    return [*(epoch.to_dict()["test_accuracy"] for epoch in run.epochs[:-1]), run.test_accuracy]


def _figures(groups: Mapping[str, Sequence["Run"]], scans: Mapping[str, "SeedScan"]) -> dict[str, Any]:
    import numpy as np

    from dbviz.figures import plot_deviations, plot_epochs, plot_halves, plot_histograms

    after = {name: np.array([_after_epochs(run) for run in runs], np.float64) for name, runs in groups.items()}
    correlations = {name: scan.correlation for name, scan in scans.items()}
    figures: dict[str, Any] = {
        "epochs": plot_epochs(after),
        "histogram": plot_histograms({name: scan.accuracies for name, scan in scans.items()}),
        "halves": plot_halves({name: scan.halves for name, scan in scans.items()}, correlations),
    }
    lengths = _by_length({name: runs[0].spec for name, runs in groups.items()}, scans)
    if any(len(points) > 1 for kinds in lengths.values() for points in kinds.values()):
        figures["lengths"] = plot_deviations(lengths).figure
    return figures


def _by_length(specs: Mapping[str, "RunSpec"], scans: Mapping[str, "SeedScan"]) -> dict[str, dict[str, list[Any]]]:
    """For each network, whatever its length, its standard deviations along the number of epochs."""
    from dbviz.spec import network_names

    any_length = [dataclasses.replace(s, recipe=dataclasses.replace(s.recipe, epochs=1)) for s in specs.values()]
    networks = network_names(any_length)
    by_network: dict[str, dict[str, list[Any]]] = {}
    rising = sorted(zip(specs.items(), networks, strict=True), key=lambda pair: pair[0][1].recipe.epochs)
    for (name, spec), network in rising:
        kinds = by_network.setdefault(network, {"on these test images": [], "on the test distribution": []})
        scan = scans[name]
        for points, estimate in zip(kinds.values(), (scan.deviation, scan.distribution_deviation), strict=True):
            points.append((spec.recipe.epochs, estimate))
    return by_network
