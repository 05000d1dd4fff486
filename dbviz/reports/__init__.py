"""Reports: scores as terminal tables, CSV, LaTeX and JSON, beside published values."""

from dbviz.reports.summary import write_summary
from dbviz.reports.tables import estimate_fields

__all__ = [
    "estimate_fields",
    "write_summary",
]
