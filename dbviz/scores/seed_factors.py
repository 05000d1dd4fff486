"""Which runs share their random seeds, so that intervals leave them out together and pairs of one seed are set apart.

A run has several streams of random numbers: initial weights, order, augmentation, label noise. Under `--optimizer` or
`--mode` two networks have runs of the same seeds, which share all of them, and agree more often than two runs drawn
independently. In a sweep over one stream's seed, runs share one stream and differ in another.

Streams whose seeds change together are one factor; a stream with the same seed in all runs is none. `nudge` and
`repeat` are left aside: they draw no random numbers of their own.
"""

import itertools
import json
import re
from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int64

from dbviz.scores.estimate import Factor
from dbviz.scores.label_arrays import check_label_maps

__all__ = ["run_factors", "seed_codes", "seed_factors", "seed_texts", "shared_seeds"]

_SEEDS = re.compile(r"(\d+)(?:\.(\d+)\.(\d+))?(?:-noise(\d+))?")
"""The text of `dbviz.spec.Seeds`, without nudge and repeat."""
_ASIDE = re.compile(r"-(?:nudge|repeat)\d+")


def seed_texts(maps: xr.Dataset) -> list[str]:
    """The seeds of each model as text; empty where they are not known.

    Raises:
        InputError: `maps` are no label maps.
    """
    check_label_maps(maps)
    if "seed" not in maps.coords:
        return [""] * maps.sizes["model"]
    unknown = json.loads(maps.attrs.get("default_seeds", "{}"))
    seeds = zip(np.atleast_1d(maps.model.values), np.atleast_1d(maps.seed.values), strict=True)
    return ["" if str(model) in unknown else str(seed) for model, seed in seeds]


def seed_codes(seeds: Sequence[str]) -> Int64[np.ndarray, "run factor"]:
    """The level of every run in every factor; runs share what has the same level.

    Seeds that are not known are shared with no other run. Where no seed varies all runs have one level.

    Args:
        seeds: of each run, as `dbviz.spec.Seeds` writes them, or any other text.

    Example:
        >>> seed_codes(["0", "1", "0-noise1", "1-noise1"]).tolist()  # two seeds crossed with two of label noise
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    columns: list[list[int]] = []
    for stream in zip(*_streams(seeds), strict=True):
        levels = list(dict.fromkeys(stream))
        codes = [levels.index(level) for level in stream]
        if len(levels) > 1 and codes not in columns:
            columns.append(codes)
    return np.array(columns or [[0] * len(seeds)], np.int64).T


def seed_factors(codes: Int64[np.ndarray, "run factor"], networks: Sequence[np.ndarray]) -> list[Factor]:
    """The runs that `jackknife_estimate` leaves out together.

    A factor whose levels several networks share is left out of all of them at once; otherwise each network's runs vary
    by themselves. A factor that does not vary within any network is held fixed. Where no seed varies at all, as in
    repeated trainings of one spec, every run is left out alone.

    Args:
        codes: from `seed_codes`.
        networks: the positions of each network's runs among the rows of `codes`.

    Example:
        >>> codes = seed_codes(["0", "1", "0", "1"])  # two networks of two seeds each
        >>> (factor,) = seed_factors(codes, [np.array([0, 1]), np.array([2, 3])])
        >>> [[indices.tolist() for indices in unit] for unit in factor]
        [[[0], [0]], [[1], [1]]]
    """
    if np.ptp(codes) == 0 and max(map(len, networks)) > 1:
        codes = np.arange(len(codes))[:, None]
    factors: list[Factor] = []
    for column in codes.T:
        levels = [column[runs] for runs in networks]
        for members in _sharing(levels):
            present = np.unique(np.concatenate([levels[network] for network in members]))
            fixed = len(present) < 2 and any(len(levels[network]) > 1 for network in members)
            if not fixed:
                factors.append([_unit(levels, members, int(level)) for level in present])
    return factors


def run_factors(seeds: Sequence[str]) -> list[Factor]:
    """`seed_factors` of the runs of one network.

    Example:
        >>> noise, init = run_factors(["0-noise0", "1.0.0-noise0", "0-noise1", "1.0.0-noise1"])[::-1]
        >>> [indices.tolist() for (indices,) in init], [indices.tolist() for (indices,) in noise]
        ([[0, 2], [1, 3]], [[0, 1], [2, 3]])
    """
    return seed_factors(seed_codes(seeds), [np.arange(len(seeds))])


def shared_seeds(
    codes: Int64[np.ndarray, "run factor"], runs_1: Int64[np.ndarray, " some"], runs_2: Int64[np.ndarray, " other"]
) -> tuple[Bool[np.ndarray, "some other"], Bool[np.ndarray, "some other"]]:
    """Which pairs of runs share no factor, and which share all of them.

    Example:
        >>> codes = seed_codes(["0", "1", "0-noise1", "1-noise1"])
        >>> different, same = shared_seeds(codes, np.arange(4), np.arange(4))
        >>> different.astype(int).tolist()
        [[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    """
    equal = codes[runs_1][:, None] == codes[runs_2][None]
    return ~equal.any(axis=2), equal.all(axis=2)


def _streams(seeds: Sequence[str]) -> list[tuple[str, ...]]:
    """Initial weights, order, augmentation and label noise of each run, or one text where they are not known."""
    texts = [_ASIDE.sub("", seed) or f"unknown {run}" for run, seed in enumerate(seeds)]
    matches = [_SEEDS.fullmatch(text) for text in texts]
    if not all(matches):
        return [(text,) for text in texts]
    parts = [match.groups() for match in matches if match]
    return [(init, order or init, augment or init, noise or "0") for init, order, augment, noise in parts]


def _sharing(levels: list[np.ndarray]) -> list[list[int]]:
    """The networks in groups, of which two share a level if and only if they are in one group or linked through it."""
    groups: list[list[int]] = []
    for network, own in enumerate(levels):
        linked = [group for group in groups if any(np.isin(own, levels[other]).any() for other in group)]
        groups = [group for group in groups if group not in linked] + [[*itertools.chain(*linked), network]]
    return groups


def _unit(levels: list[np.ndarray], members: list[int], level: int) -> tuple[np.ndarray, ...]:
    return tuple(
        np.flatnonzero(own == level) if network in members else np.arange(0) for network, own in enumerate(levels)
    )
