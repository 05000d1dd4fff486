"""Scores: pure functions of label maps and of margins."""

from dbviz.scores.agreement import agreement, inside_triangle, jaccard, kappa, mean_agreement, pair_table
from dbviz.scores.churn import churn, jensen_shannon
from dbviz.scores.convergence import convergence
from dbviz.scores.estimate import Estimate, jackknife_estimate
from dbviz.scores.fragmentation import boundary_length, class_areas, class_skips, fragments
from dbviz.scores.margin import censored_share, image_margins, kaplan_meier_median, mean_margin, median_margin
from dbviz.scores.planner import Plan, plan
from dbviz.scores.reproducibility import fragmentation, pairs_estimate, reproducibility, reproducibility_matrix

__all__ = [
    "Estimate",
    "Plan",
    "agreement",
    "boundary_length",
    "censored_share",
    "churn",
    "class_areas",
    "class_skips",
    "convergence",
    "fragmentation",
    "fragments",
    "image_margins",
    "inside_triangle",
    "jaccard",
    "jackknife_estimate",
    "jensen_shannon",
    "kaplan_meier_median",
    "kappa",
    "mean_agreement",
    "mean_margin",
    "median_margin",
    "pair_table",
    "pairs_estimate",
    "plan",
    "reproducibility",
    "reproducibility_matrix",
]
