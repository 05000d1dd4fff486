"""Does a student draw its teacher's regions? Somepalli et al. 2022, Fig. 5.

Their finding: a distilled student agrees with its teacher more than the same network trained on the labels does.
Every teacher is the first seed of its architecture; each student is trained on the labels, and distilled from each
teacher with soft targets (temperature 30) and with hard ones. The table gives the agreement of each with the teacher.

    python experiments/distillation.py --preset quick --arch fcnet resnet18 --seeds 0-2 --teachers resnet18 vit
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from dbviz.cli.comparison import sample_compared
from dbviz.cli.console import run_command
from dbviz.cli.job import fit_wanted, wanted
from dbviz.cli.options import ComparisonOptions
from dbviz.core.files import atomic_write
from dbviz.core.paths import output_directory
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say_written
from dbviz.planes import draw_planes
from dbviz.reports.tables import estimate_fields, frame_rows
from dbviz.runs import Run
from dbviz.scores import Estimate, means_estimate, pair_table
from dbviz.spec import Mode

_MODES: tuple[Mode, ...] = ("plain", "distil-soft", "distil-hard")


@dataclass(frozen=True, kw_only=True)
class Options(ComparisonOptions):
    """Trains students (--arch) from teachers and compares their decision regions."""

    arch: tuple[str, ...] = ("fcnet", "vgg19", "resnet18")
    teachers: tuple[str, ...] = ("resnet18", "vit")
    """Architectures of the teachers; the first seed of each teaches."""


def main(options: Options) -> None:
    out = output_directory(options.out)
    first = wanted(replace(options, arch=options.teachers, seeds=options.seeds[:1]))
    teachers = dict(zip(options.teachers, fit_wanted(first, options), strict=False))
    planes = draw_planes(first.images.test, options.triplets, seed=options.triplet_seed)
    found: dict[str, dict[str, Estimate]] = {}
    for name, teacher in teachers.items():
        students = {mode: students_of(teacher, mode, options) for mode in _MODES}
        runs = [teacher, *(run for group in students.values() for run in group)]
        maps, _ = sample_compared(["distillation", name], runs, planes, first, options)
        table = pair_table(maps.labels.values)
        at = {str(run): place for place, run in enumerate(maps.model.values)}
        for mode, group in students.items():
            for arch in options.arch:
                alike = [run for run in group if run.spec.arch == arch and run.spec.identity != teacher.spec.identity]
                with_teacher = table[at[teacher.spec.name], [at[run.spec.name] for run in alike]]
                found.setdefault(f"{arch}, {mode}", {})[name] = means_estimate(with_teacher, bounds=(0.0, 1.0))
    report(found, out / f"distillation-{first.images.name}-{first.preset}-{len(planes)}")


def students_of(teacher: Run, mode: Mode, options: Options) -> Sequence[Run]:
    """The students' runs in one mode of training."""
    asked = replace(options, mode=(mode,), teacher=None if mode == "plain" else teacher.spec.name)
    return fit_wanted(wanted(asked), asked)


def report(found: dict[str, dict[str, Estimate]], stem: Path) -> None:
    """Prints and writes the agreement of each student (rows) with each teacher (columns)."""
    cells = {student: {t: str(e) for t, e in by_teacher.items()} for student, by_teacher in found.items()}
    frame = pd.DataFrame.from_dict(cells, orient="index")
    print_table("Agreement with the teacher, 95 % intervals", ["student", *frame.columns], frame_rows(frame))
    values = {student: {t: estimate_fields(e) for t, e in row.items()} for student, row in found.items()}
    numbers = write_result(Path(f"{stem}.json"), {"agreement_with_teacher": values})
    table = Path(f"{stem}.csv")
    atomic_write(table, frame.to_csv(index_label="student").encode())
    figure = draw(found, Path(f"{stem}.pdf"))
    say_written([numbers, table, figure])


def draw(found: dict[str, dict[str, Estimate]], path: Path) -> Path:
    """A panel a teacher: each student's agreement with it."""
    import matplotlib.pyplot as plt

    from dbviz.figures import plot_estimates, save_figure

    teachers = list(next(iter(found.values())))
    size = (0.55 * len(found) * len(teachers) + 1.2, 3.2)
    figure, axes = plt.subplots(1, len(teachers), squeeze=False, sharey=True, figsize=size, layout="constrained")
    for teacher, ax in zip(teachers, np.ravel(axes), strict=True):
        by_student = {student: row[teacher] for student, row in found.items()}
        plot_estimates(by_student, ax=ax, label=f"agreement with {teacher}")
    return save_figure(figure, path)


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/distillation.py", Options, main))
