"""What an audit of a machine reports: checks that pass or fail, and speeds beside their upper bounds."""

from dataclasses import dataclass

__all__ = ["Check", "Finding", "Speed", "Started"]

_TIMES = ("s", "ms")


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A measured speed or time, and the best that the machine could reach.

    Example:
        >>> Speed(what="step", value=4.0, unit="ms", bound=1.0).share
        0.25
    """

    what: str
    value: float
    unit: str
    """Of a rate, such as `points/s`, where more is better; or `s` or `ms`, where less is."""
    bound: float | None = None
    """The same in the best case, from the machine's measured upper bounds; None if the speed is such a bound itself."""

    @property
    def share(self) -> float | None:
        """How much of the upper bound is reached, in [0, 1] but for the noise of both measurements."""
        if not self.bound or not self.value:
            return None
        return self.bound / self.value if self.unit in _TIMES else self.value / self.bound


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check or measurement.

    Example:
        >>> Finding(passed=True, detail="0 of 4,096 labels differ").speeds
        ()
    """

    passed: bool
    detail: str
    """The evidence: what was compared, or what is wrong and where."""
    speeds: tuple[Speed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """A named finding, and how long it took.

    Example:
        >>> Check(name="margins", passed=False, detail="RuntimeError: CUDA error", seconds=1.0).passed
        False
    """

    name: str
    passed: bool
    detail: str
    seconds: float
    speeds: tuple[Speed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Started:
    """A check has started.

    Example:
        >>> Started(name="margins").name
        'margins'
    """

    name: str
