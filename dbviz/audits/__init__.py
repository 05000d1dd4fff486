"""Audits: what a training depends on besides its spec, and where the spread of runs comes from."""

from dbviz.audits.sources import PERTURBATIONS, SOURCES, STREAMS, SourcesDesign, sources_design

__all__ = ["PERTURBATIONS", "SOURCES", "STREAMS", "SourcesDesign", "sources_design"]
