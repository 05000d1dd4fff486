"""What commands say of results that are put side by side but were not computed alike."""

from collections.abc import Mapping

from dbviz.console import say
from dbviz.environment import Differences, describe_differences

__all__ = ["tell_differences"]


_DONE = {"trained": "trained", "computed": "sampled or measured"}


def tell_differences(found: Mapping[str, Differences]) -> None:
    """A line where models were trained in different environments, and one where what is there of them was computed so.

    `found` is what `dbviz.regions.environment_differences` gives. Nothing is said where all is alike.
    """
    for role, differences in found.items():
        if differences:
            said = describe_differences(differences, of="models")
            say(f"Note: {_DONE[role]} in different environments, which may change bits: {said}.")
