"""Decision regions as a network widens (Somepalli et al. 2022, Figs 7-9 and 16-18), without and with label noise.

Three rows, planes through training images: of three classes, three correctly labelled ones of one class, and three
mislabelled ones. A column for each chosen width. In the paper, with 20 % noise and at the interpolation threshold,
regions break into small pieces around mislabelled images; past it they are smooth again.

The runs are those of `experiments/double_descent.py` where they are there, else they are trained now. Quick: random
features below, at and past their threshold, under a minute on one core.

    python experiments/double_descent_regions.py
    python experiments/double_descent_regions.py --arch resnet18k --preset standard --widths 4 7 10 20 64
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

import dbviz
from dbviz.core.results import write_result
from dbviz.core.terminal import say
from dbviz.data import ImageSet, mislabelled
from dbviz.figures import plot_region_grid, save_figure
from dbviz.planes import PlaneSet, draw_triplets
from dbviz.runs.store import home_directory
from dbviz.runs.training_run import training_images

ROWS = ("three classes", "one class", "mislabelled")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Draws decision regions at several widths."""

    arch: str = "random_features"
    widths: tuple[int, ...] = (100, 600, 1000, 2000, 4000)
    label_noise: tuple[float, ...] = (0.0, 0.2)
    seed: int = 0
    triplet_seed: int = 0
    preset: Literal["quick", "standard", "paper"] = "quick"
    dataset: str = "cifar10"
    resolution: int = 200
    padding: float = 0.5
    home: Path | None = None
    out: Path = Path("experiments/results/double_descent")


def triplets(train: ImageSet, wrong: np.ndarray, seed: int) -> np.ndarray:
    """One triplet for each of `ROWS`."""
    drawn = [
        draw_triplets(train, 1, seed=seed, among=~wrong),
        draw_triplets(train, 1, seed=seed, among=~wrong, one_class=True),
        draw_triplets(train, 1, seed=seed, among=wrong),
    ]
    return np.concatenate(drawn)


def row_names(level: float, noisiest: float) -> list[str]:
    """What stands beside the rows: where labels are right, the last row shows the images that are not elsewhere."""
    return [*ROWS[:-1], ROWS[-1] if level == noisiest else f"mislabelled\nat noise {noisiest:g}"]


def main(options: Options) -> None:
    images, home = dbviz.load_images(options.dataset), home_directory(options.home)
    common = {"dataset": images, "preset": options.preset, "home": home, "seeds": [options.seed]}
    fitted = {
        (level, k): dbviz.fit(options.arch, width=k, label_noise=level, **common)[0]
        for level in options.label_noise
        for k in options.widths
    }
    noisiest = fitted[max(options.label_noise), options.widths[0]].spec
    train = images.train.first(noisiest.train_size)
    wrong = mislabelled(train, training_images(noisiest, images, home).labels)
    planes = PlaneSet.of(train, triplets(train, wrong, options.triplet_seed))
    columns = [f"k = {k}" for k in options.widths]
    for level in options.label_noise:
        runs = [fitted[level, k] for k in options.widths]
        maps = dbviz.sample(runs, planes, resolution=options.resolution, padding=options.padding, progress=True)
        stem = options.out / f"regions-{options.arch}-{options.preset}-noise{level:g}"
        rows = row_names(level, max(options.label_noise))
        title = f"{options.arch} of width k on {options.dataset}, label noise {level:g}"
        save_figure(plot_region_grid(maps, columns, rows, title=title), Path(f"{stem}.png"), dpi=120)
        errors = {run.spec.name: 1 - run.test_accuracy for run in runs}
        write_result(Path(f"{stem}.json"), {"test_error": errors, "triplets": planes.triplets.tolist(), "rows": ROWS})
        say(f"Written: {stem}.png, {stem}.json")


if __name__ == "__main__":
    main(tyro.cli(Options))
