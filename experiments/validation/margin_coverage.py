"""Coverage of the 95 % intervals of margins, and of those of a plain jackknife over images.

Margins are drawn from a known process: exp(run + image + direction), each normal with mean 0 and standard deviations
.1, .5 and .4, so that the true median is 1; the search ends at 2, which censors one direction in seven. Each simulation
draws new runs, images and directions, and checks whether the interval contains the true value. The third score is the
median with single images left out, which `dbviz.scores.margin` advises against.

Hardware:  AMD EPYC, 2 cores, one thread, no GPU.
Time:      Seven minutes of one core.
Result:    300 simulations, 200 images, 2 to 10 runs: coverage 91.0 to 96.0 % for the mean and 90.0 to 96.0 % for the
           median (standard errors 1.1 to 1.7 %), lowest with two runs. The plain jackknife of the median covers as
           often here, 89.7 to 96.0 %, so that this process does not show the difference.
Files:     experiments/results/margin_coverage/

    python experiments/validation/margin_coverage.py
"""

import itertools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy import stats

from dbviz.cli.console import run_command
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
    """The number of simulations of each case."""
    runs: tuple[int, ...] = (2, 3, 5, 10)
    """Numbers of runs."""
    images: int = 200
    """The number of images in each simulation."""
    directions: tuple[int, ...] = (1, 10)
    """Numbers of directions from each image."""
    out: Path = Path("experiments/results/margin_coverage/margin_coverage.json")
    """Where the numbers are written, as JSON."""


def draw_margins(rng: np.random.Generator, runs: int, images: int, directions: int) -> xr.Dataset:
    """The margins of one simulation, as `measure_margins` returns them."""
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
    uncensored = math.exp(SPREAD**2 / 2) * stats.norm.cdf(math.log(LARGEST) / SPREAD - SPREAD)
    return float(uncensored + LARGEST * stats.norm.sf(math.log(LARGEST) / SPREAD))


def mean(measured: xr.Dataset) -> Estimate:
    return mean_margin(measured)["net"]


def median(measured: xr.Dataset) -> Estimate:
    return median_margin(measured)["net"]


def median_one_by_one(measured: xr.Dataset) -> Estimate:
    """The median with an interval that leaves out single images."""
    margin, crossed = measured.margin.values, measured.crossed.values

    def median_of(runs: list[np.ndarray], images: np.ndarray) -> float:
        block = np.ix_(runs[0], images)
        return kaplan_meier_median(margin[block], crossed[block])

    return jackknife_estimate(median_of, (len(margin),), margin.shape[1], fewest_runs=1)


SCORES: dict[str, tuple[Callable[[xr.Dataset], Estimate], float]] = {
    "mean": (mean, true_mean()),
    "median": (median, 1.0),
    "median, images one by one": (median_one_by_one, 1.0),
}


def coverage(options: Options, score: str, directions: int, runs: int) -> dict[str, float | int | str]:
    estimate_of, truth = SCORES[score]
    covered, half_widths = [], []
    for simulation in range(options.simulations):
        rng = numpy_stream(simulation, "margin coverage", directions, runs)
        estimate = estimate_of(draw_margins(rng, runs, options.images, directions))
        covered.append(estimate.low <= truth <= estimate.high)
        half_widths.append(estimate.half_width)
    return {
        "score": score,
        "directions": directions,
        "runs": runs,
        "coverage": float(np.mean(covered)),
        "standard_error": float(np.std(covered) / np.sqrt(len(covered))),
        "median_half_width": float(np.median(half_widths)),
    }


def main(options: Options) -> None:
    cases = [coverage(options, *case) for case in itertools.product(SCORES, options.directions, options.runs)]
    rows = [
        [
            *(str(case[name]) for name in ("score", "directions", "runs")),
            f"{case['coverage']:.1%}",
            f"{case['standard_error']:.1%}",
            f"{case['median_half_width']:.3f}",
        ]
        for case in cases
    ]
    title = f"Coverage of 95 % intervals, {options.images} images, {options.simulations} simulations"
    print_table(title, ["score", "directions", "runs", "coverage", "standard error", "median half-width"], rows)
    truths = {score: truth for score, (_, truth) in SCORES.items()}
    result = {"truths": truths, "images": options.images, "simulations": options.simulations, "coverage": cases}
    print(f"Numbers: {write_result(options.out, result)}")


if __name__ == "__main__":
    sys.exit(run_command("python experiments/validation/margin_coverage.py", Options, main))
