"""A seed scan as plain values and as rows of a table, published values beside ours."""

from collections.abc import Sequence
from typing import Any

from dbviz.reports.published import published_spread
from dbviz.reports.tables import estimate_fields
from dbviz.scores import Estimate, Extreme, SeedScan

__all__ = ["scan_fields", "scan_rows"]


def scan_fields(found: SeedScan) -> dict[str, Any]:
    """Every number of a scan as plain values."""
    return {
        "runs": len(found.seeds),
        "mean": found.mean,
        "deviation": estimate_fields(found.deviation),
        "distribution_deviation": estimate_fields(found.distribution_deviation),
        "best": _extreme_fields(found.best, found.seeds),
        "worst": _extreme_fields(found.worst, found.seeds),
        "range": found.range,
        "expected_range": found.expected_range,
        "correlation": None if found.correlation is None else estimate_fields(found.correlation),
        "correlation_by_chance": found.chance,
        "seeds": list(found.seeds),
        "accuracies": found.accuracies.tolist(),
        "halves": found.halves.tolist(),
    }


def scan_rows(scans: Sequence[SeedScan], dataset: str, *, head_alone: bool = False) -> list[list[str]]:
    """A table's rows: what it is, a cell for each scan, and what was published."""

    def row(what: str, cells: Sequence[str], key: str = "") -> list[str]:
        theirs = published_spread(dataset, key, head_alone=head_alone)
        return [what, *cells, f"{100 * theirs[0]:.3g}% ({theirs[1]})" if theirs else ""]

    correlations = [scan.correlation for scan in scans]
    return [
        row("runs", [str(len(scan.seeds)) for scan in scans]),
        row("mean test accuracy", [f"{scan.mean:.2%}" for scan in scans]),
        row("standard deviation", [_share(scan.deviation) for scan in scans], "deviation"),
        row(
            "the same on endless test images",
            [_share(scan.distribution_deviation) for scan in scans],
            "distribution_deviation",
        ),
        row("highest (seed)", [_with_seed(scan.best, scan.seeds) for scan in scans]),
        row("  of so many normal draws", [f"{scan.best.expected:.2%}" for scan in scans]),
        row("  chance of one so high", [f"{scan.best.probability:.2f}" for scan in scans]),
        row("lowest (seed)", [_with_seed(scan.worst, scan.seeds) for scan in scans]),
        row("  of so many normal draws", [f"{scan.worst.expected:.2%}" for scan in scans]),
        row("  chance of one so low", [f"{scan.worst.probability:.2f}" for scan in scans]),
        row("highest - lowest", [f"{scan.range:.2%}" for scan in scans], "range"),
        row("correlation of two halves", ["" if found is None else str(found) for found in correlations]),
        row("  by the finite test set alone", [f"0 ± {scan.chance:.2f}" for scan in scans]),
    ]


def _extreme_fields(found: Extreme, seeds: Sequence[str]) -> dict[str, Any]:
    return {"seed": seeds[found.run], **{name: value for name, value in vars(found).items() if name != "run"}}


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:.3%} [{estimate.low:.3%}, {estimate.high:.3%}]"


def _with_seed(found: Extreme, seeds: Sequence[str]) -> str:
    return f"{found.value:.2%} ({seeds[found.run]})"
