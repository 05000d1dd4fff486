"""The published comparisons in pieces of a few minutes, for GPUs that are rented by the minute: Somepalli et al. 2022.

A stage trains and samples networks until its `--minutes` are over, or all are done. After each network it replaces the
archive, one file without weights: label maps, test logits, training errors, metrics. The next call continues from it,
also on another machine: networks that are in the archive are not trained again. `--minutes 0` scores what is in the
archive, without a GPU; every command that reads label maps reads it too. Status 0: the stage is complete; 3: time ran
out first.

Paper:     Figs. 4 and 6, Table 1; Jordan 2023 for `sources`. Published widths, this package's recipes for a GPU.
Hardware:  One GPU; with `--preset quick` a CPU.
Time:      Not measured. Every call prints an estimate, from a few steps on the machine at hand. The expected minutes
           below assume 25,000 images a second, 3 ms a step where that takes longer, and five times that in 8 processes.
Expected:  The published values in kind: reproducibility .83 resnet18, .79 vgg19, .69 fcnet, .75 vit, .67 mlp_mixer.

On a rented machine, in this order, each again as long as its status is 3. `--minutes 9` of ten leave one for the start
and for fetching the archive. In brackets: networks that are added, and expected minutes, not measured.

    python experiments/paper/campaign.py --stage machine --minutes 9                                             [-, 8]
    python experiments/paper/campaign.py --stage architectures --minutes 9 --archive campaign.nc                 [9, 9]
    python experiments/paper/campaign.py --stage patches --minutes 9 --archive campaign.nc                      [6, 20]
    python experiments/paper/campaign.py --stage double_descent --minutes 9 --archive widths.nc --epochs 50 --workers 8
                                                                                                               [48, 10]
    python experiments/paper/campaign.py --stage optimizers --minutes 9 --archive campaign.nc                  [24, 78]
    python experiments/paper/campaign.py --stage sources --minutes 9 --archive sources.nc                      [20, 20]

Then, without a GPU, the same commands with `--minutes 0`. What to look at: the table of `machine`, since a wrong row
makes what follows worthless; in the line of each network its test accuracy, and how long it took; in the first line of
a call how many networks are archived already, and the estimate; the exit status.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import xarray as xr
from campaign_parts.archive_file import ArchiveFile
from campaign_parts.network import Network, PlaneOptions, images_and_planes
from campaign_parts.results import StageResults
from campaign_parts.schedule import estimated_timing, train_until
from campaign_parts.stages import StageOptions, specs_of

from dbviz.cli.console import run_command
from dbviz.cli.execution import choose_executor
from dbviz.cli.options import ExecutorOptions, MachineOptions, OutputOptions
from dbviz.core.errors import InputError, RunsFailed
from dbviz.core.paths import output_directory
from dbviz.core.terminal import counted, duration, say, say_written
from dbviz.runs import store
from dbviz.spec import RunSpec
from dbviz.training import choose_device

TIME_WAS_SHORT = 3
"""Exit status where networks, or their scores, remain to be done."""
_SCORING_SECONDS = 30
"""With less time left after training, the scores are left to the next call."""


@dataclass(frozen=True, kw_only=True)
class CallOptions:
    """The call."""

    minutes: float = 9.0
    """After which it ends by itself; 0 scores what is in the archive and trains nothing."""
    archive: Path | None = None
    """The file that networks are taken from and added to, of at most 16 MiB. Default: OUT/STAGE.nc."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.minutes < 0:
            raise InputError(f"--minutes is {self.minutes:g}: give 0 to score what there is, or how long to train")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Trains and samples the networks of one stage for some minutes, and scores them when all are done."""

    networks: StageOptions
    call: CallOptions = CallOptions()
    planes: PlaneOptions = PlaneOptions()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()
    output: OutputOptions = OutputOptions(out=Path("experiments/results/campaign"))


def main(options: Options) -> int:
    out = output_directory(options.output.out)
    if options.networks.stage == "machine":
        return audit_machine(options, out)
    deadline = time.time() + 60 * options.call.minutes
    images, planes = images_and_planes(options.planes)
    specs = specs_of(options.networks, images)
    path = options.call.archive or out / f"{options.networks.stage}.nc"
    archive = ArchiveFile.opened(path, planes, options.planes, options.networks.preset)
    before = archive.names
    if options.call.minutes:
        train(options, specs, archive, deadline)
    late = archive.names != before and time.time() > deadline - _SCORING_SECONDS
    return score(options, specs, archive, out, late=late)


def audit_machine(options: Options, out: Path) -> int:
    """`python -m dbviz.audit machine` in a process of its own; returns its exit status."""
    arguments = ["--device", options.machine.device, "--minutes", f"{options.call.minutes:g}", "--out", out / "machine"]
    quick = ["--quick"] if options.networks.preset == "quick" else []
    return subprocess.run([sys.executable, "-m", "dbviz.audit", "machine", *map(str, arguments), *quick]).returncode


def train(options: Options, specs: Sequence[RunSpec], archive: ArchiveFile, deadline: float) -> None:
    """Adds networks to the archive until all are in it or the deadline has passed.

    Raises:
        InputError: the archive would grow above its limit.
        RunsFailed: a network cannot be trained.
    """
    missing = [spec for spec in specs if spec.name not in archive.names]
    if not missing:
        return
    home, device = output_directory(store.home_directory(options.machine.home)), choose_device(options.machine.device)
    task = Network(planes=options.planes, home=home.absolute(), device=str(device), deadline=deadline)
    images, _ = images_and_planes(options.planes)
    archive.check_room(len(missing), images, options.planes)
    executor, timing = choose_executor(options.execution, device), estimated_timing(missing, images, task, device)
    to_go = duration(timing.total(missing, executor.concurrency))
    say(f"{len(specs) - len(missing)} of {len(specs)} networks archived; the others, {executor}, about {to_go}.")

    def on_entry(spec: RunSpec, entry: xr.Dataset) -> None:
        archive.add(entry)
        left = [spec for spec in missing if spec.name not in archive.names]
        report(spec, entry, archive, f"{len(left)} to go, {duration(timing.total(left, executor.concurrency))}")

    failed = train_until(missing, replace(task, sampling_seconds=timing.sampling), executor, timing, on_entry)
    if failed:
        first = f"first {failed[0].item.name}: {failed[0].error}"
        raise RunsFailed(f"{len(failed)} of {len(specs)} networks failed, {first}; the others are in {archive.path}")


def report(spec: RunSpec, entry: xr.Dataset, archive: ArchiveFile, to_go: str) -> None:
    """Prints a line on a network that is finished."""
    accuracy, training = entry.test_accuracy.item(), entry.training.sel(metric="seconds").sum().item()
    times = f"trained in {duration(training)}, sampled in {duration(entry.sampling_seconds.item())}"
    say(f"{spec.name}: {accuracy:.1%} of the test images, {times}; archive {archive.size / 2**20:.1f} MiB; {to_go}.")


def score(options: Options, specs: Sequence[RunSpec], archive: ArchiveFile, out: Path, *, late: bool) -> int:
    """Prints and writes the scores of a complete stage, or with `--minutes 0` of what there is; returns the status."""
    present = [spec for spec in specs if spec.name in archive.names]
    complete = len(present) == len(specs)
    if not complete:
        say(f"{archive.path} has {len(present)} of the {counted(len(specs), 'network')} of {options.networks.stage}.")
    if options.call.minutes and (late or not complete):
        say("Time is up: the same command continues" + (" with the scores." if complete else "."))
        return TIME_WAS_SHORT
    if (maps := archive.of(present)) is not None:
        images, _ = images_and_planes(options.planes)
        where = {"archive": archive.path, "out": out, "figure_format": options.output.format}
        results = StageResults(options=options.networks, specs=present, maps=maps, images=images, **where)
        say_written(results.write())
    return 0 if complete else TIME_WAS_SHORT


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/campaign.py", Options, main))
