"""Audits: is a training the same twice, do definitions begin alike, does a loader obey its seed, what spreads runs?"""

from dbviz.audits.determinism import DeterminismAudit, Varied, determinism
from dbviz.audits.initialisation import InitAudit, audit_initialisation, initial_fingerprint
from dbviz.audits.loaders import LoaderAudit, LoaderFault, audit_loader
from dbviz.audits.recording import Difference
from dbviz.audits.settings import Settings
from dbviz.audits.sources import PERTURBATIONS, SOURCES, STREAMS, SourcesDesign, sources_design

__all__ = [
    "PERTURBATIONS",
    "SOURCES",
    "STREAMS",
    "DeterminismAudit",
    "Difference",
    "InitAudit",
    "LoaderAudit",
    "LoaderFault",
    "Settings",
    "SourcesDesign",
    "Varied",
    "audit_initialisation",
    "audit_loader",
    "determinism",
    "initial_fingerprint",
    "sources_design",
]
