"""The job that a command's options describe: which networks, on which images, trained and kept where."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from dbviz.cli.options import ExecutorOptions, MachineOptions, NetworkOptions, Preset, StreamOptions
from dbviz.core.paths import output_directory
from dbviz.data import Images, load_images
from dbviz.runs import store
from dbviz.runs.backbones import source_architecture
from dbviz.runs.specs import default_preset, head_only_changes, make_specs, resolve_label_noise
from dbviz.runs.task import Training
from dbviz.spec import RunSpec, Seeds
from dbviz.training import choose_device

__all__ = ["Job", "make_job"]


@runtime_checkable
class Networks(Protocol):
    """`NetworkOptions`, or what a command has in its place."""

    @property
    def arch(self) -> tuple[str, ...]: ...
    @property
    def preset(self) -> Preset | None: ...
    def changes(self) -> dict[str, Any]: ...
    def run_seeds(self, streams: StreamOptions) -> list[Seeds]: ...


@runtime_checkable
class Data(Protocol):
    """`DataOptions`, or what a command has in its place."""

    @property
    def dataset(self) -> str: ...
    @property
    def data_dir(self) -> Path | None: ...
    def changes(self) -> list[dict[str, Any]]: ...


@runtime_checkable
class Recipes(Protocol):
    """`RecipeOptions`, or what a command has in its place."""

    @property
    def pretrained(self) -> str | None: ...
    def optimizers(self) -> list[dict[str, Any]]: ...
    def modes(self) -> list[dict[str, Any]]: ...


@runtime_checkable
class JobOptions(Protocol):
    """The groups of options that describe networks."""

    @property
    def networks(self) -> Networks: ...
    @property
    def data(self) -> Data: ...
    @property
    def recipe(self) -> Recipes: ...
    @property
    def streams(self) -> StreamOptions: ...
    @property
    def machine(self) -> MachineOptions: ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a command is to do, resolved once."""

    specs: list[RunSpec]
    """Of every network, each under all its seeds."""
    images: Images
    data_dir: Path | None
    """Where they were loaded from; None is the default place."""
    device: torch.device
    home: Path
    """Where runs are kept; it can be written to."""
    preset: str
    execution: ExecutorOptions = ExecutorOptions()

    @property
    def archs(self) -> list[str]:
        """The architectures, each once."""
        return list(dict.fromkeys(spec.arch for spec in self.specs))

    def training_task(self) -> Training:
        """The training of one run, as an executor does it in another process."""
        return Training(
            dataset=self.images.name,
            home=self.home.absolute(),
            data_dir=self.data_dir.absolute() if self.data_dir else None,
            device=str(self.device),
            threads=self.execution.threads,
        )


def make_job(options: JobOptions) -> Job:
    """The job that `options` describe; nothing is trained yet.

    Raises:
        InputError: an option is out of range or names something unknown, or `--home` cannot be written to.
    """
    device = choose_device(options.machine.device)
    home = output_directory(store.home_directory(options.machine.home))
    preset = options.networks.preset or default_preset(device)
    images = load_images(options.data.dataset, options.data.data_dir)
    seeds, common = options.networks.run_seeds(options.streams), {"images": images, "preset": preset, "device": device}
    variants = [_resolved(changes, images, home) for changes in _variants(options)]
    archs, head = options.networks.arch, {}
    if source := options.recipe.pretrained:
        named = source_architecture(source, home) if archs == NetworkOptions.arch else None
        archs = archs if named is None else (named[0],)
        head = head_only_changes(source, archs, home, variants[0], **common)
    specs = [
        spec for arch in archs for changes in variants for spec in make_specs([arch], seeds, **common, **changes | head)
    ]
    return Job(
        specs=specs,
        images=images,
        data_dir=options.data.data_dir,
        device=device,
        home=home,
        preset=preset,
        execution=getattr(options, "execution", ExecutorOptions()),  # commands that time something have none
    )


def with_nudge(specs: list[RunSpec]) -> list[RunSpec]:
    """The same runs with one initial weight multiplied by 1.001."""
    return [dataclasses.replace(spec, seeds=dataclasses.replace(spec.seeds, nudge=0)) for spec in specs]


def _variants(options: JobOptions) -> list[dict[str, Any]]:
    """For each way of training the fields of spec and recipe that differ from the preset."""
    return [
        options.networks.changes() | optimizer | data | mode
        for optimizer in options.recipe.optimizers()
        for data in options.data.changes()
        for mode in options.recipe.modes()
    ]


def _resolved(changes: dict[str, Any], images: Images, home: Path) -> dict[str, Any]:
    """The changes, with the teacher or the file of labels that they name looked up."""
    resolved = dict(changes)
    if "teacher" in resolved:
        resolved["teacher"] = store.find_by_name(resolved["teacher"], home).spec.identity
    if "label_noise" in resolved:
        resolved["label_noise"] = resolve_label_noise(resolved["label_noise"], images.train, home)
    return resolved
