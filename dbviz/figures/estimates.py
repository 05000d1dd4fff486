"""Scores of several architectures with their intervals, and how agreement spreads over planes."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dbviz.scores import Estimate

__all__ = ["plot_distributions", "plot_estimates", "plot_scores"]


_LABELS = {
    "beyond chance (kappa)": "agreement beyond chance\n(kappa)",
    "Jaccard index": "Jaccard index of a class",
    "inside the triangle": "reproducibility\ninside the triangle",
    "instability floor (disagreement)": "instability floor\n(disagreement)",
    "churn": "churn\n(share of predictions)",
    "divergence": "Jensen-Shannon\ndivergence, bits",
    "median margin, all images": "median margin of all images,\nin normalised pixels",
    "median margin, correctly classified": "median margin of images\nclassified right, in normalised pixels",
}
"""What scores are called on an axis, where their short name says too little there."""


def plot_estimates(estimates: Mapping[str, Estimate], *, ax: Axes | None = None, label: str = "") -> Axes:
    """One point with its interval for each network, in the order given; `label` names the score and its unit.

    An interval without an upper end is an arrow; a value that is infinite has no point.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(1.6 + 0.65 * len(estimates), 2.8), layout="constrained")
    values = np.array([e.value for e in estimates.values()])
    reach = np.array([[e.value - e.low, e.high - e.value] for e in estimates.values()]).T
    endless = np.isinf(reach[1]) | np.isnan(reach[1])
    reach, values = np.where(np.isfinite(reach), reach, 0.0), np.where(np.isfinite(values), values, np.nan)
    style = {"fmt": "o", "color": "black", "capsize": 3, "markersize": 4}
    ax.errorbar(range(len(values)), values, yerr=reach, lolims=endless, **style)
    ax.set_xticks(range(len(values)), list(estimates), rotation=30, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.set_ylabel(label, fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.grid(axis="y", alpha=0.3)
    return ax


def plot_scores(scores: Mapping[str, Mapping[str, Estimate]]) -> Figure:
    """A panel for each score, in which each network has its point and interval."""
    networks = max((len(found) for found in scores.values()), default=1)
    columns = min(3, len(scores))
    rows = -(-len(scores) // columns)
    size = ((1.0 + 0.45 * networks) * columns + 0.8, 2.3 * rows)
    figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=size, layout="constrained")
    for panel, (score, found) in zip(axes.flat, scores.items(), strict=False):
        plot_estimates(found, ax=panel, label=_LABELS.get(score, score))
    for panel in axes.flat[len(scores) :]:
        panel.remove()
    return figure


def plot_distributions(agreements: Mapping[str, Float64[np.ndarray, " plane"]], *, ax: Axes | None = None) -> Axes:
    """For each network the mean agreement of its runs plane by plane: a violin with its quartiles."""
    if ax is None:
        _, ax = plt.subplots(figsize=(1.6 + 0.75 * len(agreements), 2.8), layout="constrained")
    bodies = ax.violinplot(list(agreements.values()), positions=range(len(agreements)), showextrema=False, widths=0.8)
    for body in bodies["bodies"]:  # pyright: ignore[reportGeneralTypeIssues]
        body.set(facecolor="0.75", alpha=1)
    for place, values in enumerate(agreements.values()):
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        ax.plot([place, place], [low, high], color="black", linewidth=4)
        ax.plot(place, middle, "o", color="white", markeredgecolor="black", markersize=5)
    ax.set_xticks(range(len(agreements)), list(agreements), rotation=30, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set(ylim=(0, 1.02))
    ax.set_ylabel("agreement of the runs on a plane", fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    return ax
