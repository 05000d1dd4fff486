"""Operations that torch itself calls nondeterministic.

The table follows the documentation of `torch.use_deterministic_algorithms` in torch 2.15: "the following
normally-nondeterministic operations will act deterministically when mode=True" and "... will throw a RuntimeError when
mode=True". On a CPU torch does not warn of what an operation would do on a GPU, so names are looked up here. The
documentation lists `NLLLoss`, which is part of the cross-entropy; only its form for images of labels, `nll_loss2d`,
raises an error.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dbviz.audits.recording import Event

__all__ = ["DOCUMENTED", "Documented", "NondeterministicOperation", "nondeterministic_operations"]


@dataclass(frozen=True)
class Documented:
    """The documented behaviour of an operation."""

    when: str
    """The circumstances under which it is nondeterministic."""
    then: Literal["deterministic", "error"]
    """What it does under deterministic algorithms."""


@dataclass(frozen=True, kw_only=True)
class NondeterministicOperation:
    """A nondeterministic operation that a training used."""

    operation: str
    where: tuple[str, ...]
    """The modules and passes in which it ran."""
    documented: Documented | None
    """None if torch does not document it but warned when it ran."""


_CUDA, _BACKWARD = "on CUDA", "differentiated on CUDA"
_EITHER = "on CPU or CUDA"


def _all(names: str, when: str, then: Literal["deterministic", "error"]) -> dict[str, Documented]:
    return {name: Documented(when, then) for name in names.split()}


DOCUMENTED: dict[str, Documented] = {
    **_all("convolution convolution_overrideable convolution_backward", _CUDA, "deterministic"),
    **_all("replication_pad1d_backward replication_pad2d_backward", _BACKWARD, "deterministic"),
    **_all("replication_pad3d_backward max_pool3d_with_indices_backward", _BACKWARD, "deterministic"),
    **_all("embedding_dense_backward", _BACKWARD, "deterministic"),
    **_all("cumsum cumsum_", "on CUDA, of floating point numbers", "deterministic"),
    **_all("index_put index_put_ _unsafe_index_put _index_put_impl_", _EITHER, "deterministic"),
    **_all("index_copy index_copy_", _EITHER, "deterministic"),
    **_all("scatter_add scatter_add_ index_add index_add_ scatter scatter_", _CUDA, "deterministic"),
    **_all("avg_pool3d_backward _adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward", _BACKWARD, "error"),
    **_all("adaptive_max_pool2d_backward fractional_max_pool2d_backward", _BACKWARD, "error"),
    **_all("fractional_max_pool3d_backward", _BACKWARD, "error"),
    **_all("max_unpool2d max_unpool3d", "everywhere", "error"),
    **_all("upsample_linear1d_backward upsample_bilinear2d_backward", _BACKWARD, "error"),
    **_all("_upsample_bilinear2d_aa_backward upsample_bicubic2d_backward", _BACKWARD, "error"),
    **_all("upsample_trilinear3d_backward", _BACKWARD, "error"),
    **_all("reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward", _BACKWARD, "error"),
    **_all("nll_loss2d_forward", _CUDA, "error"),
    **_all("_ctc_loss_backward", _BACKWARD, "error"),
    **_all("_embedding_bag_dense_backward", "differentiated on CUDA with mode='max'", "error"),
    **_all("put put_", "on CUDA, or without accumulate", "error"),
    **_all("histc", _CUDA, "error"),
    **_all("bincount", "on CUDA with weights", "error"),
    **_all("median nanmedian", "on CUDA, with indices", "error"),
    **_all("grid_sampler_2d_backward grid_sampler_3d_backward", _BACKWARD, "error"),
    **_all("scatter_reduce scatter_reduce_", _CUDA, "error"),
}
"""By the name of the operation in `torch.ops.aten`."""


def nondeterministic_operations(
    trace: Sequence[Event], warned: Iterable[str] = ()
) -> tuple[NondeterministicOperation, ...]:
    """The operations of a trace that torch documents as nondeterministic, and those of which it `warned`."""
    modules: dict[str, list[str]] = {}
    for event in trace:
        if event.kind == "operation" and _short(event.what) in DOCUMENTED:
            modules.setdefault(event.what, []).append(event.where)
    documented = [
        NondeterministicOperation(
            operation=name, where=tuple(dict.fromkeys(where)), documented=DOCUMENTED[_short(name)]
        )
        for name, where in modules.items()
    ]
    undocumented = [
        NondeterministicOperation(operation=name, where=(), documented=None) for name in dict.fromkeys(warned)
    ]
    return (*documented, *undocumented)


def _short(name: str) -> str:
    """`aten.convolution.default` -> `convolution`."""
    return name.split(".")[1] if re.match(r"aten\.\w", name) else ""
