"""The command `scan`: how far a result spreads over seeds, and whether lucky seeds stay lucky."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dbviz.cli.console import report_environment_differences, run_command
from dbviz.cli.options import ExecutorOptions, TrainingOptions
from dbviz.core.environment import Differences, differences
from dbviz.core.errors import InputError, RunsFailed
from dbviz.core.paths import file_name, output_directory
from dbviz.core.terminal import print_table, say, say_written

if TYPE_CHECKING:
    from dbviz.cli.job import Wanted
    from dbviz.executors import Failed
    from dbviz.runs import Run
    from dbviz.scores import SeedScan
    from dbviz.spec import RunSpec

__all__ = ["ScanOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class ScanOptions(TrainingOptions, ExecutorOptions):
    """Trains networks under many seeds and says how far their test accuracies spread.

    What is finished is never done again: more seeds train the new ones alone.
    """

    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N ...")] = ("0-9",)
    """Seeds; ranges such as 0-99 are understood."""
    lengths: Annotated[tuple[int, ...], tyro.conf.arg(name="epochs", metavar="N ...")] = ()
    """Instead of the preset's; several, such as short and long training, are compared."""
    splits: int = 100
    """How often the test images are split in halves, to see whether a seed is as lucky on both."""
    out: Path = Path("scans")
    """Where numbers and figures are written."""

    epochs: Annotated[int | None, tyro.conf.Fixed, tyro.conf.Suppress] = None

    def variants(self) -> list[dict[str, Any]]:
        """Every way of training for every length."""
        if len(set(self.lengths)) < len(self.lengths):
            raise InputError(f"--epochs {' '.join(map(str, self.lengths))} repeat one: give each once")
        lengths: list[dict[str, Any]] = [{"epochs": epochs} for epochs in self.lengths] or [{}]
        return [variant | length for variant in super().variants() for length in lengths]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("python -m dbviz.scan", ScanOptions, _scan, argv)


def _scan(options: ScanOptions) -> None:
    if (count := len(options.run_seeds())) < 2:
        raise InputError(f"{count} seed shows no spread: give at least two, such as --seeds 0-9")
    if options.splits < 1:
        raise InputError(f"splits are {options.splits}: give at least 1")
    out = output_directory(options.out)

    from dbviz.cli.job import wanted

    asked = wanted(options)
    failed = _train(options, asked)
    groups = _groups(asked, options)
    scans = {name: _scanned(runs, asked, options) for name, runs in groups.items()}
    differing = {"trained": differences({run.directory.name: run.environment for run in chain(*groups.values())})}
    if scans:
        _print(scans, asked, options)
        report_environment_differences(differing)
    _write(out / _name(asked), groups, scans, failed, options, differing)
    if failed:
        first = f"first {failed[0].spec.name}: {failed[0].error}"
        raise RunsFailed(f"{len(failed)} of {len(asked.specs)} runs failed, {first}")


def _train(options: ScanOptions, asked: "Wanted") -> list["Failed"]:
    from dbviz.cli.announcement import announce
    from dbviz.cli.execution import choose_executor, tell
    from dbviz.executors import run_tasks
    from dbviz.runs import store
    from dbviz.runs.task import Training

    executor, home = choose_executor(options, asked.device), store.home_directory(options.home).absolute()
    seconds = announce(asked.specs, asked.images, asked.device, home, asked.preset, executor)
    task = Training(
        dataset=asked.images.name,
        home=home,
        data_dir=options.data_dir.absolute() if options.data_dir else None,
        device=str(asked.device),
    )
    return run_tasks(seconds, task, executor, ready=len(asked.specs) - len(seconds), on_event=tell)


def _groups(asked: "Wanted", options: ScanOptions) -> dict[str, list["Run"]]:
    """The finished runs of each network and length, by its name; those of which two are finished."""
    from dbviz.runs import store
    from dbviz.spec.names import network_names

    home = store.home_directory(options.home)
    groups: dict[str, list[Run]] = {}
    for name, spec in zip(network_names(asked.specs), asked.specs, strict=True):
        run = store.find(spec, home)
        groups.setdefault(name, []).extend([] if run is None else [run])
    return {name: runs for name, runs in groups.items() if len(runs) > 1}


def _scanned(runs: Sequence["Run"], asked: "Wanted", options: ScanOptions) -> "SeedScan":
    import numpy as np

    from dbviz.core.streams import numpy_stream
    from dbviz.scores import scan_seeds

    labels = asked.images.test.labels
    correct = np.stack([run.test_logits().argmax(1).numpy() == labels for run in runs])
    seeds = [str(run.spec.seeds) for run in runs]
    return scan_seeds(correct, seeds, rng=numpy_stream(0, "halves"), splits=options.splits)


def _print(scans: Mapping[str, "SeedScan"], asked: "Wanted", options: ScanOptions) -> None:
    from dbviz.reports.seed_scan import scan_rows

    rows = scan_rows(list(scans.values()), asked.images.name, head_alone=options.pretrained is not None)
    title = f"{asked.images.name}, preset {asked.preset}, {len(asked.images.test):,} test images, 95 % intervals"
    print_table(title, ["", *scans, "published"], rows)
    for name, scan in scans.items():
        say(f"{name}: {_found(scan)}.")


def _found(scan: "SeedScan") -> str:
    """The scan in a sentence."""
    here, anywhere = scan.deviation.value, scan.distribution_deviation
    spread = f"seeds differ by {here:.2%} on these test images, by {anywhere.value:.2%} on endless ones"
    spread += f" ({anywhere.note})" if anywhere.note else ""
    if scan.correlation is None:
        return f"{spread}; too few runs to tell whether lucky seeds stay lucky"
    lasting = scan.correlation.value > scan.chance
    luck = "lucky seeds stay lucky" if lasting else "lucky seeds cannot be told from chance"
    return (
        f"{spread}; {luck} on other images (correlation {scan.correlation.value:.2f}, chance up to {scan.chance:.2f})"
    )


def _name(asked: "Wanted") -> str:
    """A name for the files, with eight digits that stand for all the runs."""
    import hashlib

    identities = " ".join(sorted(spec.identity for spec in asked.specs))
    digits = hashlib.sha256(identities.encode()).hexdigest()[:8]
    archs = "+".join(dict.fromkeys(spec.arch for spec in asked.specs))
    kind = "seed_scan_heads" if asked.specs[0].pretrained is not None else "seed_scan"
    return file_name([kind, asked.images.name, archs, asked.preset, digits])


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

    from dbviz.core.results import write_result
    from dbviz.figures import save_figure
    from dbviz.reports.seed_scan import scan_fields

    numbers = {
        "groups": [{"name": name, **_run_fields(groups[name]), **scan_fields(scan)} for name, scan in scans.items()],
        "splits": options.splits,
        "environment_differences": differing,
        "failed": [{"spec": f.spec.to_dict(), "error": f.error, "traceback": f.traceback} for f in failed],
    }
    paths = [write_result(Path(f"{stem}.json"), numbers)]
    for kind, figure in (_figures(groups, scans) if scans else {}).items():
        paths += [save_figure(figure, Path(f"{stem}-{kind}.{ending}")) for ending in ("png", "pdf")]
        plt.close(figure)
    say_written(paths)


def _run_fields(runs: Sequence["Run"]) -> dict[str, Any]:
    """What the runs of a group have in common, the seeds of the first apart; and what each gave."""
    return {
        "spec": runs[0].spec.to_dict() | {"seeds": None},
        "run_seeds": [run.spec.to_dict()["seeds"] for run in runs],
        "run_names": [run.directory.name for run in runs],
        "seconds": [run.seconds for run in runs],
        "accuracy_after_epochs": [_after_epochs(run) for run in runs],
    }


def _after_epochs(run: "Run") -> list[float]:
    """Test accuracy after each epoch, in the recipe's precision; the last in fp32, as it is scored."""
    return [*(epoch.test_accuracy for epoch in run.epochs[:-1]), run.test_accuracy]


def _figures(groups: Mapping[str, Sequence["Run"]], scans: Mapping[str, "SeedScan"]) -> dict[str, Any]:
    import numpy as np

    from dbviz.figures import plot_deviations, plot_epochs, plot_halves, plot_histograms

    after = {name: np.array([_after_epochs(run) for run in runs]) for name, runs in groups.items()}
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
    import dataclasses

    from dbviz.spec.names import network_names

    anyhow = [dataclasses.replace(s, recipe=dataclasses.replace(s.recipe, epochs=1)) for s in specs.values()]
    found: dict[str, dict[str, list[Any]]] = {}
    for (name, spec), network in sorted(
        zip(specs.items(), network_names(anyhow), strict=True), key=lambda pair: pair[0][1].recipe.epochs
    ):
        kinds = found.setdefault(network, {"on these test images": [], "on endless ones": []})
        scan = scans[name]
        for points, estimate in zip(kinds.values(), (scan.deviation, scan.distribution_deviation), strict=True):
            points.append((spec.recipe.epochs, estimate))
    return found
