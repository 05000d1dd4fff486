"""Decision regions as a network widens, without and with label noise: Somepalli et al. 2022, Figs. 7-9 and 16-18.

Rows are planes through training images: of three classes, three correctly labelled ones of one class, and three
mislabelled ones. Columns are widths. The runs are those of `experiments/paper/double_descent.py` if they exist in
`--home`; the missing ones are trained.

Paper:     With 20 % noise, at the interpolation threshold, regions break into small pieces around mislabelled images;
           past it they are smooth again.
Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      Random features with `quick`: under a minute on one core.
Result:    One seed of random features, widths 100, 600, 1,000, 2,000 and 4,000 (the threshold is 1,000 features), 120 x
           120 points. Test error without noise .72, .78, .89, .76, .72; with 20 % noise .76, .82, .89, .80, .76.
Files:     experiments/results/double_descent/

    python experiments/paper/double_descent_regions.py --resolution 120
    python experiments/paper/double_descent_regions.py --arch resnet18k --preset standard --widths 4 7 10 20 64
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import dbviz
from dbviz.cli.console import run_command
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
    """The architecture."""
    widths: tuple[int, ...] = (100, 600, 1000, 2000, 4000)
    """Its widths, a column each."""
    label_noise: tuple[float, ...] = (0.0, 0.2)
    """Shares of wrong labels, a figure each."""
    seed: int = 0
    """The seed of every run."""
    triplet_seed: int = 0
    """The seed of the triplets."""
    preset: Literal["quick", "standard", "paper"] = "quick"
    """quick: minutes on a CPU; standard: for a GPU; paper: as published."""
    dataset: str = "cifar10"
    """cifar10, cifar100, svhn, or shapes (built in)."""
    resolution: int = 200
    """Points on each side of a panel."""
    padding: float = 0.5
    """The extent of a plane beyond its three images, as a share of the side of their bounding box."""
    home: Path | None = None
    """Where runs are kept. Default: $DBVIZ_HOME, else ./runs."""
    out: Path = Path("experiments/results/double_descent")
    """Where figures and numbers are written."""


def triplets(train: ImageSet, wrong: np.ndarray, seed: int) -> np.ndarray:
    """One triplet for each of `ROWS`."""
    of_rows = [
        draw_triplets(train, 1, seed=seed, among=~wrong),
        draw_triplets(train, 1, seed=seed, among=~wrong, one_class=True),
        draw_triplets(train, 1, seed=seed, among=wrong),
    ]
    return np.concatenate(of_rows)


def row_names(level: float, noisiest: float) -> list[str]:
    """Labels of the rows; without noise the images of the last row have their right labels."""
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
    sys.exit(run_command("python experiments/paper/double_descent_regions.py", Options, main))
