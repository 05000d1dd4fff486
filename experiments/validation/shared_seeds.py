"""Coverage of intervals where runs share seeds or agree almost everywhere, and the power of a paired difference.

Runs and planes are drawn from a process whose true values are known. A run has class 0 at a point of a plane with
probability sigmoid(mean + quality + ease), where the quality is that of its seeds and the ease that of the plane, both
normal, and otherwise any of nine other classes. Two networks with the same seed have the same quality and, at a share
of the points, use the same random numbers, so that they agree more often than at different seeds. Every interval is
compared with the one that takes all runs as independent and is symmetric about the value, as of version 0.1:

between networks   agreement at different seeds of two networks that have the same seeds
crossed seeds      five seeds times three of the label noise, in one network
near 1             a true reproducibility of 0.99
difference         the difference of two networks with the same seeds; before: of two separate intervals that do not
                   overlap, the share that is counted as different

Hardware:  AMD EPYC, 2 cores shared with other work, no GPU.
Time:      About two minutes on one core.
Result:    400 simulations, coverage before and after: between networks 81, 88, 90 % and 95.5, 94.8, 93.8 % with 3, 5,
           10 runs; crossed seeds 82 and 93 %; near 1, 20 planes, 84.5, 87, 86 % and 99.5, 97, 94.5 %. Of differences of
           0, .02, .04, .08, 3 runs, 1.5, 27, 75, 98 % are found; separate intervals never part.
Files:     experiments/results/shared_seeds/

    python experiments/validation/shared_seeds.py
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from dbviz.cli.console import run_command
from dbviz.core.results import write_result
from dbviz.core.streams import numpy_stream
from dbviz.core.terminal import print_table
from dbviz.label_maps import from_array
from dbviz.scores import Estimate, difference, jackknife_estimate, pair_table, pairs_estimate

MEAN, RUN_SPREAD, PLANE_SPREAD, CLASSES, SHARED, SIDE = 1.5, 0.25, 1.0, 10, 0.5, 7


@dataclass(frozen=True, kw_only=True)
class Options:
    """Simulates intervals of runs that share seeds, of nearly equal runs, and of differences."""

    simulations: int = 400
    """The number of simulations of each design."""
    out: Path = Path("experiments/results/shared_seeds/shared_seeds.json")
    """Where the numbers are written, as JSON."""


def probability(qualities: np.ndarray, ease: np.ndarray, mean: float) -> np.ndarray:
    """The probability of class 0, (run, plane)."""
    return scipy.special.expit(mean + qualities[:, None] + ease[None])


def true_agreement(means: tuple[float, float], spread: float = RUN_SPREAD, ease: float = PLANE_SPREAD) -> float:
    """E[p p' + (1 - p)(1 - p') / 9] over two runs of different seeds and a plane, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    p, other = (weights @ probability(spread * nodes, ease * nodes, mean) for mean in means)
    return float(weights @ (p * other + (1 - p) * (1 - other) / (CLASSES - 1)))


def draw_labels(
    rng: np.random.Generator, means: tuple[float, ...], qualities: np.ndarray, planes: int, ease: float = PLANE_SPREAD
) -> np.ndarray:
    """Label maps (network and run, plane, row, column): a run of each quality in a network of each mean."""
    shape = (len(qualities), planes, SIDE, SIDE)
    eases = ease * rng.standard_normal(planes)
    uniform, other = rng.random(shape), rng.integers(1, CLASSES, shape, dtype=np.uint8)
    maps = []
    for mean in means:
        own = rng.random(shape) >= SHARED
        draws = np.where(own, rng.random(shape), uniform)
        classes = np.where(own, rng.integers(1, CLASSES, shape, dtype=np.uint8), other)
        p = probability(qualities, eases, mean)[:, :, None, None]
        maps.append(np.where(draws < p, np.uint8(0), classes))
    return np.concatenate(maps)


def independent(table: np.ndarray, networks: list[np.ndarray]) -> Estimate:
    """The interval of version 0.1: every run left out alone, symmetric about the value."""
    within = len(networks) == 1

    def mean(runs: list[np.ndarray], planes: np.ndarray) -> float:
        rows, columns = networks[0][runs[0]], networks[-1][runs[-1]]
        block = table[np.ix_(rows, columns, planes)].mean(axis=2)
        return float(block[~np.eye(len(block), dtype=bool)].mean() if within else block.mean())

    runs = tuple(len(network) for network in networks)
    return jackknife_estimate(mean, runs, table.shape[2], fewest_runs=2 if within else 1, bounds=(0.0, 1.0))


Simulated = Iterator[tuple[float, Estimate, Estimate]]
"""The true value, the interval before and the interval after, of each simulation."""


def between_networks(simulations: int, runs: int, planes: int) -> Simulated:
    """Two networks of the same seeds."""
    means, networks = (MEAN, MEAN - 0.5), [np.arange(runs), np.arange(runs, 2 * runs)]
    truth, seeds = true_agreement(means), [str(seed) for seed in range(runs)] * 2
    for simulation in range(simulations):
        rng = numpy_stream(simulation, "between networks", runs)
        table = pair_table(draw_labels(rng, means, RUN_SPREAD * rng.standard_normal(runs), planes))
        yield truth, independent(table, networks), pairs_estimate(table, networks, seeds=seeds)


def crossed_seeds(simulations: int, runs: int, planes: int) -> Simulated:
    """`runs` seeds times three of the label noise, which adds as much to a run's quality."""
    truth = true_agreement((MEAN, MEAN), spread=RUN_SPREAD * 2**0.5)
    seeds = [f"{seed}-noise{noise}" for noise in range(3) for seed in range(runs)]
    everyone = [np.arange(len(seeds))]
    for simulation in range(simulations):
        rng = numpy_stream(simulation, "crossed seeds", runs)
        qualities = RUN_SPREAD * (rng.standard_normal((3, 1)) + rng.standard_normal(runs)).ravel()
        table = pair_table(draw_labels(rng, (MEAN,), qualities, planes))
        yield truth, independent(table, everyone), pairs_estimate(table, everyone, seeds=seeds)


def near_one(simulations: int, runs: int, planes: int) -> Simulated:
    """Runs that agree on 99 % of the points, of planes of skewed ease."""
    mean = float(scipy.optimize.brentq(lambda m: true_agreement((m, m), 0.5, 1.5) - 0.99, 3, 12))
    for simulation in range(simulations):
        rng = numpy_stream(simulation, "near one", runs)
        table = pair_table(draw_labels(rng, (mean,), 0.5 * rng.standard_normal(runs), planes, 1.5))
        yield 0.99, independent(table, [np.arange(runs)]), pairs_estimate(table, [np.arange(runs)])


DESIGNS = {"between networks": between_networks, "crossed seeds": crossed_seeds, "near 1": near_one}
SIZES = {
    "between networks": ((3, 50), (5, 50), (10, 50)),
    "crossed seeds": ((5, 50),),
    "near 1": ((3, 20), (5, 20), (10, 20), (3, 100)),
}
"""Runs, or seeds, and planes of each design."""


def coverage(simulated: Simulated) -> dict[str, float]:
    """The share of intervals that contain the true value, before and after."""
    hits = np.array([[low.low <= truth <= low.high for low in pair] for truth, *pair in simulated])
    before, after = hits.mean(axis=0).tolist()
    return {"before": before, "after": after, "standard_error": float(np.sqrt(after * (1 - after) / len(hits)))}


def power(simulations: int, runs: int, planes: int, apart: float) -> dict[str, float]:
    """How often two networks are found to differ: by separate intervals, and by their difference, with its coverage."""
    base = true_agreement((MEAN, MEAN))
    other = float(scipy.optimize.brentq(lambda m: true_agreement((m, m)) - base + apart, MEAN - 2, MEAN))
    networks, seeds = ["a"] * runs + ["b"] * runs, [*range(runs)] * 2
    separate, excluded, covered = [], [], []
    for simulation in range(simulations):
        rng = numpy_stream(simulation, "difference", runs)
        labels = draw_labels(rng, (MEAN, other), RUN_SPREAD * rng.standard_normal(runs), planes)
        of_a, of_b = (independent(pair_table(part), [np.arange(runs)]) for part in np.split(labels, 2))
        paired = difference(from_array(labels, networks=networks, seeds=seeds), "reproducibility", "a", "b")
        separate.append(of_a.low > of_b.high or of_b.low > of_a.high)
        excluded.append(paired.low > 0 or paired.high < 0)
        covered.append(paired.low <= apart <= paired.high)
    shares = {"before": separate, "after": excluded, "coverage": covered}
    return {name: float(np.mean(values)) for name, values in shares.items()}


def main(options: Options) -> None:
    rows: list[dict[str, object]] = []
    for design, simulate in DESIGNS.items():
        for runs, planes in SIZES[design]:
            shares = coverage(simulate(options.simulations, runs, planes))
            rows.append({"design": design, "runs": runs, "planes": planes, **shares})
    cells = [[str(v) if isinstance(v, str | int) else f"{v:.1%}" for v in row.values()] for row in rows]
    print_table("Coverage of 95 % intervals", ["design", "runs", "planes", "before", "after", "standard error"], cells)
    differing: list[dict[str, object]] = [
        {"difference": apart, "runs": runs, "planes": 50, **power(options.simulations, runs, 50, apart)}
        for runs in (3, 5)
        for apart in (0.0, 0.02, 0.04, 0.08)
    ]
    cells = [
        [str(v) if name in ("difference", "runs", "planes") else f"{v:.1%}" for name, v in r.items()] for r in differing
    ]
    heading = ["true difference", "runs", "planes", "separate intervals", "paired difference", "its coverage"]
    print_table("Share of simulations in which two networks differ", heading, cells)
    result = {"simulations": options.simulations, "coverage": rows, "differences": differing}
    print(f"Numbers: {write_result(options.out, result)}")


if __name__ == "__main__":
    sys.exit(run_command("python experiments/validation/shared_seeds.py", Options, main))
