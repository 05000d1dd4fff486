"""Options that commands share. No torch here: `--help` answers at once."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dbviz.core.errors import InputError
from dbviz.spec import Mode, Optimizer, Seeds

__all__ = ["ComparisonOptions", "ExecutorOptions", "TrainingOptions", "parse_seeds"]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Which networks, trained how and on what."""

    arch: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("resnet18",)
    """Architectures: fcnet, vgg19, resnet18, densenet121, wideresnet28_10, wideresnet28_20, wideresnet28_30, vit,
    mlp_mixer, resnet18k, timm:NAME, torchvision:NAME, or package.module:Factory for your own."""
    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N ...")] = ("0", "1", "2")
    """Seeds; ranges such as 0-4 are understood."""
    init_seed: int | None = None
    """The seed of the initial weights of every run, whatever --seeds says."""
    order_seed: int | None = None
    """The same for the order of the training images."""
    augment_seed: int | None = None
    """The same for crops, flips and dropout."""
    noise_seed: int = 0
    """Which labels --label-noise makes wrong; --seeds leaves it alone."""
    dataset: str = "cifar10"
    """cifar10, cifar100, svhn, or shapes (built in)."""
    preset: Literal["quick", "standard", "paper"] | None = None
    """quick: minutes on a CPU; standard: for a modern GPU; paper: as published. Default: quick on a CPU."""
    optimizer: tuple[Optimizer, ...] = ()
    """Instead of the preset's, each with the learning rate that suits it; several are compared."""
    mode: tuple[Mode, ...] = ("plain",)
    """Training modes; several are compared. adversarial: PGD; distil-soft and distil-hard need --teacher."""
    teacher: str | None = None
    """The run that distillation learns from: its directory's name in --home, or its identity."""
    pretrained: Annotated[str | None, tyro.conf.arg(metavar="NETWORK")] = None
    """Train only a new head, on the features of this network: a run in --home (its directory's name or identity), a
    .safetensors file (of --arch and --width), timm:NAME or torchvision:NAME whose weights are on this machine."""
    label_noise: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RATE ...")] = ()
    """Wrong labels on the training images: 0.2 (symmetric), asymmetric:0.4, or a file of labels (.npz, .npy, .csv,
    FILE:NAME for one of several); several are compared."""
    width: int | None = None
    """The architecture's own width, instead of the preset's."""
    train_size: int | None = None
    """Only the first so many training images, instead of the preset's."""
    epochs: int | None = None
    """Instead of the preset's."""
    batch_size: int | None = None
    """Instead of the preset's."""
    fast: bool = False
    """Allow kernels that do not give the same bits every time."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""
    home: Path | None = None
    """Where runs are kept. Default: $DBVIZ_HOME, else ./runs."""
    data_dir: Path | None = None
    """Where datasets lie or are downloaded to. Default: $DBVIZ_DATA, else the user's cache directory."""

    def run_seeds(self) -> list[Seeds]:
        """The seeds of each run of an architecture.

        Raises:
            InputError: a word of --seeds is no seed or range, or two runs would be the same.
        """
        fixed = {"init": self.init_seed, "order": self.order_seed, "augment": self.augment_seed}
        given = {stream: seed for stream, seed in fixed.items() if seed is not None} | {"noise": self.noise_seed}
        seeds = [replace(Seeds.all(seed), **given) for seed in parse_seeds(self.seeds)]
        if len(set(seeds)) < len(seeds):
            raise InputError("with all three streams fixed every run is the same: give one seed in --seeds")
        return seeds

    def variants(self) -> list[dict[str, Any]]:
        """For each way of training asked for, the fields of spec and recipe that differ from the preset.

        Raises:
            InputError: a distillation without a teacher, a teacher without one, or something given twice.
        """
        several = {"--arch": self.arch, "--optimizer": self.optimizer, "--mode": self.mode}
        for name, values in (several | {"--label-noise": self.label_noise}).items():
            if repeated := sorted({value for value in values if values.count(value) > 1}):
                raise InputError(f"{name} {repeated[0]} is given twice: give each once")
        distils = [mode.startswith("distil") for mode in self.mode]
        if any(distils) and self.teacher is None:
            raise InputError("distillation needs a teacher: give --teacher RUN, the name of a finished run in --home")
        if self.teacher is not None and not any(distils):
            raise InputError("--teacher goes with --mode distil-soft or distil-hard")
        return [
            self._fixed() | optimizer | noise | {"mode": mode} | ({"teacher": self.teacher} if distil else {})
            for optimizer in ([{"optimizer": name} for name in self.optimizer] or [{}])
            for noise in ([{"label_noise": text} for text in self.label_noise] or [{}])
            for mode, distil in zip(self.mode, distils, strict=True)
        ]

    def _fixed(self) -> dict[str, Any]:
        given = {
            "width": self.width,
            "train_size": self.train_size,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
        }
        return {name: value for name, value in given.items() if value is not None} | (
            {"deterministic": False} if self.fast else {}
        )


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """Where many runs are done."""

    executor: Literal["auto", "here", "processes", "ray"] = "auto"
    """Where runs are done: in this process, in several of this machine, or by Ray. Default: here on a GPU."""
    workers: int | None = None
    """Processes of this machine. Default: as many as there are cores."""
    address: str | None = None
    """Of a running Ray cluster (auto, HOST:PORT); without it Ray starts one on this machine."""
    gpus_per_run: float = 0.0
    """The part of a GPU that Ray books for a run, such as 0.25."""
    retries: int = 2
    """How often a run is done again whose process was killed, or that failed in a way that may pass."""


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(TrainingOptions):
    """Which networks are compared, on which planes through test images."""

    triplets: int = 500
    """How many planes through test images."""
    triplet_seed: int = 0
    """Which planes are drawn."""
    out: Path = Path("experiments/results")
    """Where figures, tables, numbers and label maps are written."""


def parse_seeds(texts: tuple[str, ...]) -> list[int]:
    """Seeds from words such as `3` and `0-4`, in the order given.

    Raises:
        InputError: a word is neither, a range runs backwards, or a seed is given twice.

    Example:
        >>> parse_seeds(("0-2", "7"))
        [0, 1, 2, 7]
    """
    seeds: list[int] = []
    for text in texts:
        first, dash, last = text.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"seed {text!r}: give whole numbers of at least 0, or ranges such as 0-4")
        if dash and int(last) < int(first):
            raise InputError(f"seeds {text!r} run backwards: give the lower one first")
        seeds += range(int(first), int(last if dash else first) + 1)
    if not seeds:
        raise InputError("no seeds: give at least one")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds {' '.join(texts)} repeat one: give each once")
    return seeds
