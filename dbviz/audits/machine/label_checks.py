"""Are labels and margins those of plain fp32, however they are computed?"""

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dbviz.audits.machine.findings import Finding
from dbviz.audits.machine.networks import PADDING, AuditedNetwork
from dbviz.core.streams import numpy_stream
from dbviz.label_maps import sample
from dbviz.label_maps.calibration import calibrated
from dbviz.label_maps.labelling import Labels
from dbviz.label_maps.predictor import Predictor
from dbviz.margins import measure_margins
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.evaluation import eval_mode

__all__ = ["calibrated_predictor", "check_batch_sizes", "check_fast_form", "check_margins", "check_refined"]

_CALIBRATION_POINTS = 512
_BATCH_SIZES = (24, 1000)
"""Batches that divide no grid: fewer images than the device suits, and another number than a power of two."""
_TOLERANCE = 0.01
"""Of the bisection of margins."""


def check_fast_form(network: AuditedNetwork) -> Finding:
    """Compares the labels of the form that `sample` would choose, without what guards them, with plain fp32's."""
    predictor = calibrated_predictor(network)
    labels = network.label(predictor)
    wrong = _wrong(network, labels.labels)
    return Finding(passed=not wrong, detail=f"{_form(predictor, labels)}: {_differing(wrong, network)}")


def check_refined(network: AuditedNetwork) -> Finding:
    """Compares a refined map with the dense one."""
    maps = _sample(network, refine=True)
    wrong = _wrong(network, maps.labels.values)
    share = int(maps.evaluated.sum()) / maps.labels.size
    return Finding(passed=not wrong, detail=f"{share:.0%} of the points evaluated: {_differing(wrong, network)}")


def check_batch_sizes(network: AuditedNetwork) -> Finding:
    """Compares the labels of `sample` in batches of unusual sizes with those of the usual one."""
    wrong = {size: _wrong(network, _sample(network, batch_size=size).labels.values) for size in _BATCH_SIZES}
    details = [f"batches of {size:,}: {_differing(count, network)}" for size, count in wrong.items()]
    return Finding(passed=not any(wrong.values()), detail="; ".join(details))


def check_margins(network: AuditedNetwork) -> Finding:
    """Compares margins as they are measured by default with those of a function, always evaluated in plain fp32."""
    usual = _margins(network, network.model)
    plain = _margins(network, _as_function(network))
    same_crossings = bool((usual.crossed.values == plain.crossed.values).all())
    difference = float(np.abs(usual.margin.values - plain.margin.values).max())
    crossed = int(plain.crossed.sum())
    detail = (
        f"{usual.margin.size} half-lines, {crossed} with a change: margins differ by at most {difference:.2g} pixels"
    )
    if not same_crossings:
        detail += ", and changes are found along other half-lines"
    return Finding(passed=same_crossings and difference <= _TOLERANCE, detail=detail)


def calibrated_predictor(network: AuditedNetwork) -> Predictor:
    """The network in the form that labels its grid fastest, measured on points drawn from it."""
    plain, size = network.predictor, network.grid.planes * network.grid.points
    drawn = numpy_stream(0, "machine audit").integers(0, size, min(size, max(_CALIBRATION_POINTS, plain.batch)))
    with eval_mode(network.model), deterministic_algorithms(), full_precision():
        return calibrated(plain, network.grid.at(np.sort(drawn)), size)


def _sample(network: AuditedNetwork, *, refine: bool = False, batch_size: int | None = None) -> xr.Dataset:
    return sample(
        network.model,
        network.planes,
        resolution=network.scale.resolution,
        padding=PADDING,
        refine=refine,
        batch_size=batch_size,
        device=str(network.device),
    )


def _margins(network: AuditedNetwork, model) -> xr.Dataset:
    return measure_margins(
        {network.arch: model},
        network.images.test,
        indices=range(min(network.scale.margin_images, len(network.images.test))),
        directions=network.scale.margin_directions,
        tolerance=_TOLERANCE,
        device=str(network.device),
    )


def _as_function(network: AuditedNetwork):
    """The network as a function, of which no faster form is known."""
    model, device = network.model, network.device

    def forward(images: Tensor) -> Tensor:
        return model(images.to(device, memory_format=torch.channels_last))

    return forward


def _wrong(network: AuditedNetwork, labels: np.ndarray) -> int:
    return int((labels.reshape(-1) != network.plain_labels).sum())


def _differing(wrong: int, network: AuditedNetwork) -> str:
    count, classes = len(network.plain_labels), len(np.unique(network.plain_labels))
    return f"{wrong:,} of {count:,} labels differ from plain fp32's ({classes} classes)"


def _form(predictor: Predictor, labels: Labels) -> str:
    """The form, its bound, and the largest error seen, or that there is none."""
    fast = predictor.fast
    if fast is None:
        return "plain fp32 is fastest here"
    count = int(labels.reevaluated.sum())
    if not count:
        return f"{fast.how}, no point re-evaluated (bound {fast.error_bound:.2g})"
    exceeded = ", ABOVE its bound" if labels.error[0] > fast.error_bound else ""
    share = count / labels.evaluated.sum()
    return (
        f"{fast.how}, {share:.1%} re-evaluated, error there up to {labels.error[0]:.2g}{exceeded} "
        f"(bound {fast.error_bound:.2g})"
    )
