"""What a user can get wrong, said in one line."""

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["InputError", "NotFiniteError", "RunsFailed", "TrainingDiverged", "unknown_name"]


class InputError(ValueError):
    """Bad input: the message is one line that names the value, what was expected and the remedy.

    Commands print it and end with exit status 2; in Python it is an ordinary `ValueError`.
    """


class NotFiniteError(InputError):
    """A network's outputs are infinite or no number at some of the points it was asked about."""

    def __init__(self, name: str, places: Sequence[int], count: int, of: str = "points") -> None:
        """`places` among the `count` points that were asked about; `of` says which points these are."""
        share = len(places) / count
        super().__init__(f"{name} gives logits that are not finite at {share:.1%} of {count} {of}")
        self.name, self.places = name, places


class TrainingDiverged(RuntimeError):
    """The loss became infinite or no number. Commands print the message and end with exit status 1."""


class RunsFailed(RuntimeError):
    """Some of many runs could not be had. Commands print the message and end with exit status 1."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a `name` that is none of the `known` ones; it suggests the nearest.

    Example:
        >>> print(unknown_name("architecture", "resnet81", ["resnet18", "vit"]))
        unknown architecture 'resnet81': did you mean 'resnet18'? Known: resnet18, vit
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Known:" if near else "choose among"
    return InputError(f"unknown {kind} {name!r}: {hint} {', '.join(known)}")
