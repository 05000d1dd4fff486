"""Speeds of several ways of doing the same, and how the time grows with its causes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

__all__ = ["plot_growth", "plot_rates"]


def plot_rates(rates: Mapping[str, float], *, unit: str, ax: Axes | None = None) -> Axes:
    """A bar for each way, the first on top, with its rate in `unit` per second and its ratio to the first."""
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
    """For each cause the seconds at its values, both on logarithmic axes; a dotted line grows in proportion."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 3.0), layout="constrained")
    for (over, (values, seconds)), marker in zip(curves.items(), "os^Dv*", strict=False):
        relative = [value / values[0] for value in values]
        ax.loglog(relative, [second / seconds[0] for second in seconds], marker=marker, label=over, markersize=4)
    reach = max(values[-1] / values[0] for values, _ in curves.values())
    ax.loglog([1, reach], [1, reach], ":", color="black", linewidth=1, label="in proportion")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 4)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("size, in multiples of the first", fontsize=8)
    ax.set_ylabel("time, in multiples of the first", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7, frameon=False)
    return ax


def _ratio(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"
