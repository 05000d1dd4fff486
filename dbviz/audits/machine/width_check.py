"""Do networks of odd widths train, and is their fast form exact? cuDNN may have no kernel for a number of channels."""

import dataclasses
import math

from dbviz.audits.machine.findings import Finding
from dbviz.audits.machine.label_checks import calibrated_predictor
from dbviz.audits.machine.networks import AuditedNetwork
from dbviz.models import ARCHITECTURES

__all__ = ["ODD_WIDTHS", "check_odd_widths"]

ODD_WIDTHS = (1, 2, 3, 5)
"""Times the number that the architecture's widths are a multiple of."""
_IMAGES, _RESOLUTION = 64, 16


def check_odd_widths(network: AuditedNetwork) -> Finding:
    """Trains the architecture at each odd width for one epoch and labels a small grid in its fast form."""
    if network.arch not in ARCHITECTURES:
        return Finding(passed=True, detail="a network of your own, which has no width")
    widths = [factor * ARCHITECTURES[network.arch].multiple_of for factor in ODD_WIDTHS]
    faults = {width: _fault(network, width) for width in widths}
    wrong = [f"width {width}: {fault}" for width, fault in faults.items() if fault is not None]
    tried = f"widths {', '.join(map(str, widths))} train and are labelled exactly"
    return Finding(passed=not wrong, detail="; ".join(wrong) or tried)


def _fault(network: AuditedNetwork, width: int) -> str | None:
    """What is wrong at this width; None if nothing is."""
    scale = dataclasses.replace(network.scale, train_images=_IMAGES, resolution=_RESOLUTION, planes=1)
    narrow = dataclasses.replace(network, width=width, scale=scale, home=network.home / f"width-{width}")
    try:
        spec = narrow.spec(epochs=1)
        loss = narrow.trained(spec).epochs[-1].train_loss
        wrong = int((narrow.label(calibrated_predictor(narrow)).labels.reshape(-1) != narrow.plain_labels).sum())
    except Exception as error:  # such as "unable to find an engine to execute this computation"
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    return f"{wrong} of {len(narrow.plain_labels)} labels differ from plain fp32's" if wrong else None
