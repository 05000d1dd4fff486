"""Reports: scores, sweeps, seed scans and audits as rows of a table, CSV, LaTeX and JSON, beside published values."""

from dbviz.reports.published import published, published_spread
from dbviz.reports.seed_scan import load_scans, scan_csv, scan_fields, scan_latex, scan_rows
from dbviz.reports.summary import summary_fields, summary_rows, write_summary
from dbviz.reports.sweep import sweep_csv, sweep_fields, sweep_latex, sweep_rows
from dbviz.reports.tables import estimate_fields, matrix_csv, matrix_latex, scores_csv, scores_latex

__all__ = [
    "estimate_fields",
    "load_scans",
    "matrix_csv",
    "matrix_latex",
    "published",
    "published_spread",
    "scan_csv",
    "scan_fields",
    "scan_latex",
    "scan_rows",
    "scores_csv",
    "scores_latex",
    "summary_fields",
    "summary_rows",
    "sweep_csv",
    "sweep_fields",
    "sweep_latex",
    "sweep_rows",
    "write_summary",
]
