"""python -m dbviz.train: networks trained and kept, without a picture."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from dbviz.console import duration, output_directory, print_table, run_command, say
from dbviz.options import TrainingOptions

__all__ = ["TrainOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainingOptions):
    """Trains every architecture under every seed and keeps the runs.

    What is trained already is not trained again; what was interrupted goes on from its last epoch.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run_command("train", TrainOptions, _train, argv)


def _train(options: TrainOptions) -> None:
    seeds = options.run_seeds()

    from dbviz.announcement import announce
    from dbviz.images import load_images
    from dbviz.runs import default_preset, fit_specs, make_specs
    from dbviz.store import home_directory
    from dbviz.training import choose_device

    device = choose_device(options.device)
    preset = options.preset or default_preset(device)
    images = load_images(options.dataset, options.data_dir)
    specs = make_specs(options.arch, seeds, images=images, preset=preset, device=device, **options.changes())
    home = output_directory(home_directory(options.home))
    seconds = announce(specs, images, device, home, preset)
    runs = fit_specs(specs, images, device=device, home=home, seconds=seconds)
    rows = [
        [
            run.spec.arch,
            str(run.spec.seeds),
            f"{run.test_accuracy:.2%}",
            f"{run.epochs[-1].train_accuracy:.2%}",
            duration(run.seconds),
            f"{len(run.epochs) * len(images.train.first(run.spec.train_size)) / run.seconds:,.0f}",
        ]
        for run in runs
    ]
    columns = ["architecture", "seed", "test accuracy", "training accuracy", "time", "images/s"]
    print_table(f"{images.name}, preset {preset}", columns, rows)
    say("\n".join(["Runs:", *(f"  {run.directory}" for run in runs)]))


if __name__ == "__main__":
    sys.exit(main())
