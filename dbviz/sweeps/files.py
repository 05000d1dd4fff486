"""Written sweeps, read back: a result can be drawn again in another size or style."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dbviz.core.errors import InputError
from dbviz.scores import Estimate
from dbviz.spec import LabelNoise, RunSpec
from dbviz.sweeps.curves import SCORES, Curve, Point

__all__ = ["load", "read_result"]

_TRAINING = ("train_error", "train_error_clean", "train_error_mislabelled")
_PLANES = ("fragmentation", "reproducibility")


def load(path: str | os.PathLike[str]) -> list[Curve]:
    """The curves of a sweep, from the JSON that `python -m dbviz.sweep` wrote; files of dbviz 0.1 are read too.

    The estimates have no variances. `dbviz.figures.plot_sweep(curves)` draws them.

    Raises:
        InputError: there is no such file, or it is no sweep.

    Example:
        >>> import tempfile
        >>> test_error = Estimate(value=0.5, low=0.4, high=0.6, items=10_000, item="test images", runs=(3,))
        >>> points = [{"x": 4.0, "runs": 3, "test_error": test_error.to_dict()}]
        >>> curve = {"name": "noise 0", "along": "width", "noise": None, "threshold": None, "points": points}
        >>> path = Path(tempfile.mkdtemp()) / "sweep.json"
        >>> _ = path.write_text(json.dumps({"curves": [curve]}))
        >>> load(path)[0].points[0].scores
        {'test_error': Estimate(0.50 [0.40, 0.60], 10,000 test images, 3 runs)}
    """
    result = read_result(path, "curves", "python -m dbviz.sweep")
    noises = list(dict.fromkeys(RunSpec.from_dict(spec).label_noise for spec in result.get("specs", {}).values()))
    return [_curve(fields, noises) for fields in result["curves"]]


def read_result(path: str | os.PathLike[str], key: str, command: str) -> dict[str, Any]:
    """The result in a JSON file that `command` wrote, recognised by its `key`.

    Raises:
        InputError: there is no such file, or it holds no such result.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is no file: give the JSON that `{command}` wrote")
    try:
        result = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is no JSON: give the file that `{command}` wrote") from error
    if not isinstance(result, dict) or key not in result:
        raise InputError(f"{path} holds no {key}: give the JSON that `{command}` wrote")
    return result


def _curve(fields: Mapping[str, Any], noises: Sequence[LabelNoise | None]) -> Curve:
    if "noise" in fields:
        noise = None if fields["noise"] is None else LabelNoise(**fields["noise"])
    else:
        noise = _noise_in(fields["name"], noises)
    return Curve(
        name=fields["name"],
        noise=noise,
        along=fields["along"],
        points=tuple(_point(point) for point in fields["points"]),
        threshold=fields["threshold"],
    )


def _point(fields: Mapping[str, Any]) -> Point:
    scores = {score: Estimate.from_dict(fields[score], item=_item(score)) for score in SCORES if score in fields}
    return Point(x=fields["x"], runs=fields["runs"], scores=scores)


def _item(score: str) -> str:
    """What the items of a score are; files of dbviz 0.1 do not say so."""
    return "planes" if score in _PLANES else "training images" if score in _TRAINING else "test images"


def _noise_in(name: str, noises: Sequence[LabelNoise | None]) -> LabelNoise | None:
    """The noise of a curve of dbviz 0.1: that of all runs, or the one in the curve's name."""
    if len(noises) == 1:
        return noises[0]
    words = {noise: re.escape(f"noise {0 if noise is None else noise}") for noise in noises}
    return next((noise for noise, word in words.items() if re.search(rf"{word}(?![\d.])", name)), None)
