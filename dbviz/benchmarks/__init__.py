"""How fast this machine samples, trains and scores: against the usual way, and against the bare forward pass."""

from dbviz.benchmarks.measuring import Benchmark, Growth, Measured
from dbviz.benchmarks.sampling import benchmark_sampling
from dbviz.benchmarks.scores import benchmark_scores
from dbviz.benchmarks.seeds import benchmark_seeds
from dbviz.benchmarks.training import benchmark_training

__all__ = [
    "Benchmark",
    "Growth",
    "Measured",
    "benchmark_sampling",
    "benchmark_scores",
    "benchmark_seeds",
    "benchmark_training",
]
