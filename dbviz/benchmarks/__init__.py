"""Benchmarks: how fast this machine samples, trains and scores, between a baseline and an upper bound.

The baseline does the same work as published code does it; the upper bound is the bare forward pass or training step.
"""

from dbviz.benchmarks.measuring import Benchmark, Growth, Timing
from dbviz.benchmarks.sampling import benchmark_sampling
from dbviz.benchmarks.scores import benchmark_scores
from dbviz.benchmarks.seeds import benchmark_seeds
from dbviz.benchmarks.training import benchmark_training

__all__ = [
    "Benchmark",
    "Growth",
    "Timing",
    "benchmark_sampling",
    "benchmark_scores",
    "benchmark_seeds",
    "benchmark_training",
]
