"""The exactness checks of one architecture."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dbviz.audits.machine.findings import Finding
from dbviz.audits.machine.label_checks import check_batch_sizes, check_fast_form, check_margins, check_refined
from dbviz.audits.machine.networks import AuditedNetwork
from dbviz.audits.machine.parts import Event, run_checks
from dbviz.audits.machine.training_checks import check_repeats, check_resumes
from dbviz.audits.machine.width_check import check_odd_widths

__all__ = ["CHECKS", "ArchitectureChecks"]

CHECKS: dict[str, Callable[[AuditedNetwork], Finding]] = {
    "repeats": check_repeats,
    "resumes, SGD": partial(check_resumes, optimizer="sgd"),
    "resumes, Adam": partial(check_resumes, optimizer="adam"),
    "fast form": check_fast_form,
    "refined map": check_refined,
    "batch sizes": check_batch_sizes,
    "margins": check_margins,
    "odd widths": check_odd_widths,
}
"""Every check by its name, in the order in which they are done."""
_TIME_SHARE = 0.5
"""A network that hangs leaves as much for the others."""


@dataclass(frozen=True, kw_only=True)
class ArchitectureChecks:
    """The checks of one network, as a part of an audit.

    Example:
        >>> import torch
        >>> from pathlib import Path
        >>> network = AuditedNetwork(arch="fcnet", width=16, device=torch.device("cpu"), home=Path("runs"))
        >>> ArchitectureChecks(network=network).name
        'fcnet'
    """

    network: AuditedNetwork

    @property
    def time_share(self) -> float:
        return _TIME_SHARE

    @property
    def name(self) -> str:
        return self.network.arch

    @property
    def checks(self) -> tuple[str, ...]:
        return tuple(CHECKS)

    def run(self, checks: Sequence[str]) -> Iterator[Event]:
        yield from run_checks({name: partial(CHECKS[name], self.network) for name in checks})

    def clean(self) -> None:
        """Deletes the runs that were trained."""
        shutil.rmtree(self.network.home, ignore_errors=True)
