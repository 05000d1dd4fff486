"""Scores: pure functions of label maps."""

from dbviz.scores.agreement import agreement, mean_agreement

__all__ = ["agreement", "mean_agreement"]
