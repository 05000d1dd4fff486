"""Names of devices, checked without importing torch."""

import re

from dbviz.core.errors import InputError, unknown_name

__all__ = ["check_device_name"]

_UNTESTED = ("hpu", "mps", "mtia", "xla", "xpu")
"""Devices of torch on which dbviz has never run."""


def check_device_name(name: str) -> None:
    """Refuses a device that dbviz does not compute on.

    Raises:
        InputError: the name is none of auto, cpu, cuda and cuda:N.

    Example:
        >>> check_device_name("cuda:1")
        >>> check_device_name("mps")
        Traceback (most recent call last):
        dbviz.core.errors.InputError: device 'mps' is not supported: dbviz was never tested on mps; use --device cpu
    """
    kind = name.partition(":")[0]
    if kind in _UNTESTED:
        raise InputError(f"device {name!r} is not supported: dbviz was never tested on {kind}; use --device cpu")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise unknown_name("device", name, ["auto", "cpu", "cuda", "cuda:N"])
