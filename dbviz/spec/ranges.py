"""Whole numbers from words such as `3` and `0-4`, as commands take them."""

from collections.abc import Sequence

from dbviz.core.errors import InputError

__all__ = ["parse_counts", "parse_seeds"]


def parse_seeds(texts: Sequence[str]) -> list[int]:
    """Seeds from words such as `3` and `0-4`, in the order given.

    Raises:
        InputError: a word is neither, the bounds of a range are in the wrong order, or a seed is given twice.

    Example:
        >>> parse_seeds(("0-2", "7"))
        [0, 1, 2, 7]
    """
    seeds: list[int] = []
    for text in texts:
        first, dash, last = text.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"seed {text!r}: give whole numbers of at least 0, or ranges such as 0-4")
        if dash and int(last) < int(first):
            raise InputError(f"seeds {text!r} have their bounds in the wrong order: give the lower one first")
        seeds += range(int(first), int(last if dash else first) + 1)
    if not seeds:
        raise InputError("no seeds: give at least one")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds {' '.join(texts)} repeat one: give each once")
    return seeds


def parse_counts(texts: Sequence[str], what: str) -> tuple[int, ...]:
    """Whole numbers of at least 1 from words such as `30` and `1-20`, in the order given.

    Args:
        what: is counted, for errors.

    Raises:
        InputError: a word is neither, the bounds of a range are in the wrong order, or a number is given twice.

    Example:
        >>> parse_counts(["1-3", "30"], "width")
        (1, 2, 3, 30)
    """
    numbers: list[int] = []
    for text in texts:
        first, dash, last = text.partition("-")
        if not first.isdecimal() or int(first) < 1 or (dash and not last.isdecimal()):
            raise InputError(f"{what} {text!r}: give whole numbers of at least 1, or ranges such as 1-20")
        if dash and int(last) < int(first):
            raise InputError(f"{what} {text!r} has its bounds in the wrong order: give the lower one first")
        numbers += range(int(first), int(last if dash else first) + 1)
    if repeated := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise InputError(f"{what} {repeated[0]} is given twice: give each once")
    return tuple(numbers)
