"""Reports: scores, sweeps, seed scans and audits as rows of a table, CSV, LaTeX and JSON, beside published values.

`load_summary`, `load_scans` and `load_sources` read a written result back, as `dbviz.sweeps.load` reads a sweep.
"""

from dbviz.reports.determinism import determinism_csv, determinism_fields, determinism_latex, determinism_rows
from dbviz.reports.published import published, published_spread
from dbviz.reports.seed_scan import load_scans, scan_csv, scan_fields, scan_latex, scan_rows
from dbviz.reports.sources import load_sources, sources_csv, sources_fields, sources_latex, sources_rows
from dbviz.reports.summary import load_summary, summary_fields, summary_rows, write_summary
from dbviz.reports.sweep import sweep_csv, sweep_fields, sweep_latex, sweep_rows
from dbviz.reports.tables import estimate_fields, matrix_csv, matrix_latex, scores_csv, scores_latex

__all__ = [
    "determinism_csv",
    "determinism_fields",
    "determinism_latex",
    "determinism_rows",
    "estimate_fields",
    "load_scans",
    "load_sources",
    "load_summary",
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
    "sources_csv",
    "sources_fields",
    "sources_latex",
    "sources_rows",
    "summary_fields",
    "summary_rows",
    "sweep_csv",
    "sweep_fields",
    "sweep_latex",
    "sweep_rows",
    "write_summary",
]
