"""Label noise: wrong labels on some training images."""

import typing
from dataclasses import dataclass
from typing import Literal

from dbviz.spec.fields import require, short_repr

__all__ = ["LabelNoise", "NoiseKind"]

NoiseKind = Literal["symmetric", "asymmetric", "file"]


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """Wrong labels on some training images; which ones is drawn from the noise stream.

    Example:
        >>> LabelNoise(rate=0.2), str(LabelNoise(kind="asymmetric", rate=0.4))
        (LabelNoise(rate=0.2), 'asymmetric 0.4')
    """

    kind: NoiseKind = "symmetric"
    """symmetric: a uniformly chosen wrong label; asymmetric: a fixed wrong label for some classes (`ASYMMETRIC` in
    `dbviz.data.label_noise`); file: labels read from a file."""
    rate: float | None = None
    """Share of the images of each class (asymmetric: of each class that has a pair), in (0, 1); None for a file."""
    labels: str | None = None
    """Digest of a file's labels, under which the runs directory stores them; None for the other kinds."""

    def __post_init__(self) -> None:
        require(self.kind in typing.get_args(NoiseKind), "label_noise.kind", self.kind, "symmetric, asymmetric, file")
        if self.kind == "file":
            require(self.rate is None, "label_noise.rate", self.rate, "left out for a file")
            require(self.labels is not None, "label_noise.labels", self.labels, "the digest of a file's labels")
        else:
            in_range = self.rate is not None and 0 < self.rate < 1
            require(in_range, "label_noise.rate", self.rate, "in (0, 1); leave the noise out for none")
            require(self.labels is None, "label_noise.labels", self.labels, f"left out for {self.kind} noise")

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        if self.rate is None:
            return f"file {(self.labels or '')[:6]}"
        return f"{self.rate:g}" if self.kind == "symmetric" else f"{self.kind} {self.rate:g}"
