"""What is no stack of label maps is refused with a remedy, by every score of label maps."""

from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from helpers import maps_of, spec

from dbviz import scores
from dbviz.core.errors import InputError
from dbviz.figures import RegionDisplay
from dbviz.label_maps import from_array

LABELS = np.random.default_rng(0).integers(0, 3, (2, 3, 5, 5)).astype(np.uint8)
MAPS = maps_of([spec(seed=0), spec(seed=1)], LABELS)
SCORES = [
    scores.reproducibility,
    scores.reproducibility_matrix,
    scores.chance_corrected,
    scores.jaccard_index,
    scores.instability_floor,
    scores.plane_agreement,
    scores.fragmentation,
    scores.convergence,
    scores.summarise,
    scores.networks,
    scores.runs_by_network,
    scores.nudged_mask,
]


@pytest.fixture
def _unchecked_annotations() -> Iterator[None]:
    """Without the test suite's run-time type checks, which would complain first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("_unchecked_annotations")
@pytest.mark.parametrize("score", [*SCORES, RegionDisplay.from_maps], ids=lambda score: score.__name__)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LABELS, r"expected label maps.*got ndarray of shape \(2, 3, 5, 5\).*dbviz\.label_maps\.from_array\(labels"),
        (MAPS.labels, r"got DataArray of shape \(2, 3, 5, 5\).*dbviz\.sample"),
        ([MAPS], "got list: "),
        (Path("maps.nc"), r"got the path maps\.nc: read the file with dbviz\.label_maps\.load"),
    ],
)
def test_what_is_no_dataset_is_refused_with_a_remedy(score, given, message):
    with pytest.raises(InputError, match=message):
        score(given)


OF_STACKS = [score for score in SCORES if score.__name__ not in ("networks", "runs_by_network", "nudged_mask")]


@pytest.mark.parametrize("score", OF_STACKS, ids=lambda score: score.__name__)
def test_a_single_plane_is_refused(score):
    with pytest.raises(InputError, match=r"dimensions model, row, column, but scores need.*isel\(plane=\[0, 1\]\)"):
        score(MAPS.sel(plane=0))


def test_a_dataset_without_labels_is_refused():
    with pytest.raises(InputError, match="no variable `labels`"):
        scores.reproducibility(MAPS.drop_vars("labels"))


@pytest.mark.parametrize("maps", [MAPS.drop_vars("anchors"), from_array(LABELS)], ids=["no anchors", "unknown"])
def test_the_triangle_of_unknown_images_is_refused_and_left_out_of_a_summary(maps):
    with pytest.raises(InputError, match="where the three images are"):
        scores.reproducibility(maps, inside=True)
    summary, full = scores.summarise(maps), scores.summarise(MAPS)
    assert list(summary.scores) == [score for score in full.scores if score != "inside the triangle"]
    (estimate,), (expected,) = (s.scores["reproducibility"].values() for s in (summary, full))
    assert estimate == expected


@pytest.mark.parametrize("inside", [False, True])
def test_the_order_of_dimensions_does_not_matter(inside):
    turned = MAPS.transpose("column", "corner", "row", "plane", "axis", "model")
    assert scores.reproducibility(turned, inside=inside) == scores.reproducibility(MAPS, inside=inside)


def test_labels_beyond_256_classes_are_scored():
    wide = MAPS.assign(labels=MAPS.labels.astype(np.uint16) + 300)
    for score in (scores.reproducibility, scores.chance_corrected, scores.jaccard_index, scores.fragmentation):
        assert score(wide) == score(MAPS)
    first, second = wide.labels.values[:, 0]
    assert scores.kappa(first, second) == pytest.approx(scores.kappa(*LABELS[:, 0]))
