"""The first line of a command that trains: what will be done, on which device, and for how long."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from dbviz.core.terminal import duration, say
from dbviz.data import Images
from dbviz.executors import Executor
from dbviz.runs.fitting import estimate_seconds, unfinished
from dbviz.spec import RunSpec

__all__ = ["announce"]


def announce(
    specs: Sequence[RunSpec],
    images: Images,
    device: torch.device,
    home: Path,
    preset: str,
    executor: Executor | None = None,
) -> dict[RunSpec, float]:
    """Says what is going to be trained; the estimated seconds of each run that the store has not got.

    Args:
        executor: what trains them; by default they are trained here, one after another.
    """
    missing = unfinished(specs, home)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    where = where if executor is None else f"{device.type.upper()}, {executor}"
    how = f"preset {preset}, {specs[0].recipe.precision}, on {where}"
    plural = "network" if len(specs) == 1 else "networks"
    what = f"{len(specs)} {plural} ({', '.join(_described(specs))}), {how}"
    if not missing:
        say(f"{images.name}: {what}: all trained already, in {home}.")
        return {}
    seconds = estimate_seconds(missing, images, device)
    ready = f"{len(specs) - len(missing)} ready, " if len(missing) < len(specs) else ""
    say(f"{images.name}: {what}: {ready}{len(missing)} to train, about {duration(_total(seconds, executor))}.")
    return seconds


def _total(seconds: Mapping[RunSpec, float], executor: Executor | None) -> float:
    """Until all are done where several are done at once: at most an equal share, and behind it the longest of them."""
    concurrency = 1 if executor is None else min(executor.concurrency, len(seconds))
    return sum(seconds.values()) / concurrency + max(seconds.values()) * (1 - 1 / concurrency)


def _described(specs: Sequence[RunSpec]) -> list[str]:
    """`resnet18 of width 16, 5 epochs of 20,000 images`, once for runs that differ in their seeds alone."""
    found = []
    for spec in specs:
        width = f" of width {spec.width}" if spec.width is not None else ""
        size = f"{spec.train_size:,}" if spec.train_size is not None else "all"
        head = f", a new head on {spec.pretrained[:6]}" if spec.pretrained is not None else ""
        found.append(f"{spec.arch}{width}{head}, {spec.recipe.epochs} epochs of {size} images")
    return list(dict.fromkeys(found))
