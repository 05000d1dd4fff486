"""Throughput of several methods for the same task, and how its time grows with the size of the task."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

__all__ = ["plot_growth", "plot_rates"]


def plot_rates(rates: Mapping[str, float], *, unit: str, ax: Axes | None = None) -> Axes:
    """A bar for each method, the first on top, with its rate in `unit` per second and its ratio to the first.

    Args:
        rates: by the name of the method.
        ax: axes to draw into; by default those of a new figure.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> ax = plot_rates({"baseline": 100.0, "dbviz": 650.0}, unit="points")
        >>> [text.get_text() for text in ax.texts]
        ['100  (1.0 x)', '650  (6.5 x)']
        >>> plt.close(ax.figure)
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6.5, 0.6 + 0.42 * len(rates)), layout="constrained")
    first = next(iter(rates.values()))
    bars = ax.barh(range(len(rates)), list(rates.values()), color="0.6", height=0.6)
    ax.bar_label(bars, [f"{rate:,.0f}  ({_ratio(rate / first)} x)" for rate in rates.values()], fontsize=7, padding=3)
    ax.set_yticks(range(len(rates)), list(rates), fontsize=7)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.5 * max(rates.values()))
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel(f"{unit} per second", fontsize=8)
    ax.tick_params(axis="x", labelsize=7)
    return ax


def plot_growth(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], *, ax: Axes | None = None) -> Axes:
    """For each parameter the seconds at its values, on logarithmic axes; a dotted line marks proportional growth.

    Args:
        curves: for each parameter, such as the number of planes, its values and the seconds at each of them.
        ax: axes to draw into; by default those of a new figure.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> ax = plot_growth({"planes": ([10, 20, 40], [1.0, 2.0, 4.1])})
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['planes', 'proportional']
        >>> plt.close(ax.figure)
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 3.0), layout="constrained")
    for (parameter, (values, seconds)), marker in zip(curves.items(), "os^Dv*", strict=False):
        relative = [value / values[0] for value in values]
        ax.loglog(relative, [second / seconds[0] for second in seconds], marker=marker, label=parameter, markersize=4)
    largest = max(values[-1] / values[0] for values, _ in curves.values())
    ax.loglog([1, largest], [1, largest], ":", color="black", linewidth=1, label="proportional")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 4)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("size relative to the first", fontsize=8)
    ax.set_ylabel("time relative to the first", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7, frameon=False)
    return ax


def _ratio(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"
