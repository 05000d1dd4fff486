"""Makes the small images of the documentation from the stored figures.

    python docs/small_images.py

PDFs are rendered by pdftoppm, of poppler-utils. Images that are no stored figure are made by the command that
docs/gallery.md gives, and reduced with

    python docs/small_images.py NAME=FILE.png ...
"""

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

RESULTS = Path(__file__).parents[1] / "experiments/results"
IMAGES = Path(__file__).parent / "images"

FIGURES = {
    "bench": "bench-sampling-resnet18-cpu.png",
    "matrix": "reproducibility_matrix-cifar10-quick-100-e0f0c388-matrix.pdf",
    "scores": "reproducibility_matrix-cifar10-quick-100-e0f0c388-scores.pdf",
    "planes": "reproducibility_matrix-cifar10-quick-100-e0f0c388-planes.pdf",
    "extremes": "reproducibility_matrix-cifar10-quick-100-e0f0c388-extremes-resnet18.pdf",
    "off_manifold": "off_manifold-cifar10-quick-10.png",
    "scan_epochs": "seed_scan-cifar10-fcnet-quick-bd935eb2-epochs.png",
    "scan_halves": "seed_scan-cifar10-fcnet-quick-bd935eb2-halves.png",
    "scan_histogram": "seed_scan-cifar10-fcnet-quick-bd935eb2-histogram.png",
    "scan_lengths": "seed_scan-cifar10-fcnet-quick-bd935eb2-lengths.png",
    "sources": "sources-cifar10-resnet18-quick-20-f1968ab1.png",
    "sweep": "cifar10-random_features-quick-2efa562b.png",
    "sweep_regions": "regions-random_features-quick-noise0.2.png",
}
"""The name of each small image, and the stored figure it is made from."""
_PIXELS = 900
"""Largest width; pages show images at half of that and more, so that they are sharp on every screen."""
_COLOURS = 160


def reduce(source: Path, target: Path) -> None:
    """Writes a small copy of a PNG or a one-page PDF as a PNG with a palette."""
    image = Image.open(io.BytesIO(_as_png(source))).convert("RGB")
    if image.width > _PIXELS:
        image = image.resize((_PIXELS, round(image.height * _PIXELS / image.width)), Image.Resampling.LANCZOS)
    palette = image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(target, optimize=True)


def _as_png(source: Path) -> bytes:
    if source.suffix != ".pdf":
        return source.read_bytes()
    command = ["pdftoppm", "-png", "-singlefile", "-scale-to-x", str(_PIXELS), "-scale-to-y", "-1", str(source)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def main() -> None:
    """Makes the images named as NAME=FILE, or all that come from stored figures."""
    named = dict(argument.split("=", 1) for argument in sys.argv[1:])
    stored = {} if named else {name: next(RESULTS.rglob(file)) for name, file in FIGURES.items()}
    for name, source in (stored | {name: Path(file) for name, file in named.items()}).items():
        target = IMAGES / f"{name}.png"
        reduce(source, target)
        print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
