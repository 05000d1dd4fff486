"""An audit of the sources of randomness as JSON values, read back, as rows of a table, as CSV and as LaTeX."""

import os
from collections.abc import Mapping
from typing import Any

from dbviz.reports.reading import read_estimates
from dbviz.reports.tables import csv_text, estimate_columns, estimate_fields, frame_rows, scores_frame, scores_latex
from dbviz.scores import Estimate, SourceAnalysis, nearly_full, runs_needed
from dbviz.scores.sources import NEARLY_FULL
from dbviz.sweeps.files import read_result

__all__ = [
    "MAIN_SCORES",
    "load_sources",
    "share_rows",
    "sources_csv",
    "sources_fields",
    "sources_latex",
    "sources_rows",
    "verdicts",
]

MAIN_SCORES = ("sd of test accuracy, %", "churn", "reproducibility", "fragments of a plane", "sd of fragments")
"""The scores of tables and figures."""


def sources_fields(analysis: SourceAnalysis) -> dict[str, Any]:
    """Every number of an analysis as JSON values; `load_sources` reads them back.

    Example:
        >>> share = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5, 5))
        >>> analysis = SourceAnalysis(scores={}, shares={"predictions": {"total": {"init": share}, "first-order": {}}})
        >>> sources_fields(analysis)["nearly_full"]
        {'predictions': {'init': 'no'}}
    """
    return {
        "scores": {score: _fields(cells) for score, cells in analysis.scores.items()},
        "shares": {
            quantity: {kind: _fields(shares) for kind, shares in kinds.items()}
            for quantity, kinds in analysis.shares.items()
        },
        "nearly_full": {
            quantity: {source: nearly_full(share) for source, share in kinds["total"].items()}
            for quantity, kinds in analysis.shares.items()
        },
    }


def load_sources(path: str | os.PathLike[str]) -> SourceAnalysis:
    """The analysis in the JSON that `python -m dbviz.audit sources` wrote; files of dbviz 0.1 are read too.

    The estimates have no variances. `dbviz.figures.plot_cells(analysis.scores)` draws them.

    Raises:
        InputError: there is no such file, or it is no analysis of sources.

    Example:
        >>> import json, pathlib, tempfile
        >>> churn = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5,))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "sources.json"
        >>> analysis = SourceAnalysis(scores={"churn": {"init": churn}}, shares={})
        >>> _ = path.write_text(json.dumps(sources_fields(analysis)))
        >>> load_sources(path).scores
        {'churn': {'init': Estimate(0.40 [0.20, 0.70], 500 test images, 5 runs)}}
    """
    result = read_result(path, "shares", "python -m dbviz.audit sources")
    return SourceAnalysis(
        scores={score: read_estimates(score, cells) for score, cells in result["scores"].items()},
        shares={
            quantity: {kind: read_estimates(quantity, shares) for kind, shares in kinds.items()}
            for quantity, kinds in result["shares"].items()
        },
    )


def sources_rows(
    analysis: SourceAnalysis, missing: Mapping[str, str] | None = None
) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table: the main scores of each cell, then the cells that were not measured.

    Args:
        missing: cells that were not measured, each with the reason.

    Example:
        >>> churn = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5,))
        >>> analysis = SourceAnalysis(scores={"churn": {"init": churn}}, shares={})
        >>> sources_rows(analysis, missing={"kernels": "CPU kernels repeat"})
        (['varied', 'churn'], [['init', '0.40 [0.20, 0.70]'], ['kernels', 'not measured: CPU kernels repeat']])
    """
    scores = _main(analysis)
    rows = frame_rows(scores_frame(scores, _cells(analysis)).T)
    rows += [[cell, f"not measured: {why}", *[""] * (len(scores) - 1)] for cell, why in (missing or {}).items()]
    return ["varied", *scores], rows


def share_rows(analysis: SourceAnalysis) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table: each source's shares of the variance; no rows where there are none.

    Example:
        >>> share = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5, 5))
        >>> share_rows(SourceAnalysis(scores={}, shares={"predictions": {"total": {"init": share}}}))
        (['source', 'predictions, total'], [['init', '0.40 [0.20, 0.70]']])
    """
    shares = _flat_shares(analysis)
    sources = list(dict.fromkeys(source for share in shares.values() for source in share))
    return ["source", *shares], frame_rows(scores_frame(shares, sources).T) if shares else []


def sources_csv(analysis: SourceAnalysis) -> str:
    """One row a score and cell, then one a share and source.

    Example:
        >>> churn = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5,))
        >>> print(sources_csv(SourceAnalysis(scores={"churn": {"init": churn}}, shares={})), end="")
        score,varied,value,low,high,level,items,item,runs,other_runs,note
        churn,init,0.4,0.2,0.7,0.95,500,test images,5,,
    """
    shares = {f"share of variance: {name}": share for name, share in _flat_shares(analysis).items()}
    return csv_text(
        [
            {"score": score, "varied": varied, **estimate_columns(estimate)}
            for score, estimates in (analysis.scores | shares).items()
            for varied, estimate in estimates.items()
        ]
    )


def sources_latex(analysis: SourceAnalysis, caption: str) -> str:
    r"""A booktabs table of the main scores, one row a cell; needs `\usepackage{booktabs}`.

    Example:
        >>> churn = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5,))
        >>> analysis = SourceAnalysis(scores={"churn": {"init + order": churn}}, shares={})
        >>> print(sources_latex(analysis, "Sources of randomness").splitlines()[6])
        init + order & \shortstack{0.40 \\ {\tiny [0.20, 0.70]}} \\
    """
    return scores_latex(_main(analysis), _cells(analysis), caption)


def verdicts(analysis: SourceAnalysis) -> list[str]:
    """Lines that state, for each source and quantity, whether it alone causes nearly the full variance.

    Example:
        >>> share = Estimate(value=0.4, low=0.2, high=0.7, items=500, item="test images", runs=(5, 5))
        >>> analysis = SourceAnalysis(scores={}, shares={"predictions": {"total": {"init": share}}})
        >>> verdicts(analysis)[1]
        '  init: predictions: no (0.40 [0.20, 0.70])'
    """
    sources = list(next(iter(analysis.shares.values()))["total"])
    lines = [f"Does one source alone cause nearly the full variance ({NEARLY_FULL:.0%} of it or more)?"]
    for source in sources:
        answers = [
            f"{quantity}: {nearly_full(shares['total'][source])} ({shares['total'][source]})"
            for quantity, shares in analysis.shares.items()
        ]
        lines.append(f"  {source}: {'; '.join(answers)}")
    lines.append(
        f"  To distinguish an accuracy's share of 1 from {NEARLY_FULL} takes {runs_needed()} runs of each cell; "
        "disagreement needs fewer."
    )
    return lines


def _fields(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {name: estimate_fields(estimate) for name, estimate in estimates.items()}


def _main(analysis: SourceAnalysis) -> dict[str, dict[str, Estimate]]:
    return {score: analysis.scores[score] for score in MAIN_SCORES if score in analysis.scores}


def _cells(analysis: SourceAnalysis) -> list[str]:
    return list(next(iter(analysis.scores.values()), {}))


def _flat_shares(analysis: SourceAnalysis) -> dict[str, dict[str, Estimate]]:
    """The shares by `QUANTITY, KIND`; kinds without shares are left out."""
    return {
        f"{quantity}, {kind}": shares
        for quantity, kinds in analysis.shares.items()
        for kind, shares in kinds.items()
        if shares
    }
