"""Scores: pure functions of label maps."""

from dbviz.scores.agreement import agreement, inside_triangle, jaccard, kappa, mean_agreement, pair_table
from dbviz.scores.churn import churn, jensen_shannon
from dbviz.scores.estimate import Estimate, jackknife_estimate
from dbviz.scores.fragmentation import boundary_length, class_areas, class_skips, fragments
from dbviz.scores.networks import groups, networks, nudged
from dbviz.scores.planner import Plan, plan
from dbviz.scores.reproducibility import fragmentation, pairs_estimate, reproducibility, reproducibility_matrix

__all__ = [
    "Estimate",
    "Plan",
    "agreement",
    "boundary_length",
    "churn",
    "class_areas",
    "class_skips",
    "fragmentation",
    "fragments",
    "groups",
    "inside_triangle",
    "jaccard",
    "jackknife_estimate",
    "jensen_shannon",
    "kappa",
    "mean_agreement",
    "networks",
    "nudged",
    "pair_table",
    "pairs_estimate",
    "plan",
    "reproducibility",
    "reproducibility_matrix",
]
