"""Settings of torch and of the machine that are not part of a spec and can change the bits of its result."""

from typing import Literal

__all__ = ["Setting"]

Setting = Literal[
    "deterministic", "cudnn-benchmark", "tf32", "bf16", "compile", "threads", "evaluation-batch", "workers"
]
"""A setting that is not part of a spec, or that should not change its result: `dbviz.audits` tests each."""
