"""The time announced for runs that are done at once: an equal share, and the longest behind it."""

from dataclasses import dataclass

import pytest

from dbviz.cli.announcement import total_seconds
from dbviz.executors import Executor, InProcess, Pool
from dbviz.spec import Recipe, RunSpec, Seeds

SECONDS = {
    RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1), seeds=Seeds.all(seed)): 2.0 + seed
    for seed in range(3)
}


@dataclass
class Case:
    executor: Executor
    expected: float


@pytest.mark.parametrize(
    "case",
    [
        Case(InProcess(), 9.0),
        Case(Pool(processes=2), 9 / 2 + 4 / 2),
        Case(Pool(processes=8), 9 / 3 + 4 * 2 / 3),  # of eight processes three have something to do
    ],
)
def test_the_total_of_runs_of_two_three_and_four_seconds(case):
    assert total_seconds(SECONDS, case.executor) == pytest.approx(case.expected)
