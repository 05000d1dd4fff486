"""Does a student have its teacher's decision regions? Somepalli et al. 2022, Fig. 5.

Every teacher is the first seed of its architecture; each student is trained on the labels, and distilled from each
teacher with soft targets (temperature 30) and with hard ones. The table has the agreement of each with the teacher.

Paper:     A distilled student agrees with its teacher more than the same network trained on the labels does.
Hardware:  A CPU with `--preset quick`, a GPU with `standard` or `paper`.
Time:      Not measured yet.
Expected:  The paper's finding; no result of this script is in the repository.

    python experiments/paper/distillation.py --preset quick --arch fcnet resnet18 --seeds 0-2 --teachers resnet18 vit
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from dbviz.cli.console import run_command
from dbviz.cli.execution import train_runs
from dbviz.cli.job import make_job
from dbviz.cli.label_maps import sample_job
from dbviz.cli.options import ComparisonOptions, NetworkOptions, OutputOptions
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

    networks: NetworkOptions = NetworkOptions(arch=("fcnet", "vgg19", "resnet18"))
    teachers: tuple[str, ...] = ("resnet18", "vit")
    """Architectures of the teachers; the first seed of each teaches."""
    output: OutputOptions = OutputOptions(out=Path("experiments/results/distillation"), format="pdf")


def main(options: Options) -> None:
    out = output_directory(options.output.out)
    networks = replace(options.networks, arch=options.teachers, seeds=options.networks.seeds[:1])
    teaching = make_job(replace(options, networks=networks))
    teachers = dict(zip(options.teachers, train_runs(teaching), strict=False))
    planes = draw_planes(teaching.images.test, options.planes.triplets, seed=options.planes.triplet_seed)
    agreement: dict[str, dict[str, Estimate]] = {}
    for name, teacher in teachers.items():
        students = {mode: students_of(teacher, mode, options) for mode in _MODES}
        runs = [teacher, *(run for group in students.values() for run in group)]
        parts = ["distillation", name, teaching.images.name, teaching.preset, str(len(planes))]
        maps, _ = sample_job(teaching, runs, planes, out, parts)
        table = pair_table(maps.labels.values)
        position = {str(run): index for index, run in enumerate(maps.model.values)}
        for mode, group in students.items():
            for arch in options.networks.arch:
                of_arch = [run for run in group if run.spec.arch == arch and run.spec.identity != teacher.spec.identity]
                with_teacher = table[position[teacher.spec.name], [position[run.spec.name] for run in of_arch]]
                estimate = means_estimate(with_teacher, bounds=(0.0, 1.0))
                agreement.setdefault(f"{arch}, {mode}", {})[name] = estimate
    stem = out / f"distillation-{teaching.images.name}-{teaching.preset}-{len(planes)}"
    report(agreement, stem, options.output.format)


def students_of(teacher: Run, mode: Mode, options: Options) -> Sequence[Run]:
    """The students' runs in one mode of training."""
    name = None if mode == "plain" else teacher.spec.name
    return train_runs(make_job(replace(options, recipe=replace(options.recipe, mode=(mode,), teacher=name))))


def report(agreement: dict[str, dict[str, Estimate]], stem: Path, figure_format: str) -> None:
    """Prints and writes the agreement of each student (rows) with each teacher (columns)."""
    cells = {student: {name: str(e) for name, e in by_teacher.items()} for student, by_teacher in agreement.items()}
    frame = pd.DataFrame.from_dict(cells, orient="index")
    print_table("Agreement with the teacher, 95 % intervals", ["student", *frame.columns], frame_rows(frame))
    values = {
        student: {name: estimate_fields(estimate) for name, estimate in by_teacher.items()}
        for student, by_teacher in agreement.items()
    }
    numbers = write_result(Path(f"{stem}.json"), {"agreement_with_teacher": values})
    table = Path(f"{stem}.csv")
    atomic_write(table, frame.to_csv(index_label="student").encode())
    figure = draw(agreement, Path(f"{stem}.{figure_format}"))
    say_written([numbers, table, figure])


def draw(agreement: dict[str, dict[str, Estimate]], path: Path) -> Path:
    """A panel for each teacher: the agreement of each student with it."""
    import matplotlib.pyplot as plt

    from dbviz.figures import plot_estimates, save_figure

    teachers = list(next(iter(agreement.values())))
    size = (0.55 * len(agreement) * len(teachers) + 1.2, 3.2)
    figure, axes = plt.subplots(1, len(teachers), squeeze=False, sharey=True, figsize=size, layout="constrained")
    for teacher, ax in zip(teachers, np.ravel(axes), strict=True):
        by_student = {student: row[teacher] for student, row in agreement.items()}
        plot_estimates(by_student, ax=ax, label=f"agreement with {teacher}")
    return save_figure(figure, path)


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(run_command("python experiments/paper/distillation.py", Options, main))
