"""Coverage of the 95 % intervals of reproducibility: do they contain the true value in 95 % of the cases?

Runs and triplets are drawn from a known process: run r has class 0 at a point of triplet t with probability
sigmoid(m + q_r + d_t), where q is the run's quality and d the triplet's ease, both normal, and otherwise any of nine
other classes. The true reproducibility is the expectation over all of it. Each simulation draws new runs and triplets,
makes their label maps, and checks whether the interval contains the true value.

Hardware:  AMD EPYC, 2 cores, no GPU.
Time:      Two minutes on one core.
Result:    1,000 simulations, 100 triplets: coverage 68.2 % with 2 runs, 93.2 % with 3, 94.9 % with 5, 96.0 % with 10
           (standard errors 1.5, 0.8, 0.7, 0.6 %). Intervals of 2 runs are over triplets alone, and are marked so.
Files:     experiments/results/interval_coverage/

    python experiments/validation/interval_coverage.py
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbviz.cli.console import run_command
from dbviz.core.results import write_result
from dbviz.core.streams import numpy_stream
from dbviz.core.terminal import print_table
from dbviz.scores import pair_table, pairs_estimate

MEAN, RUN_SPREAD, TRIPLET_SPREAD, CLASSES = 1.5, 0.25, 1.0, 10


@dataclass(frozen=True, kw_only=True)
class Options:
    """Simulates the coverage of the intervals of reproducibility."""

    simulations: int = 1000
    """The number of simulations for each number of runs."""
    runs: tuple[int, ...] = (2, 3, 5, 10)
    """Numbers of runs."""
    triplets: int = 100
    """The number of triplets in each simulation."""
    points: int = 100
    """Points of a plane."""
    out: Path = Path("experiments/results/interval_coverage/interval_coverage.json")
    """Where the numbers are written, as JSON."""


def probability(qualities: np.ndarray, ease: np.ndarray) -> np.ndarray:
    """The probability of class 0, (run, triplet)."""
    return 1 / (1 + np.exp(-(MEAN + qualities[:, None] + ease[None])))


def true_reproducibility() -> float:
    """E[p p' + (1 - p)(1 - p') / 9] over two runs and a triplet, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    p = probability(RUN_SPREAD * nodes, TRIPLET_SPREAD * nodes)
    mean_p = weights @ p  # over runs, for each triplet: two runs are independent given the triplet
    return float(weights @ (mean_p**2 + (1 - mean_p) ** 2 / (CLASSES - 1)))


def draw_labels(rng: np.random.Generator, runs: int, triplets: int, points: int) -> np.ndarray:
    """Label maps (run, triplet, point, 1) of one simulation."""
    p = probability(RUN_SPREAD * rng.standard_normal(runs), TRIPLET_SPREAD * rng.standard_normal(triplets))
    shape = (runs, triplets, points, 1)
    other = rng.integers(1, CLASSES, shape, dtype=np.uint8)
    return np.where(rng.random(shape) < p[:, :, None, None], np.uint8(0), other)


def main(options: Options) -> None:
    truth = true_reproducibility()
    rows, coverage = [], {}
    for runs in options.runs:
        covered, half_widths = [], []
        for simulation in range(options.simulations):
            labels = draw_labels(numpy_stream(simulation, "coverage", runs), runs, options.triplets, options.points)
            estimate = pairs_estimate(pair_table(labels), [np.arange(runs)])
            covered.append(estimate.low <= truth <= estimate.high)
            half_widths.append(estimate.half_width)
        share, error = float(np.mean(covered)), float(np.std(covered) / np.sqrt(len(covered)))
        coverage[runs] = {"coverage": share, "standard_error": error, "mean_half_width": float(np.mean(half_widths))}
        rows.append([str(runs), f"{share:.1%}", f"{error:.1%}", f"{np.mean(half_widths):.4f}", estimate.note])
    size = f"{options.triplets} triplets, {options.simulations} simulations"
    title = f"Coverage of 95 % intervals, {size}; true value {truth:.4f}"
    print_table(title, ["runs", "coverage", "standard error", "mean half-width", "note"], rows)
    result = {"truth": truth, "triplets": options.triplets, "simulations": options.simulations, "by_runs": coverage}
    print(f"Numbers: {write_result(options.out, result)}")


if __name__ == "__main__":
    sys.exit(run_command("python experiments/validation/interval_coverage.py", Options, main))
