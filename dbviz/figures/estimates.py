"""Scores of several networks with their intervals, and the distribution of agreement over planes."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dbviz.scores import Estimate

__all__ = ["plot_distributions", "plot_estimates", "plot_scores"]


_LABELS = {
    "beyond chance (kappa)": "agreement beyond chance\n(kappa)",
    "Jaccard index": "Jaccard index\n(mean over classes)",
    "inside the triangle": "reproducibility\ninside the triangle",
    "instability floor (disagreement)": "instability floor\n(disagreement)",
    "churn": "churn\n(share of predictions)",
    "divergence": "Jensen-Shannon\ndivergence (bits)",
    "median margin, all images": "median margin of all images\n(normalised pixels)",
    "median margin, correctly classified": "median margin of correctly\nclassified images (normalised pixels)",
}
"""Axis labels of scores whose name is too short for an axis."""


def plot_estimates(estimates: Mapping[str, Estimate], *, ax: Axes | None = None, label: str = "") -> Axes:
    """One point with its interval for each network, in the given order.

    An interval without an upper end is drawn as an arrow; an infinite value has no point. An interval that does not
    cover how runs vary, such as that of two runs, is dashed, its point is open, and the legend names what it covers.

    Args:
        ax: axes to draw into; by default those of a new figure.
        label: the score and its unit.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> ax = plot_estimates({"vit": agreement}, label="agreement")
        >>> ax.get_ylabel(), [tick.get_text() for tick in ax.get_xticklabels()]
        ('agreement', ['vit'])
        >>> plt.close(ax.figure)
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(1.6 + 0.65 * len(estimates), 2.8), layout="constrained")
    values = np.array([e.value for e in estimates.values()])
    lengths = np.array([[e.value - e.low, e.high - e.value] for e in estimates.values()]).T
    unbounded = np.isinf(lengths[1]) | np.isnan(lengths[1])
    lengths, values = np.where(np.isfinite(lengths), lengths, 0.0), np.where(np.isfinite(values), values, np.nan)
    covers = np.array([e.covers for e in estimates.values()])
    for mark in dict.fromkeys(covers.tolist()):
        part = covers == mark
        _draw_intervals(ax, np.flatnonzero(part), values[part], lengths[:, part], unbounded[part], mark)
    if covers.any():
        ax.legend(fontsize=6.5)
    ax.set_xticks(range(len(values)), list(estimates), rotation=30, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.set_ylabel(label, fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.grid(axis="y", alpha=0.3)
    return ax


def _draw_intervals(
    ax: Axes, places: np.ndarray, values: np.ndarray, lengths: np.ndarray, unbounded: np.ndarray, mark: str
) -> None:
    """Points with bars; open points with dashed bars, named in the legend, where the bars do not cover the runs."""
    style: dict[str, Any] = {"fmt": "o", "color": "black", "capsize": 3, "markersize": 4}
    partial: dict[str, Any] = {"markerfacecolor": "white", "label": mark} if mark else {}
    bars = ax.errorbar(places, values, yerr=lengths, lolims=unbounded, **style, **partial)[2]
    if mark:
        bars[0].set_linestyle("--")


def plot_scores(scores: Mapping[str, Mapping[str, Estimate]], *, figsize: tuple[float, float] | None = None) -> Figure:
    """A panel for each score, with a point and an interval for each network.

    Args:
        scores: by the name of the score and the name of the network, as in `dbviz.scores.Summary.scores`.
        figsize: width and height in inches; by default as large as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> figure = plot_scores({"reproducibility": {"vit": agreement}, "churn": {"vit": agreement.complement}})
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['reproducibility', 'churn\\n(share of predictions)']
        >>> plt.close(figure)
    """
    networks = max((len(estimates) for estimates in scores.values()), default=1)
    columns = min(3, len(scores))
    rows = -(-len(scores) // columns)
    size = figsize or ((1.0 + 0.45 * networks) * columns + 0.8, 2.3 * rows)
    figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=size, layout="constrained")
    for panel, (score, estimates) in zip(axes.flat, scores.items(), strict=False):
        plot_estimates(estimates, ax=panel, label=_LABELS.get(score, score))
    for panel in axes.flat[len(scores) :]:
        panel.remove()
    return figure


def plot_distributions(agreements: Mapping[str, Float64[np.ndarray, " plane"]], *, ax: Axes | None = None) -> Axes:
    """For each network the distribution over planes of its runs' mean agreement: a violin with its quartiles.

    Args:
        agreements: from `dbviz.scores.plane_agreement`.
        ax: axes to draw into; by default those of a new figure.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> ax = plot_distributions({"vit": np.array([0.7, 0.8, 0.9])})
        >>> ax.get_ylabel()
        'agreement of the runs on a plane'
        >>> plt.close(ax.figure)
    """
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
