"""Audits: is a training the same twice, do two definitions begin with the same weights, does a loader obey its seed?"""

from dbviz.audits.determinism import DeterminismAudit, Varied, determinism
from dbviz.audits.initialisation import InitAudit, audit_initialisation, initial_fingerprint
from dbviz.audits.loader import LoaderAudit, LoaderFault, audit_loader
from dbviz.audits.settings import Settings
from dbviz.audits.trace import Difference

__all__ = [
    "DeterminismAudit",
    "Difference",
    "InitAudit",
    "LoaderAudit",
    "LoaderFault",
    "Settings",
    "Varied",
    "audit_initialisation",
    "audit_loader",
    "determinism",
    "initial_fingerprint",
]
