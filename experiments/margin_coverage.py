"""Do 95 % intervals of margins hold the true value 95 % of the time, and would those of a plain jackknife?

Margins are drawn from a known process: exp(run + image + direction), each normal with mean 0 and a spread of .1, .5
and .4, so that the true median is 1; the search ends at 2, which censors one direction in seven. Each simulation
draws new runs, images and directions, and asks whether the interval holds the truth. Beside the scores stands the
median with images left out one by one, which is what `dbviz.scores.margin` says not to do.

    python experiments/margin_coverage.py --out experiments/results/margin_coverage.json
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
import xarray as xr
from scipy import stats

from dbviz.core.results import write_result
from dbviz.core.streams import numpy_stream
from dbviz.core.terminal import print_table
from dbviz.scores import Estimate, jackknife_estimate, kaplan_meier_median, mean_margin, median_margin

RUN_SPREAD, IMAGE_SPREAD, DIRECTION_SPREAD, LARGEST = 0.1, 0.5, 0.4, 2.0
SPREAD = math.hypot(RUN_SPREAD, IMAGE_SPREAD, DIRECTION_SPREAD)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Simulates the coverage of the intervals of margins."""

    simulations: int = 300
    runs: tuple[int, ...] = (2, 3, 5, 10)
    images: int = 200
    directions: tuple[int, ...] = (1, 10)
    """Of each image."""
    out: Path = Path("experiments/results/margin_coverage.json")


def draw_margins(rng: np.random.Generator, runs: int, images: int, directions: int) -> xr.Dataset:
    """The margins of one simulation, as `measure_margins` gives them."""
    exponent = RUN_SPREAD * rng.standard_normal((runs, 1, 1)) + IMAGE_SPREAD * rng.standard_normal((1, images, 1))
    margin = np.exp(exponent + DIRECTION_SPREAD * rng.standard_normal((runs, images, directions)))
    dims = ("model", "image", "direction")
    return xr.Dataset(
        {"margin": (dims, np.minimum(margin, LARGEST)), "crossed": (dims, margin < LARGEST)},
        {"model": np.arange(runs), "arch": ("model", ["net"] * runs)},
        {"maximum": LARGEST},
    )


def true_mean() -> float:
    """E[min(exp(x), LARGEST)] for the normal x."""
    reached = math.exp(SPREAD**2 / 2) * stats.norm.cdf(math.log(LARGEST) / SPREAD - SPREAD)
    return float(reached + LARGEST * stats.norm.sf(math.log(LARGEST) / SPREAD))


def mean(measured: xr.Dataset) -> Estimate:
    return mean_margin(measured)["net"]


def median(measured: xr.Dataset) -> Estimate:
    return median_margin(measured)["net"]


def median_one_by_one(measured: xr.Dataset) -> Estimate:
    """The median with an interval that leaves out single images."""
    margin, crossed = measured.margin.values, measured.crossed.values

    def of(kept: list[np.ndarray], images: np.ndarray) -> float:
        block = np.ix_(kept[0], images)
        return kaplan_meier_median(margin[block], crossed[block])

    return jackknife_estimate(of, (len(margin),), margin.shape[1], fewest_runs=1)


SCORES: dict[str, tuple[Callable[[xr.Dataset], Estimate], float]] = {
    "mean": (mean, true_mean()),
    "median": (median, 1.0),
    "median, images one by one": (median_one_by_one, 1.0),
}


def coverage(options: Options, score: str, directions: int, runs: int) -> dict[str, float | int | str]:
    of, truth = SCORES[score]
    held, widths = [], []
    for simulation in range(options.simulations):
        rng = numpy_stream(simulation, "margin coverage", directions, runs)
        estimate = of(draw_margins(rng, runs, options.images, directions))
        held.append(estimate.low <= truth <= estimate.high)
        widths.append(estimate.half_width)
    return {
        "score": score,
        "directions": directions,
        "runs": runs,
        "coverage": float(np.mean(held)),
        "standard_error": float(np.std(held) / np.sqrt(len(held))),
        "median_half_width": float(np.median(widths)),
    }


def main(options: Options) -> None:
    asked = itertools.product(SCORES, options.directions, options.runs)
    found = [coverage(options, *one) for one in asked]
    rows = [
        [
            *map(str, list(c.values())[:3]),
            f"{c['coverage']:.1%}",
            f"{c['standard_error']:.1%}",
            f"{c['median_half_width']:.3f}",
        ]
        for c in found
    ]
    title = f"Coverage of 95 % intervals, {options.images} images, {options.simulations} simulations"
    print_table(title, ["score", "directions", "runs", "coverage", "standard error", "median half-width"], rows)
    truths = {score: truth for score, (_, truth) in SCORES.items()}
    result = {"truths": truths, "images": options.images, "simulations": options.simulations, "coverage": found}
    print(f"Numbers: {write_result(options.out, result)}")


if __name__ == "__main__":
    main(tyro.cli(Options))
