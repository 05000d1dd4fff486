"""The training of single runs, as a task for an executor."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

from dbviz.core.progress import report_share
from dbviz.data import Images, load_images
from dbviz.runs.training_run import train_run
from dbviz.spec import RunSpec
from dbviz.training import choose_device

__all__ = ["Training"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Trains the run of a spec if it is not in the store; the task can be sent to another process or machine.

    Example:
        >>> import tempfile
        >>> from dbviz.data import shapes
        >>> from dbviz.executors import InProcess, run_tasks
        >>> from dbviz.spec import Recipe
        >>> images = Images(train=shapes(32), test=shapes(8, split="test"))
        >>> spec = RunSpec(dataset="shapes", arch="fcnet", width=16, recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> with tempfile.TemporaryDirectory() as home:
        ...     task = Training(dataset="shapes", images=images, home=Path(home), device="cpu")
        ...     failures = run_tasks({spec: 1.0}, task, InProcess(), progress=False)
        >>> failures
        []
    """

    dataset: str
    """A name that `dbviz.load_images` knows."""
    home: Path
    """The directory of the runs, which the machines of a cluster must share."""
    data_dir: Path | None = None
    images: Images | None = field(default=None, compare=False, repr=False)
    """Images that cannot be loaded by a name."""
    device: str = "auto"
    threads: int | None = None
    """torch's threads, instead of those with which a run was started or, if it is new, those of the executor."""

    def __call__(self, spec: RunSpec) -> None:
        """Trains the run.

        Raises:
            InputError: the run cannot be trained.
            TrainingDiverged: a loss is not finite.
        """
        images, seen = _images(self), 0
        total = spec.recipe.epochs * len(images.train.first(spec.train_size))

        def on_batch(count: int) -> None:
            nonlocal seen
            seen += count
            report_share(seen / total)

        device = choose_device(self.device)
        train_run(spec, images, device=device, home=self.home, threads=self.threads, on_batch=on_batch)


@functools.lru_cache(maxsize=1)
def _images(training: Training) -> Images:
    """The images, cached in memory for a process's next run."""
    return training.images or load_images(training.dataset, training.data_dir)
