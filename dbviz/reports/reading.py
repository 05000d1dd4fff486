"""Estimates read back from the JSON of a result, also of dbviz 0.1."""

from collections.abc import Mapping
from typing import Any

from dbviz.scores import Estimate

__all__ = ["read_estimates"]

_ITEMS = {
    "test accuracy": "groups of test images",
    "churn": "groups of test images",
    "divergence": "groups of test images",
    "predictions": "groups of test images",
    "sd of test accuracy, %": "test images",
    "median margin, all images": "images",
    "median margin, correctly classified": "images",
}
"""What dbviz 0.1 counted for a score; planes for all others. It did not write it into its files."""


def read_estimates(score: str, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    """The estimates of one score, by the name of the network, cell or source."""
    return {name: Estimate.from_dict(values, item=_ITEMS.get(score, "planes")) for name, values in fields.items()}
