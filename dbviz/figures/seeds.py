"""The spread of test accuracy over seeds (Picard 2021, Figs 1-3; Jordan 2023): over epochs, at the end, and on halves.

Accuracies are shares in [0, 1], drawn in per cent. A group, the runs of one network, has one colour in all figures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import scipy
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dbviz.figures.palette import class_colours
from dbviz.scores import Estimate

__all__ = ["plot_deviations", "plot_epochs", "plot_halves", "plot_histograms"]

_WIDTH, _HEIGHT = 3.6, 2.8
"""Size of a panel in inches."""


def plot_epochs(
    accuracies: Mapping[str, Float64[np.ndarray, "run epoch"]], *, figsize: tuple[float, float] | None = None
) -> Figure:
    """For each group the accuracy over the epochs: mean, ±1 standard deviation, and from the lowest to the highest.

    The upper panel shows the accuracy, the lower one its deviation from the mean of the runs, where the bands are seen.
    Markers are at the epochs after which all runs of a group were tested; straight lines join them.

    Args:
        accuracies: by the name of the group; NaN where a run was not tested.
        figsize: width and height in inches; by default as large as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> accuracies = np.array([[0.2, 0.5, 0.6], [0.3, 0.4, 0.7]])  # run, epoch
        >>> figure = plot_epochs({"vit": accuracies})
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['test accuracy, %', 'deviation\\nfrom the mean']
        >>> plt.close(figure)
    """
    figure, panels = _panels(len(accuracies), heights=(1.5, 1.0), figsize=figsize)
    for (name, values), colour, (above, below) in zip(accuracies.items(), _colours(accuracies), panels, strict=True):
        tested = ~np.isnan(values).any(axis=0)
        epochs, shares = 1 + np.flatnonzero(tested), values[:, tested]
        _bands(above, epochs, shares, colour)
        _bands(below, epochs, shares - shares.mean(axis=0), colour)
        above.set_title(f"{name}, {len(values)} runs", fontsize=8)
        above.set_ylabel("test accuracy, %", fontsize=8)
        above.tick_params(labelbottom=False)
        below.set_xlabel("epoch" if tested.all() else "epoch (markers: tested)", fontsize=8)
        below.set_ylabel("deviation\nfrom the mean", fontsize=8)
        for ax in (above, below):
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels()
    handles, _ = panels[0][0].get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    return figure


def plot_histograms(
    accuracies: Mapping[str, Float64[np.ndarray, " run"]], *, figsize: tuple[float, float] | None = None
) -> Figure:
    """For each group the accuracies as a histogram, as a density (Gaussian kernel) and, below, as one tick a run.

    Args:
        accuracies: by the name of the group, such as those of `dbviz.reports.load_scans`.
        figsize: width and height in inches; by default as large as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> figure = plot_histograms({"vit": np.array([0.70, 0.71, 0.73])}, figsize=(3.0, 2.0))
        >>> figure.axes[0].get_title()
        'vit, 3 runs'
        >>> plt.close(figure)
    """
    figure, panels = _panels(len(accuracies), figsize=figsize)
    for (name, values), colour, (ax,) in zip(accuracies.items(), _colours(accuracies), panels, strict=True):
        shares = 100 * values
        if np.ptp(shares) > 0:
            ax.hist(shares, bins="auto", density=True, color=colour, alpha=0.35, edgecolor="white", linewidth=0.6)
            padding = 0.35 * np.ptp(shares)
            x = np.linspace(shares.min() - padding, shares.max() + padding, 300)
            ax.plot(x, scipy.stats.gaussian_kde(shares)(x), color=colour, linewidth=1.6)
        top = ax.get_ylim()[1]
        ax.set_ylim(-0.09 * top, top)
        ax.vlines(shares, -0.075 * top, -0.015 * top, color=colour, linewidth=0.8)
        ax.axhline(0, color="0.3", linewidth=0.6)
        ax.set_title(f"{name}, {len(values)} runs", fontsize=8)
        ax.set_xlabel("test accuracy, %", fontsize=8)
        ax.set_ylabel("density", fontsize=8)
    return figure


def plot_halves(
    halves: Mapping[str, Float64[np.ndarray, "2 run"]],
    correlations: Mapping[str, Estimate | None],
    *,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """For each group the accuracies on one half of the test images against those on the other, one point a run.

    Lines mark the means; both axes have the same range about them.

    Args:
        halves: by the name of the group.
        correlations: the correlation of each group over many splits, for the panel's title.
        figsize: width and height in inches; by default as large as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> figure = plot_halves({"vit": np.array([[0.5, 0.6, 0.7], [0.3, 0.5, 0.4]])}, {"vit": None})
        >>> figure.axes[0].get_title(), figure.axes[0].get_xlabel()
        ('vit, 3 runs', 'accuracy on one half, %')
        >>> plt.close(figure)
    """
    figure, panels = _panels(len(halves), width=2.7, figsize=figsize)
    for (name, values), colour, (ax,) in zip(halves.items(), _colours(halves), panels, strict=True):
        shares, correlation = 100 * values, correlations.get(name)
        x, y = means = shares.mean(axis=1)
        radius = 1.12 * float(np.abs(shares - means[:, None]).max()) or 1.0
        ax.axvline(x, color="0.6", linewidth=0.7, zorder=0)
        ax.axhline(y, color="0.6", linewidth=0.7, zorder=0)
        ax.plot(*shares, "o", color=colour, markersize=4.5, alpha=0.75, markeredgewidth=0)
        ax.set(xlim=(x - radius, x + radius), ylim=(y - radius, y + radius))
        ax.set_aspect("equal", adjustable="box")
        title = f"{name}, {len(values[0])} runs"
        ax.set_title(f"{title}\ncorrelation {correlation}" if correlation else title, fontsize=8)
        ax.set_xlabel("accuracy on one half, %", fontsize=8)
        ax.set_ylabel("accuracy on the other half, %", fontsize=8)
    return figure


def plot_deviations(
    deviations: Mapping[str, Mapping[str, Sequence[tuple[int, Estimate]]]], *, ax: Axes | None = None
) -> Axes:
    """Standard deviations over runs against the length of training, with their intervals.

    Args:
        deviations: for each network and each kind of deviation, pairs (epochs, estimate) by rising epochs.
        ax: axes to draw into; by default those of a new figure.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from dbviz.scores import standard_deviation
        >>> short, long = (standard_deviation(np.array([0.7, 0.7 + spread])) for spread in (0.02, 0.01))
        >>> ax = plot_deviations({"vit": {"on the test set": [(2, short), (8, long)]}})
        >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
        ('epochs of training', ['vit, on the test set'])
        >>> plt.close(ax.figure)
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
    styles = [("-", "o"), ("--", "s"), (":", "^")]
    lines = sum(map(len, deviations.values()))
    lengths = sorted({epochs for kinds in deviations.values() for points in kinds.values() for epochs, _ in points})
    step = (1.56 * lengths[-1] / lengths[0]) ** 0.014  # so that intervals do not overlap
    offsets = iter(step ** (np.arange(lines) - (lines - 1) / 2))
    for (network, kinds), colour in zip(deviations.items(), _colours(deviations), strict=True):
        for (kind, points), (dashes, marker) in zip(kinds.items(), styles, strict=False):
            epochs = np.array([epoch for epoch, _ in points]) * next(offsets)
            values, low, high = (
                100 * np.array([getattr(estimate, end) for _, estimate in points]) for end in ("value", "low", "high")
            )
            bars = np.where(np.isfinite([values - low, high - values]), [values - low, high - values], 0.0)
            style: dict[str, Any] = {"linestyle": dashes, "marker": marker, "markersize": 4.5, "capsize": 3}
            style |= {"linewidth": 1.2, "markerfacecolor": colour if dashes == "-" else "white"}
            ax.errorbar(epochs, values, yerr=bars, color=colour, label=f"{network}, {kind}", **style)
    ax.set_xscale("log")
    ax.set_xticks(lengths, [f"{length:g}" for length in lengths])
    ax.set_xticks([], minor=True)
    ax.set_xlim(0.8 * lengths[0], 1.25 * lengths[-1])
    ax.set_ylim(bottom=0)
    ax.set_xlabel("epochs of training", fontsize=8)
    ax.set_ylabel("standard deviation of test accuracy, %", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=min(2, lines), fontsize=7, frameon=False)
    return ax


def _bands(ax: Axes, epochs: np.ndarray, values: Float64[np.ndarray, "run epoch"], colour: Any) -> None:
    shares = 100 * values
    mean, deviation = shares.mean(axis=0), shares.std(axis=0, ddof=1)
    ends = shares.min(axis=0), shares.max(axis=0)
    ax.fill_between(epochs, *ends, color=colour, alpha=0.2, linewidth=0, label="lowest to highest")
    spread = mean - deviation, mean + deviation
    ax.fill_between(epochs, *spread, color=colour, alpha=0.45, linewidth=0, label="± 1 standard deviation")
    ax.plot(epochs, mean, color=colour, marker="o", markersize=3, linewidth=1.4, label="mean")


def _panels(
    count: int,
    heights: Sequence[float] = (1.0,),
    *,
    width: float = _WIDTH,
    figsize: tuple[float, float] | None = None,
) -> tuple[Figure, list[list[Axes]]]:
    """`count` panels, three in a row, each of axes on top of each other with the relative `heights`."""
    columns = min(3, count)
    rows, parts = -(-count // columns), len(heights)
    size = figsize or (width * columns, _HEIGHT * rows * (1.0 if parts == 1 else 0.72 * sum(heights)) + 0.2)
    figure, axes = plt.subplots(
        rows * parts, columns, squeeze=False, figsize=size, height_ratios=[*heights] * rows, layout="constrained"
    )
    for ax in axes.flat:
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    panels = [
        list(axes[parts * (n // columns) : parts * (n // columns + 1), n % columns]) for n in range(rows * columns)
    ]
    for ax in (ax for panel in panels[count:] for ax in panel):
        ax.remove()
    return figure, panels[:count]


def _colours(groups: Mapping[str, Any]) -> Sequence[Any]:
    return [tuple(colour) for colour in class_colours(len(groups))]
