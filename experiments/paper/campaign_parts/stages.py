"""The stages of the campaign: which networks each consists of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from dbviz.audits import SourcesDesign, sources_design
from dbviz.core.errors import InputError
from dbviz.data import Images
from dbviz.runs.specs import make_specs
from dbviz.spec import LabelNoise, Optimizer, RunSpec, parse_seeds

__all__ = ["OPTIMIZERS", "Stage", "StageOptions", "design_of", "specs_of"]

Stage = Literal["machine", "architectures", "patches", "double_descent", "optimizers", "sources"]

_ARCHITECTURES: dict[Stage, tuple[str, ...]] = {
    "architectures": ("resnet18", "vgg19", "fcnet"),
    "patches": ("vit", "mlp_mixer"),
    "double_descent": ("resnet18k",),
    "optimizers": ("resnet18", "vgg19", "mlp_mixer", "vit"),
    "sources": ("resnet18",),
}
_SEEDS: dict[Stage, tuple[str, ...]] = {"double_descent": ("0-1",)}
_NOISE = (None, LabelNoise(rate=0.2))
OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "sgd", "sam")


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """Which networks."""

    stage: Stage
    """machine: `python -m dbviz.audit machine`. architectures: resnet18, vgg19, fcnet. patches: vit, mlp_mixer.
    double_descent: resnet18k of 12 widths, label noise 0 and 0.2. optimizers: Table 1. sources: of randomness."""
    preset: Literal["quick", "standard", "paper"] = "standard"
    """quick: minutes on a CPU, in fp32; standard: for a GPU, in bf16; paper: as published, in bf16."""
    arch: tuple[str, ...] = ()
    """Architectures instead of the stage's own."""
    seeds: tuple[str, ...] = ()
    """Default: 0-2; 0-1 for double_descent. Of sources the first is the one of all streams that do not vary."""
    widths: tuple[int, ...] = (1, 2, 3, 5, 7, 8, 10, 12, 16, 20, 40, 64)
    """Of double_descent."""
    runs: int = 3
    """Runs of each cell of sources."""
    width: int | None = None
    """Of the other stages, instead of the preset's."""
    epochs: int | None = None
    """Passes over the training images, instead of the preset's."""
    train_size: int | None = None
    """Only the first so many training images, instead of the preset's."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.stage == "machine":
            return
        if self.stage == "sources" and len(self.archs) != 1:
            raise InputError(f"{len(self.archs)} architectures given: the sources of one are audited at a time")
        if repeated := [width for width in self.widths if self.widths.count(width) > 1]:
            raise InputError(f"--widths {repeated[0]} is given twice: give each once")
        parse_seeds(self.seeds or ("0",))

    @property
    def archs(self) -> tuple[str, ...]:
        """The architectures of the stage."""
        return self.arch or _ARCHITECTURES[self.stage]


def specs_of(options: StageOptions, images: Images) -> list[RunSpec]:
    """The networks of a stage, in the order in which they are trained.

    Precision is that of the preset, so that a stage has the same networks on every machine.

    Raises:
        InputError: an option is out of range or names something unknown.
    """
    if options.stage == "sources":
        return design_of(options, images).specs
    seeds = parse_seeds(options.seeds or _SEEDS.get(options.stage, ("0-2",)))
    variants: list[dict[str, Any]] = [{}]
    if options.stage == "double_descent":
        variants = [{"width": width, "label_noise": noise} for width in options.widths for noise in _NOISE]
    if options.stage == "optimizers":
        variants = [{"optimizer": name} for name in OPTIMIZERS]
    # seed by seed: what is complete after an early end is every network under the first seeds
    return [
        spec
        for seed in seeds
        for arch in options.archs
        for changes in variants
        for spec in _specs(arch, [seed], options, images, changes)
    ]


def design_of(options: StageOptions, images: Images) -> SourcesDesign:
    """The factorial design of the stage `sources`.

    Raises:
        InputError: as `specs_of`.
    """
    (base, *_) = _specs(options.archs[0], parse_seeds(options.seeds or ("0",))[:1], options, images, {})
    return sources_design(base, runs=options.runs)


def _specs(
    arch: str, seeds: Sequence[int], options: StageOptions, images: Images, changes: dict[str, Any]
) -> list[RunSpec]:
    given: dict[str, Any] = {"width": options.width, "epochs": options.epochs, "train_size": options.train_size}
    changed = {name: value for name, value in given.items() if value is not None} | changes
    specs = make_specs([arch], seeds, images=images, preset=options.preset, device=torch.device("cpu"), **changed)
    precision = "fp32" if options.preset == "quick" else "bf16"
    return [replace(spec, recipe=replace(spec.recipe, precision=precision)) for spec in specs]
