"""Audits of randomness: is a training deterministic, do definitions start from equal weights, does a loader depend on
its seed alone, and which source of randomness makes runs differ?"""

from dbviz.audits.determinism import DeterminismAudit, SettingEffect, determinism
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
    "SettingEffect",
    "Settings",
    "SourcesDesign",
    "audit_initialisation",
    "audit_loader",
    "determinism",
    "initial_fingerprint",
    "sources_design",
]
