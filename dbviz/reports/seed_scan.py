"""A seed scan as JSON values, read back, as rows of a table beside published values, as CSV and as LaTeX."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dbviz.reports.published import published_spread
from dbviz.reports.tables import csv_text, estimate_columns, estimate_fields, latex_cell, latex_table
from dbviz.scores import Estimate, Extreme, SeedScan
from dbviz.sweeps.files import read_result

__all__ = ["load_scans", "scan_csv", "scan_fields", "scan_latex", "scan_rows"]


def scan_fields(scan: SeedScan) -> dict[str, Any]:
    """Every number of a scan as JSON values; `load_scans` reads them back.

    Example:
        >>> from dbviz.scores import scan_seeds
        >>> scan = scan_seeds(np.random.default_rng(0).random((2, 50)) < 0.7, ["0", "1"], rng=np.random.default_rng(1))
        >>> fields = scan_fields(scan)
        >>> fields["runs"], fields["accuracies"], fields["deviation"]["item"]
        (2, [0.7, 0.56], 'test images')
    """
    return {
        "runs": len(scan.seeds),
        "mean": scan.mean,
        "deviation": estimate_fields(scan.deviation),
        "distribution_deviation": estimate_fields(scan.distribution_deviation),
        "best": _extreme_fields(scan.best, scan.seeds),
        "worst": _extreme_fields(scan.worst, scan.seeds),
        "range": scan.range,
        "expected_range": scan.expected_range,
        "correlation": None if scan.correlation is None else estimate_fields(scan.correlation),
        "correlation_by_chance": scan.chance,
        "seeds": list(scan.seeds),
        "accuracies": scan.accuracies.tolist(),
        "halves": scan.halves.tolist(),
    }


def load_scans(path: str | os.PathLike[str]) -> dict[str, SeedScan]:
    """The scan of each network, from the JSON that `python -m dbviz.scan` wrote; files of dbviz 0.1 are read too.

    The estimates have no variances. `dbviz.figures.plot_histograms` and `plot_halves` draw them.

    Raises:
        InputError: there is no such file, or it is no seed scan.

    Example:
        >>> import json, pathlib, tempfile
        >>> from dbviz.scores import scan_seeds
        >>> correct = np.random.default_rng(0).random((5, 50)) < 0.7  # run, image
        >>> scan = scan_seeds(correct, ["0", "1", "2", "3", "4"], rng=np.random.default_rng(1))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "scan.json"
        >>> _ = path.write_text(json.dumps({"groups": [{"name": "vit", **scan_fields(scan)}]}))
        >>> load_scans(path)["vit"]
        SeedScan(5 runs, mean test accuracy 64.0%, standard deviation 0.05 [0.03, 0.15])
    """
    groups = read_result(path, "groups", "python -m dbviz.scan")["groups"]
    return {fields["name"]: _scan(fields) for fields in groups}


def scan_rows(scans: Sequence[SeedScan], dataset: str, *, head_alone: bool = False) -> list[list[str]]:
    """The rows of a table: what it is, a cell for each scan, and the published value.

    Args:
        head_alone: whether the seeds vary the head on a pretrained network only, for the published values.

    Example:
        >>> from dbviz.scores import scan_seeds
        >>> scan = scan_seeds(np.random.default_rng(0).random((2, 50)) < 0.7, ["0", "1"], rng=np.random.default_rng(1))
        >>> scan_rows([scan], "cifar10")[1]
        ['mean test accuracy', '63.00%', '']
    """

    def row(label: str, cells: Sequence[str], key: str = "") -> list[str]:
        reference = published_spread(dataset, key, head_alone=head_alone)
        return [label, *cells, f"{100 * reference[0]:.3g}% ({reference[1]})" if reference else ""]

    correlations = [scan.correlation for scan in scans]
    return [
        row("runs", [str(len(scan.seeds)) for scan in scans]),
        row("mean test accuracy", [f"{scan.mean:.2%}" for scan in scans]),
        row("standard deviation", [_percent(scan.deviation) for scan in scans], "deviation"),
        row(
            "standard deviation on the test distribution",
            [_percent(scan.distribution_deviation) for scan in scans],
            "distribution_deviation",
        ),
        row("highest (seed)", [_with_seed(scan.best, scan.seeds) for scan in scans]),
        row("  expected of normal draws", [f"{scan.best.expected:.2%}" for scan in scans]),
        row("  probability of one as high", [f"{scan.best.probability:.2f}" for scan in scans]),
        row("lowest (seed)", [_with_seed(scan.worst, scan.seeds) for scan in scans]),
        row("  expected of normal draws", [f"{scan.worst.expected:.2%}" for scan in scans]),
        row("  probability of one as low", [f"{scan.worst.probability:.2f}" for scan in scans]),
        row("range", [f"{scan.range:.2%}" for scan in scans], "range"),
        row("correlation of two halves", ["" if estimate is None else str(estimate) for estimate in correlations]),
        row("  by chance", [f"0 ± {scan.chance:.2f}" for scan in scans]),
    ]


def scan_csv(scans: Mapping[str, SeedScan]) -> str:
    """One row a network, with value, interval, items and runs of every estimate; accuracies are shares in [0, 1].

    Example:
        >>> from dbviz.scores import scan_seeds
        >>> scan = scan_seeds(np.random.default_rng(0).random((2, 50)) < 0.7, ["0", "1"], rng=np.random.default_rng(1))
        >>> scan_csv({"vit": scan}).splitlines()[1].split(",")[:5]
        ['vit', '2', '0.63', '0.0989949', '0.0441665']
    """
    return csv_text([_row(name, scan) for name, scan in scans.items()])


def scan_latex(scans: Mapping[str, SeedScan], caption: str) -> str:
    r"""A booktabs table, one row a network, accuracies in per cent; needs `\usepackage{booktabs}`.

    Example:
        >>> from dbviz.scores import scan_seeds
        >>> scan = scan_seeds(np.random.default_rng(0).random((2, 50)) < 0.7, ["0", "1"], rng=np.random.default_rng(1))
        >>> print(scan_latex({"vit": scan}, "Spread over seeds").splitlines()[6][:33])
        vit & 2 & 63.00 & \shortstack{9.9
    """
    columns = ["runs", "mean accuracy, %", "standard deviation, %", "on the test distribution, %"]
    columns += ["lowest, %", "highest, %", "correlation of two halves"]
    cells = [
        [
            str(len(scan.seeds)),
            f"{100 * scan.mean:.2f}",
            latex_cell(_scaled(scan.deviation)),
            latex_cell(_scaled(scan.distribution_deviation)),
            f"{100 * scan.worst.value:.2f}",
            f"{100 * scan.best.value:.2f}",
            latex_cell(scan.correlation),
        ]
        for scan in scans.values()
    ]
    return latex_table(cells, list(scans), columns, caption)


def _row(name: str, scan: SeedScan) -> dict[str, Any]:
    return {
        "network": name,
        "runs": len(scan.seeds),
        "mean": scan.mean,
        **estimate_columns(scan.deviation, "deviation_"),
        **estimate_columns(scan.distribution_deviation, "distribution_deviation_"),
        **{f"best_{field}": value for field, value in _extreme_fields(scan.best, scan.seeds).items()},
        **{f"worst_{field}": value for field, value in _extreme_fields(scan.worst, scan.seeds).items()},
        "range": scan.range,
        "expected_range": scan.expected_range,
        **estimate_columns(scan.correlation, "correlation_"),
        "correlation_by_chance": scan.chance,
    }


def _extreme_fields(extreme: Extreme, seeds: Sequence[str]) -> dict[str, Any]:
    return {"seed": seeds[extreme.run], **{name: value for name, value in vars(extreme).items() if name != "run"}}


def _extreme(fields: Mapping[str, Any], seeds: Sequence[str]) -> Extreme:
    return Extreme(run=seeds.index(fields["seed"]), **{name: fields[name] for name in fields if name != "seed"})


def _scan(fields: Mapping[str, Any]) -> SeedScan:
    seeds, correlation = tuple(fields["seeds"]), fields["correlation"]
    return SeedScan(
        seeds=seeds,
        accuracies=np.array(fields["accuracies"]),
        deviation=Estimate.from_dict(fields["deviation"], item="test images"),
        distribution_deviation=Estimate.from_dict(fields["distribution_deviation"], item="test images"),
        best=_extreme(fields["best"], seeds),
        worst=_extreme(fields["worst"], seeds),
        halves=np.array(fields["halves"]),
        correlation=None if correlation is None else Estimate.from_dict(correlation, item="splits"),
        chance=fields["correlation_by_chance"],
    )


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.3%} [{estimate.low:.3%}, {estimate.high:.3%}]"


def _scaled(estimate: Estimate) -> Estimate:
    """The estimate of a share, in per cent."""
    return replace(estimate, value=100 * estimate.value, low=100 * estimate.low, high=100 * estimate.high)


def _with_seed(extreme: Extreme, seeds: Sequence[str]) -> str:
    return f"{extreme.value:.2%} ({seeds[extreme.run]})"
