"""Exceptions whose message is one line for the user."""

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["DeviceOutOfMemory", "InputError", "NotFiniteError", "RunsFailed", "TrainingDiverged", "unknown_name"]


class InputError(ValueError):
    """Invalid input: the message is one line that names the value, what was expected and the remedy.

    Commands print it and exit with status 2; in Python it is an ordinary `ValueError`.

    Example:
        >>> from dbviz.data import shapes
        >>> try:
        ...     shapes(10, size=4)
        ... except InputError as error:
        ...     print(error)
        shapes: size is 4: it must be at least 8 pixels
    """


class NotFiniteError(InputError):
    """A network's outputs are infinite or NaN at some of the points where it was evaluated.

    Args:
        name: of the network.
        places: indices of these points among the `count` points.
        count: the number of points where it was evaluated.
        of: what the points are, for the message.

    Example:
        >>> print(NotFiniteError("resnet18", places=[3, 7], count=100))
        resnet18 gives logits that are not finite at 2.0% of 100 points
    """

    def __init__(self, name: str, places: Sequence[int], count: int, of: str = "points") -> None:
        share = len(places) / count
        super().__init__(f"{name} gives logits that are not finite at {share:.1%} of {count} {of}")
        self.name, self.places = name, places


class DeviceOutOfMemory(RuntimeError):
    """A GPU has too little memory, or other processes have taken it. Commands print the message and exit with status 2.

    Example:
        >>> issubclass(DeviceOutOfMemory, ValueError)  # another time there may be enough
        False
    """


class TrainingDiverged(RuntimeError):
    """The loss became infinite or NaN. Commands print the message and exit with status 1.

    Example:
        >>> issubclass(TrainingDiverged, ValueError)  # not invalid input
        False
    """


class RunsFailed(RuntimeError):
    """Some of many runs failed. Commands print the message and exit with status 1.

    Example:
        >>> issubclass(RunsFailed, ValueError)  # not invalid input
        False
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a `name` that is not among the `known` ones; it suggests the closest match.

    Args:
        kind: what the name stands for, such as `architecture`.
    Example:
        >>> print(unknown_name("architecture", "resnet81", ["resnet18", "vit"]))
        unknown architecture 'resnet81': did you mean 'resnet18'? Known: resnet18, vit
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Known:" if near else "choose among"
    return InputError(f"unknown {kind} {name!r}: {hint} {', '.join(known)}")
