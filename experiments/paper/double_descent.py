"""Double descent: Somepalli et al. 2022, Figs. 6 and 10-12.

Test error, fragments of a plane, reproducibility and median margins against width. Three presets:

    quick     random features on 1,000 images, the convex model of the same effect: it peaks at k = 1,000 features, also
              without label noise.
    standard  resnet18k at every published width under this package's one-cycle recipe of 200 epochs, not the published
              4,000: for a GPU.
    paper     the published recipe.

Finished runs are loaded: after an interruption, or with more seeds or widths, only the missing runs are trained.

Paper:     resnet18k, k in 1-20, 30, 40, 50, 60, 64, Adam at 1e-4, 4,000 epochs, label noise 0 and .2. At 20 % noise the
           test error peaks at k = 10, the interpolation threshold, where fragmentation peaks and reproducibility is
           lowest; without noise there is a small peak of fragmentation near k = 7. Median margins rise from k = 10 on.
Hardware:  AMD EPYC, 2 cores, no GPU.
Time:      `quick`: 2 min 29 s for 100 runs on two cores; about four minutes of one core.
Result:    `quick`, five seeds, twelve planes: test error peaks at 0.896 at k = 1,000 with and without noise; fragments
           peak at 9.0 (k = 900) and 9.4 (k = 1,000, 20 % noise) of 6.2 to 6.5 at both ends; reproducibility falls from
           0.38 to 0.12 and rises to 0.48 at k = 4,000. `standard` and `paper` are not measured.
Files:     experiments/results/double_descent/

    python experiments/paper/double_descent.py --preset quick
    python experiments/paper/double_descent.py --preset standard --executor ray --address auto --gpus-per-run 0.25
"""

import sys

from dbviz.cli.sweep import main

_NETWORK = {"quick": "random_features", "standard": "resnet18k", "paper": "resnet18k"}

if __name__ == "__main__":
    arguments = sys.argv[1:]
    preset = arguments[arguments.index("--preset") + 1] if "--preset" in arguments[:-1] else "quick"
    network = [] if "--arch" in arguments else ["--arch", _NETWORK.get(preset, "random_features")]
    sys.exit(main(["--preset", preset, *network, "--out", "experiments/results/double_descent", *arguments]))
