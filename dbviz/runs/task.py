"""The training of single runs, as a task for an executor."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

from dbviz.data import Images, load_images
from dbviz.runs.fitting import fit_specs
from dbviz.spec import RunSpec
from dbviz.training import choose_device

__all__ = ["Training"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Trains a run where the store has none; it can be sent to another process or machine.

    Example:
        >>> from dbviz.executors import Pool, run_tasks  # doctest: +SKIP
        >>> run_tasks(dict.fromkeys(specs, 1.0), Training(dataset="cifar10", home=home), Pool(processes=2))
    """

    dataset: str
    home: Path
    """Where runs are kept; the processes of a cluster must share it."""
    data_dir: Path | None = None
    images: Images | None = field(default=None, compare=False, repr=False)
    """Images that have no name to be loaded by."""
    device: str = "auto"

    def __call__(self, spec: RunSpec) -> None:
        """Raises:
        TrainingDiverged: a loss is not finite.
        """
        only = {"seconds": {spec: 1.0}, "progress": False}
        fit_specs([spec], _images(self), device=choose_device(self.device), home=self.home, **only)


@functools.lru_cache(maxsize=1)
def _images(training: Training) -> Images:
    """The images, kept in memory for a process's next run."""
    return training.images or load_images(training.dataset, training.data_dir)
