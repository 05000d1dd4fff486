"""Scores: pure functions of label maps, margins and predictions. Each is an `Estimate`, a value with its interval."""

from typing import Any

from dbviz.core.deprecation import warn_renamed
from dbviz.scores.agreement import agreement, inside_triangle, jaccard, kappa, mean_agreement, pair_table
from dbviz.scores.churn import churn, image_scores, jensen_shannon
from dbviz.scores.differences import difference, differences
from dbviz.scores.error_rate import error_rate
from dbviz.scores.estimate import Estimate, jackknife_estimate, means_estimate
from dbviz.scores.fragmentation import boundary_length, class_areas, class_skips, convergence, fragmentation, fragments
from dbviz.scores.luck import (
    Extreme,
    chance_correlation,
    expected_maximum,
    extreme,
    half_accuracies,
    halves_correlation,
    reached_by_chance,
)
from dbviz.scores.margin import censored_share, image_margins, kaplan_meier_median, mean_margin, median_margin
from dbviz.scores.networks import networks, nudged_mask, runs_by_network
from dbviz.scores.overlap import (
    chance_corrected,
    chance_corrected_matrix,
    class_jaccard,
    class_jaccard_matrix,
    jaccard_index,
    jaccard_matrix,
)
from dbviz.scores.reproducibility import (
    instability_floor,
    pairs_estimate,
    plane_agreement,
    reproducibility,
    reproducibility_matrix,
    same_seed_agreement,
)
from dbviz.scores.sample_size import Plan, plan
from dbviz.scores.seed_scan import SeedScan, scan_seeds
from dbviz.scores.sources import (
    SourceAnalysis,
    analyse_sources,
    cell_name,
    disagreement_ratio,
    nearly_full,
    runs_needed,
    source_shares,
    variance_ratio,
)
from dbviz.scores.spread import distribution_deviation, distribution_variance, standard_deviation
from dbviz.scores.summary import Summary, summarise

__all__ = [
    "Estimate",
    "Extreme",
    "Plan",
    "SeedScan",
    "SourceAnalysis",
    "Summary",
    "agreement",
    "analyse_sources",
    "boundary_length",
    "cell_name",
    "censored_share",
    "chance_corrected",
    "chance_corrected_matrix",
    "chance_correlation",
    "churn",
    "class_areas",
    "class_jaccard",
    "class_jaccard_matrix",
    "class_skips",
    "convergence",
    "difference",
    "differences",
    "disagreement_ratio",
    "distribution_deviation",
    "distribution_variance",
    "error_rate",
    "expected_maximum",
    "extreme",
    "fragmentation",
    "fragments",
    "half_accuracies",
    "halves_correlation",
    "image_margins",
    "image_scores",
    "inside_triangle",
    "instability_floor",
    "jaccard",
    "jaccard_index",
    "jaccard_matrix",
    "jackknife_estimate",
    "jensen_shannon",
    "kaplan_meier_median",
    "kappa",
    "mean_agreement",
    "mean_margin",
    "means_estimate",
    "median_margin",
    "nearly_full",
    "networks",
    "nudged_mask",
    "pair_table",
    "pairs_estimate",
    "plan",
    "plane_agreement",
    "reached_by_chance",
    "reproducibility",
    "reproducibility_matrix",
    "runs_by_network",
    "runs_needed",
    "same_seed_agreement",
    "scan_seeds",
    "source_shares",
    "standard_deviation",
    "summarise",
    "variance_ratio",
]

_RENAMED = {"groups": "runs_by_network", "nudged": "nudged_mask", "runs_to_tell": "runs_needed"}


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_renamed(f"{__name__}.{name}", f"{__name__}.{_RENAMED[name]}")
    return globals()[_RENAMED[name]]
