"""Options of the commands in groups, of which each command is composed. No torch here: `--help` answers at once.

What cannot work is refused here, before the heavy libraries load.
"""

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dbviz.core.device_names import check_device_name
from dbviz.core.errors import InputError, unknown_name
from dbviz.spec import ARCHITECTURE_NAMES, DATASET_NAMES, Mode, Optimizer, Precision, Seeds, check_grid, parse_seeds

__all__ = [
    "ComparisonOptions",
    "DataOptions",
    "ExecutorOptions",
    "FigureFormat",
    "GridOptions",
    "MachineOptions",
    "NetworkOptions",
    "OutputOptions",
    "Preset",
    "RecipeOptions",
    "StreamOptions",
    "TripletOptions",
    "check_options",
]

Preset = Literal["quick", "standard", "paper"]
FigureFormat = Literal["png", "pdf", "svg"]


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Which networks, under which seeds."""

    arch: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="NAME ...",
            help=f"Architectures: {', '.join(ARCHITECTURE_NAMES)}, timm:NAME, torchvision:NAME, or "
            "package.module:Factory for your own.",
        ),
    ] = ("resnet18",)
    seeds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N ...")] = ("0", "1", "2")
    """Seeds; ranges such as 0-4 are understood."""
    preset: Preset | None = None
    """quick: minutes on a CPU; standard: for a modern GPU; paper: as published. Default: quick on a CPU."""
    width: int | None = None
    """The architecture's own width, instead of the preset's."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_architectures(self.arch)
        parse_seeds(self.seeds)
        check_at_least_one("--width", self.width)

    def changes(self) -> dict[str, Any]:
        """The fields of a spec that differ from the preset."""
        return {} if self.width is None else {"width": self.width}

    def run_seeds(self, streams: "StreamOptions") -> list[Seeds]:
        """The seeds of each run of an architecture.

        Raises:
            InputError: two runs would be the same.
        """
        return streams.applied([Seeds.all(seed) for seed in parse_seeds(self.seeds)])


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """The images that networks are trained on."""

    dataset: str = "cifar10"
    """cifar10, cifar100, svhn, or shapes (built in)."""
    data_dir: Path | None = None
    """Where datasets are or are downloaded to. Default: $DBVIZ_DATA, else the user's cache directory."""
    train_size: int | None = None
    """Only the first so many training images, instead of the preset's."""
    label_noise: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RATE ...")] = ()
    """Wrong labels on the training images: 0.2 (symmetric), asymmetric:0.4, or a file of labels (.npz, .npy, .csv,
    FILE:NAME for one of several); several are compared."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_dataset(self.dataset)
        check_once("--label-noise", self.label_noise)
        check_at_least_one("--train-size", self.train_size)

    def changes(self) -> list[dict[str, Any]]:
        """For each kind of label noise the fields of a spec that differ from the preset."""
        size = {} if self.train_size is None else {"train_size": self.train_size}
        return [size | {"label_noise": text} for text in self.label_noise] or [size]


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """How they are trained, where it differs from the preset."""

    epochs: int | None = None
    """Passes over the training images."""
    batch_size: int | None = None
    """Images in a batch."""
    optimizer: tuple[Optimizer, ...] = ()
    """Each has the learning rate that suits it; several are compared."""
    mode: tuple[Mode, ...] = ("plain",)
    """Training modes; several are compared. adversarial: PGD; distil-soft and distil-hard need --teacher."""
    teacher: str | None = None
    """The run that distillation learns from: its directory's name in --home, or its identity."""
    pretrained: Annotated[str | None, tyro.conf.arg(metavar="NETWORK")] = None
    """Train only a new head, on the features of this network: a run in --home (its directory's name or identity), a
    .safetensors file (of --arch and --width), timm:NAME or torchvision:NAME whose weights are on this machine."""
    precision: Precision | None = None
    """Of forward and backward passes. Default: bf16 where the device has instructions for it."""
    fast: bool = False
    """Allow algorithms that do not give bitwise identical results every time."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_once("--optimizer", self.optimizer)
        check_once("--mode", self.mode)
        check_at_least_one("--epochs", self.epochs)
        check_at_least_one("--batch-size", self.batch_size)
        distils = any(mode.startswith("distil") for mode in self.mode)
        if distils and self.teacher is None:
            raise InputError("distillation needs a teacher: give --teacher RUN, the name of a finished run in --home")
        if self.teacher is not None and not distils:
            raise InputError("--teacher goes with --mode distil-soft or distil-hard")

    def optimizers(self) -> list[dict[str, Any]]:
        """For each optimizer the fields of spec and recipe that differ from the preset."""
        fixed: dict[str, Any] = {"epochs": self.epochs, "batch_size": self.batch_size, "precision": self.precision}
        fixed = {name: value for name, value in fixed.items() if value is not None}
        fixed |= {"deterministic": False} if self.fast else {}
        return [fixed | {"optimizer": name} for name in self.optimizer] or [fixed]

    def modes(self) -> list[dict[str, Any]]:
        """The same for each training mode."""
        return [{"mode": mode} | ({"teacher": self.teacher} if mode.startswith("distil") else {}) for mode in self.mode]


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Seeds of single random streams, instead of those of --seeds."""

    init_seed: int | None = None
    """The seed of the initial weights of every run, whatever --seeds says."""
    order_seed: int | None = None
    """The same for the order of the training images."""
    augment_seed: int | None = None
    """The same for crops, flips and dropout."""
    noise_seed: int = 0
    """Which labels --label-noise makes wrong; --seeds leaves it alone."""

    def applied(self, seeds: list[Seeds]) -> list[Seeds]:
        """The seeds with the fixed streams.

        Raises:
            InputError: two of them are the same then.
        """
        fixed = {"init": self.init_seed, "order": self.order_seed, "augment": self.augment_seed}
        fixed = {stream: seed for stream, seed in fixed.items() if seed is not None} | {"noise": self.noise_seed}
        replaced = [replace(one, **fixed) for one in seeds]
        if len(set(replaced)) < len(replaced):
            raise InputError("with all three streams fixed every run is the same: give one seed in --seeds")
        return replaced


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Where networks are trained and kept."""

    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""
    home: Path | None = None
    """Where runs are kept. Default: $DBVIZ_HOME, else ./runs."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_device_name(self.device)


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """Where many runs are done."""

    workers: int | None = None
    """Processes of this machine, side by side. Default: on a CPU as many as its cores have room for, on GPUs one for
    each, or several if the networks are small."""
    threads: int | None = None
    """Of each run; on a CPU they decide its bits. Default: those it was started with, else a quarter of the cores."""
    executor: Literal["auto", "here", "processes", "ray"] = "auto"
    """In this process, in several of this machine, or by Ray. Default: several where that saves time."""
    address: str | None = None
    """Of a running Ray cluster (auto, HOST:PORT); without it Ray starts one on this machine."""
    gpus_per_run: float | None = None
    """The share of a GPU that Ray reserves for a run, such as 0.25. Default: 1 on a GPU, less for small networks."""
    retries: int = 2
    """How often a run is retried whose process was killed, or that failed in a way that may pass."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if self.executor != "ray" and (self.address or self.gpus_per_run is not None):
            raise InputError("--address and --gpus-per-run go with --executor ray")
        if self.executor in ("here", "ray") and self.workers is not None:
            raise InputError(f"--workers does not go with --executor {self.executor}: leave one of them out")
        check_at_least_one("--workers", self.workers)
        check_at_least_one("--threads", self.threads)


@dataclass(frozen=True, kw_only=True)
class TripletOptions:
    """The planes, through triplets of test images."""

    triplets: int = 500
    """How many planes."""
    triplet_seed: int = 0
    """Which planes are drawn."""


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """The grid of points on a plane."""

    resolution: int = 50
    """Points on each side of a plane."""
    padding: float = 0.1
    """How far a plane reaches beyond its three images, as a share of their bounding box's side."""

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        check_grid(self.resolution, self.padding)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written, and where."""

    out: Path
    """Where results are written."""
    format: FigureFormat = "png"
    """The format of figures."""


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """Which networks a script compares, on which planes through test images."""

    networks: NetworkOptions = NetworkOptions()
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    planes: TripletOptions = TripletOptions()
    machine: MachineOptions = MachineOptions()
    execution: ExecutorOptions = ExecutorOptions()
    output: OutputOptions = OutputOptions(out=Path("results/comparison"))


def check_once(option: str, values: tuple[Any, ...]) -> None:
    """Raises InputError where a value is given twice."""
    if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
        raise InputError(f"{option} {repeated[0]} is given twice: give each once")


def check_at_least_one(option: str, value: int | None) -> None:
    """Raises InputError where a count is below 1."""
    if value is not None and value < 1:
        raise InputError(f"{option} is {value}: give a whole number of at least 1")


def check_architectures(names: tuple[str, ...]) -> None:
    """Raises InputError where a name is given twice, or is neither known nor one of a user's own."""
    check_once("--arch", names)
    for name in names:
        if ":" not in name and name not in ARCHITECTURE_NAMES:
            raise unknown_name("architecture", name, ARCHITECTURE_NAMES)


def check_dataset(name: str) -> None:
    """Raises InputError where a dataset is unknown."""
    if name not in DATASET_NAMES:
        raise unknown_name("dataset", name, DATASET_NAMES)


def check_options(options: Any) -> None:
    """Calls `check` of the options and of every group in them.

    Raises:
        InputError: the first thing that cannot work.
    """
    for field in dataclasses.fields(options):
        group = getattr(options, field.name)
        if dataclasses.is_dataclass(group):
            check_options(group)
    if hasattr(options, "check"):
        options.check()
