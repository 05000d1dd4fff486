"""Double descent (Somepalli et al. 2022, Figs 6 and 10-12): error, fragments, reproducibility, margins against width.

What the paper has: resnet18k, k in 1-20, 30, 40, 50, 60, 64, Adam at 1e-4, 4,000 epochs, label noise 0 and .2. At 20 %
noise the test error peaks at k = 10, the interpolation threshold, where fragmentation peaks and reproducibility dips;
without noise there is a small peak of fragmentation near k = 7. Median margins rise from k = 10 on.

    quick     random features on 1,000 images, the convex model of the same effect: its peak stands at k = 1,000, and is
              there without noise too. About four minutes of one core.
    standard  resnet18k at every published width under this package's one-cycle recipe of 200 epochs, not the
              published 4,000: for a GPU. Not measured yet.
    paper     the published recipe.

Whatever is finished is found again: interrupt it, add seeds or widths, and give the command again.

    python experiments/double_descent.py --preset quick
    python experiments/double_descent.py --preset standard --executor ray --address auto --gpus-per-run 0.25
"""

import sys

from dbviz.cli.sweep import main

_NETWORK = {"quick": "random_features", "standard": "resnet18k", "paper": "resnet18k"}

if __name__ == "__main__":
    given = sys.argv[1:]
    preset = given[given.index("--preset") + 1] if "--preset" in given else "quick"
    chosen = [] if "--arch" in given else ["--arch", _NETWORK.get(preset, "random_features")]
    sys.exit(main(["--preset", preset, *chosen, "--out", "experiments/results/double_descent", *given]))
