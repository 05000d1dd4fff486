"""The progress bar of a job."""

from rich.progress import Progress

from dbviz.core import progress
from dbviz.core.progress import progress_bar


def test_amounts_that_sum_to_the_total_but_for_rounding_finish_the_bar(monkeypatch):
    bars = []

    class Kept(Progress):
        def __init__(self, *columns, **options) -> None:
            super().__init__(*columns, **options)
            bars.append(self)

    monkeypatch.setattr(progress, "Progress", Kept)
    with progress_bar(1.0) as advance:
        for _ in range(9):
            advance(0.1, "working")
        assert not bars[0].finished
        advance(0.1, "working")
    assert sum([0.1] * 10) < 1
    assert bars[0].finished
