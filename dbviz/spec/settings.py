"""Settings of torch and of the machine that are not part of a spec and may change the bits of its result."""

from typing import Literal

__all__ = ["Setting"]

Setting = Literal[
    "deterministic", "cudnn-benchmark", "tf32", "bf16", "compile", "threads", "evaluation-batch", "workers"
]
"""What is no part of a spec, or ought to be none, and may change the bits that it gives: see `dbviz.audits`."""
