"""Trained networks: loaded from the store, or trained where it has none."""

import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import torch

from dbviz.core.progress import Advance, progress_bar
from dbviz.core.threads import default_threads, using_threads
from dbviz.data import Images, load_images
from dbviz.runs import store
from dbviz.runs.run import Run
from dbviz.runs.specs import Arch, head_only_changes, make_specs, resolve_label_noise
from dbviz.runs.training_run import is_complete, train_run
from dbviz.spec import LabelNoise, RunSpec, Seeds, SpecChanges
from dbviz.training import choose_device
from dbviz.training.time_estimate import seconds_of_features, seconds_per_run

__all__ = ["estimate_seconds", "fit", "fit_specs", "unfinished"]


def fit(
    arch: Arch | Sequence[Arch],
    *,
    seeds: Iterable[int | Seeds] = (0,),
    dataset: str | Images = "cifar10",
    preset: str | None = None,
    device: str = "auto",
    home: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
    label_noise: LabelNoise | str | float | None = None,
    pretrained: str | None = None,
    threads: int | None = None,
    **changes: Unpack[SpecChanges],
) -> list[Run]:
    """Runs of every architecture under every seed; those that are not in `home` yet are trained.

    Args:
        arch: a name that `dbviz.models.build` knows, or your own module class or function that makes one, defined
            in a file or a notebook cell; or several.
        seeds: one for all streams of randomness, or a `Seeds` with one for each.
        dataset: a name that `dbviz.load_images` knows, or `Images` made from your own arrays.
        preset: quick, standard or paper; by default quick on a CPU and standard on a GPU.
        device: auto, cpu, cuda or cuda:N.
        home: the directory of the runs; see `dbviz.runs.store.home_directory`.
        data_dir: the directory of the datasets; see `dbviz.data.datasets.data_directory`.
        progress: show a progress bar.
        label_noise: wrong labels on training images; a number or a text is parsed as `--label-noise` is.
        pretrained: a finished run's name, a .safetensors file, `timm:NAME` or `torchvision:NAME`: a frozen network of
            which only a new linear head is trained.
        threads: torch's threads, which decide the bits on a CPU. By default those with which a run was started, for a
            new run a quarter of the cores; see `dbviz.core.threads.default_threads`.
        changes: fields of `RunSpec` (`width`, `train_size`, `teacher`) or `Recipe` (`epochs`, `learning_rate`, ...)
            that differ from the preset; another `optimizer` brings its own learning rate and decay.

    Returns:
        All runs: architecture by architecture and, for each, seed by seed.

    Raises:
        InputError: an argument is unknown or out of range.
        TrainingDiverged: a loss became infinite or NaN.

    Example:
        >>> import tempfile
        >>> from dbviz.data import shapes
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> tiny = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "progress": False}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     runs = fit("fcnet", seeds=range(2), dataset=images, home=home, **tiny)
        >>> [run.spec.seeds for run in runs]
        [Seeds(), Seeds(init=1, order=1, augment=1)]
    """
    torch_device, home = choose_device(device), store.home_directory(home)
    images = load_images(dataset, data_dir) if isinstance(dataset, str) else dataset
    archs = [arch] if isinstance(arch, str) or callable(arch) else list(arch)
    if isinstance(label_noise, str | float):
        label_noise = resolve_label_noise(str(label_noise), images.train, home)
    changed: dict[str, Any] = {**changes, "label_noise": label_noise}
    setting: dict[str, Any] = {"images": images, "preset": preset, "device": torch_device}
    if pretrained:
        changed |= head_only_changes(pretrained, archs, home, changed, **setting)
    specs = make_specs(archs, seeds, **setting, **changed)
    with using_threads(threads or default_threads()):
        return fit_specs(specs, images, device=torch_device, home=home, threads=threads, progress=progress)


def unfinished(specs: Iterable[RunSpec], home: Path, keep: Collection[int] = ()) -> list[RunSpec]:
    """The specs whose runs, or whose weights after the epochs `keep`, are not in the store yet.

    Example:
        >>> import tempfile
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> with tempfile.TemporaryDirectory() as home:
        ...     unfinished([spec], Path(home)) == [spec]
        True
    """
    return [spec for spec in specs if not is_complete(spec, home, keep)]


def estimate_seconds(specs: Iterable[RunSpec], images: Images, device: torch.device) -> dict[RunSpec, float]:
    """Estimated training time of each spec on this machine; specs that differ in their seeds alone are timed once.

    Of several heads on one backbone, the first includes the time of computing the features.
    """
    timed: dict[RunSpec, float] = {}
    estimates = {}
    for spec in specs:
        seedless, shared = dataclasses.replace(spec, seeds=Seeds()), 0.0
        if seedless not in timed:
            timed[seedless] = seconds_per_run(spec, images, device)
            shared = seconds_of_features(spec, images, device) if spec.pretrained else 0.0
        estimates[spec] = timed[seedless] + shared
    return estimates


def fit_specs(
    specs: Sequence[RunSpec],
    images: Images,
    *,
    device: torch.device,
    home: Path,
    progress: bool = True,
    seconds: dict[RunSpec, float] | None = None,
    keep: Collection[int] = (),
    threads: int | None = None,
    on_failure: Callable[[RunSpec, Exception], None] | None = None,
) -> list[Run]:
    """The run of each spec, trained in this process if it is not in the store; see `train_run`.

    Args:
        seconds: estimated time of each missing run, by which the progress bar weights them; by default measured now.
        keep: epochs whose weights are stored too, for `Run.at`.
        threads: of torch, as in `train_run`.
        on_failure: called with a run that cannot be trained, and the error; the others are trained. By default the
            error is raised.

    Returns:
        All runs, without those that failed.

    Raises:
        InputError: a run has fewer epochs, or cannot be trained again with bitwise identical results.

    Example:
        >>> import tempfile
        >>> from dbviz.data import shapes
        >>> from dbviz.spec import Recipe
        >>> images = Images(train=shapes(64), test=shapes(20, split="test"))
        >>> spec = RunSpec(dataset="shapes", arch="fcnet", width=16, recipe=Recipe(epochs=2, learning_rate=0.1))
        >>> with tempfile.TemporaryDirectory() as home:
        ...     options = {"device": torch.device("cpu"), "home": Path(home), "progress": False, "keep": [1]}
        ...     (run,) = fit_specs([spec], images, **options)
        ...     run.at(1).weights.name
        'weights-epoch-1.safetensors'
    """
    missing = unfinished(specs, home, keep)
    if missing:
        seconds = seconds or estimate_seconds(missing, images, device)
        with progress_bar(sum(seconds[spec] for spec in missing), show=progress) as advance:
            for number, spec in enumerate(missing, 1):
                per_image = seconds[spec] / (spec.recipe.epochs * len(images.train.first(spec.train_size)))
                title = f"training {number}/{len(missing)}: {spec.arch} seed {spec.seeds}"
                on_batch = partial(_advance, advance, per_image, title)
                try:
                    train_run(spec, images, device=device, home=home, keep=keep, threads=threads, on_batch=on_batch)
                except Exception as error:
                    if on_failure is None:
                        raise
                    on_failure(spec, error)
    runs = [store.find(spec, home) for spec in specs]
    return [run for run in runs if run is not None]


def _advance(advance: Advance, per_image: float, title: str, count: int) -> None:
    advance(count * per_image, title)
