"""The factorial design: what varies in which runs, and that runs shared by cells are trained once."""

from dataclasses import replace

import pytest

from dbviz.audits import SOURCES, STREAMS, sources_design
from dbviz.core.errors import InputError
from dbviz.spec import Recipe, RunSpec, Seeds

BASE = RunSpec(
    dataset="shapes", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1), seeds=replace(Seeds.all(10), noise=3)
)


@pytest.fixture
def design():
    return sources_design(BASE, runs=4)


def test_every_subset_of_the_streams_is_a_cell_and_each_perturbation(design):
    assert list(design.cells) == [
        ("init",),
        ("order",),
        ("augment",),
        ("init", "order"),
        ("init", "augment"),
        ("order", "augment"),
        ("init", "order", "augment"),
        ("nudge",),
        ("kernels",),
    ]
    assert all(len(set(runs)) == 4 for runs in design.cells.values())


def test_in_each_cell_exactly_its_sources_vary(design):
    for cell, runs in design.cells.items():
        for stream in STREAMS:
            seeds = [getattr(spec.seeds, stream) for spec in runs]
            assert seeds == ([10, 11, 12, 13] if stream in cell else [10] * 4)
        assert {spec.seeds.nudge for spec in runs} == ({None, 0, 1, 2} if cell == ("nudge",) else {None})
        assert [spec.seeds.repeat for spec in runs] == ([0, 1, 2, 3] if cell == ("kernels",) else [0] * 4)
        assert {spec.recipe.deterministic for spec in runs} == {cell != ("kernels",)}
        assert {replace(spec, seeds=BASE.seeds, recipe=BASE.recipe) for spec in runs} == {BASE}


def test_the_base_run_is_in_every_cell_but_the_one_of_other_kernels_and_once_among_the_specs(design):
    assert all((BASE in runs) == (cell != ("kernels",)) for cell, runs in design.cells.items())
    assert len(design.specs) == len(set(design.specs)) == 1 + 8 * 3 + 4
    assert len({spec.identity for spec in design.specs}) == len(design.specs)


def test_under_fast_kernels_the_base_run_is_in_that_cell_too():
    fast = replace(BASE, recipe=replace(BASE.recipe, deterministic=False))
    assert fast in sources_design(fast, ["kernels"], runs=3).cells["kernels",]


def test_positions_point_at_the_runs(design):
    for cell, positions in design.positions.items():
        assert [design.specs[position] for position in positions] == list(design.cells[cell])


def test_a_larger_design_contains_the_smaller_one(design):
    assert set(design.specs) < set(sources_design(BASE, runs=6).specs)


def test_chosen_sources_alone_vary():
    assert list(sources_design(BASE, ["augment", "init"]).cells) == [("init",), ("augment",), ("init", "augment")]
    assert SOURCES == ("init", "order", "augment", "nudge", "kernels")


CLOSED = Recipe(epochs=1, learning_rate=1.0, optimizer="least-squares", augmentation="none")


@pytest.mark.parametrize(
    ("sources", "runs", "message"),
    [
        (["init"], 1, "1 run of each cell has no spread: give at least two"),
        (["inits"], 2, "unknown source of randomness 'inits': did you mean 'init'"),
        (["init", "init"], 2, "each once"),
        ([], 2, "at least one of init"),
    ],
)
def test_invalid_designs_are_refused(sources, runs, message):
    with pytest.raises(InputError, match=message):
        sources_design(BASE, sources, runs=runs)


@pytest.mark.parametrize("sources", [SOURCES, ["init", "order"], ["nudge"]])
def test_a_closed_form_has_no_order(sources):
    with pytest.raises(InputError, match="vit is fitted in closed form, which only init affects"):
        sources_design(replace(BASE, recipe=CLOSED), sources)


def test_a_closed_form_has_an_init():
    assert len(sources_design(replace(BASE, recipe=CLOSED), ["init"], runs=3).specs) == 3
