"""Specs: the identity depends on the contents alone, however they were written; invalid contents are refused."""

import copy
import dataclasses
import json
import re
import subprocess
import sys
import types
import typing
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbviz.core.errors import InputError
from dbviz.spec import LabelNoise, Recipe, RunSpec, Seeds

SPEC = RunSpec(
    dataset="cifar10",
    arch="resnet18k",
    width=10,
    recipe=Recipe(epochs=3, learning_rate=0.25, optimizer="adam", clip_norm=1.5),
    seeds=Seeds(init=1, augment=2),
)
PARTS = {"": RunSpec, "recipe": Recipe, "seeds": Seeds}
"""The parts of a spec by the names of their fields."""

FIELDS = [
    pytest.param(part, f.name, id=f"{part}.{f.name}".lstrip("."))
    for part, cls in PARTS.items()
    for f in dataclasses.fields(cls)
    if f.name not in PARTS
]
"""Every single field of a spec as (part, name)."""


def changed(part: str, name: str, value: object) -> dict[str, Any]:
    """The fields of SPEC with one of them replaced, and those that this one requires."""
    fields = SPEC.to_dict()
    if name == "pretrained" and value is not None:
        fields["recipe"]["augmentation"] = "none"
    (fields[part] if part else fields)[name] = value
    return fields


def another(value: Any, hint: Any) -> Any:
    """A valid value of the annotated type that is not `value`."""
    if typing.get_origin(hint) is Literal:
        return next(choice for choice in typing.get_args(hint) if choice != value)
    if isinstance(hint, types.UnionType):
        hint = next(option for option in typing.get_args(hint) if option is not types.NoneType)
    if hint is LabelNoise:
        return {"kind": "symmetric", "rate": 0.2}
    return {bool: lambda v: not v, int: lambda v: (v or 0) + 7, float: lambda v: (v or 0.5) / 2 + 0.0625, str: str}[
        hint
    ](value if hint is not str else f"{value}x")


def with_another(part: str, name: str) -> RunSpec:
    hint = typing.get_type_hints(PARTS[part])[name]
    old = getattr(getattr(SPEC, part) if part else SPEC, name)
    fields = changed(part, name, another(old, hint))
    if name == "repeat":  # which goes with kernels that do not repeat
        fields["recipe"]["deterministic"] = False
    return RunSpec.from_dict(fields)


def in_a_fresh_python(code: str) -> str:
    """What `code` prints where annotations are not checked, as for a user."""
    prelude = "from dbviz.spec import Recipe, RunSpec, Seeds\n"
    done = subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_the_identity_of_a_spec_is_the_same_in_every_release():
    assert SPEC.canonical() == (
        '{"arch":"resnet18k","dataset":"cifar10",'
        '"recipe":{"clip_norm":1.5,"epochs":3,"learning_rate":0.25,"optimizer":"adam"},'
        '"seeds":{"augment":2,"init":1},"width":10}'
    )
    assert SPEC.identity == "2de204fd41551ae112587c16de616efcd7e39b6fa57ad30f4ebb912bc88f963c"


@given(st.randoms(use_true_random=False))
def test_the_identity_does_not_depend_on_the_order_of_the_fields(rng):
    def shuffled(fields: dict[str, Any]) -> dict[str, Any]:
        names = rng.sample(list(fields), len(fields))
        return {n: shuffled(fields[n]) if isinstance(fields[n], dict) else fields[n] for n in names}

    assert RunSpec.from_dict(shuffled(SPEC.to_dict())).identity == SPEC.identity


@pytest.mark.parametrize(
    ("part", "f"),
    [(p, f) for p, cls in PARTS.items() for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_writing_out_a_default_leaves_the_identity(part, f):
    name, written = f.name, changed(part, f.name, f.default)
    omitted = copy.deepcopy(written)
    del (omitted[part] if part else omitted)[name]
    assert RunSpec.from_dict(written).identity == RunSpec.from_dict(omitted).identity


def test_the_defaults_stay_what_they_were_when_runs_were_stored():
    frozen = {
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "batch_size": 128,
        "schedule": "one-cycle",
        "augmentation": "crop-flip",
        "label_smoothing": 0.0,
        "clip_norm": None,
        "precision": "fp32",
        "deterministic": True,
    }
    spec = RunSpec(dataset="shapes", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1)).to_dict()
    assert spec["recipe"] | frozen == spec["recipe"]
    unset = {
        "width": None,
        "definition": None,
        "train_size": None,
        "label_noise": None,
        "pretrained": None,
        "seeds": {"init": 0, "order": 0, "augment": 0, "nudge": None, "noise": 0, "repeat": 0},
    }
    assert spec | unset == spec


def test_leaving_out_all_seeds_means_seeds_of_zero():
    recipe = Recipe(epochs=1, learning_rate=0.1)
    bare = RunSpec(dataset="shapes", arch="vit", recipe=recipe)
    assert bare == RunSpec(dataset="shapes", arch="vit", recipe=recipe, seeds=Seeds(init=0, order=0, augment=0))
    assert "seeds" not in json.loads(bare.canonical())


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_the_identity_differs_if_any_field_does(part, name):
    changed_spec = with_another(part, name)
    assert changed_spec != SPEC
    assert changed_spec.identity != SPEC.identity
    assert changed_spec.name != SPEC.name


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_a_spec_survives_json(part, name):
    spec = with_another(part, name)
    assert RunSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay"])
def test_equal_specs_have_equal_identities_also_where_an_integer_was_written_for_a_float(name):
    whole, pointed = (
        in_a_fresh_python(f"""
fields = dict(epochs=1, learning_rate=0.5) | dict({name}={value})
print(RunSpec(dataset="d", arch="a", recipe=Recipe(**fields)).identity)""")
        for value in ("1", "1.0")
    )
    assert re.fullmatch("[0-9a-f]{64}", whole)
    assert whole == pointed
    assert (
        RunSpec.from_dict(changed("recipe", name, 1)).identity
        == RunSpec.from_dict(changed("recipe", name, 1.0)).identity
    )


def test_the_spec_needs_no_torch():
    assert in_a_fresh_python("import sys; print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize(
    ("seeds", "shown"),
    [
        (Seeds.all(3), "3"),
        (Seeds(), "0"),
        (Seeds(init=1, order=2, augment=3), "1.2.3"),
        (Seeds(order=1), "0.1.0"),
        (Seeds(augment=1), "0.0.1"),
        (Seeds(nudge=2, noise=4, repeat=5), "0-nudge2-noise4-repeat5"),
    ],
)
def test_seeds_are_shown_as_one_number_where_they_are_one(seeds, shown):
    assert str(seeds) == shown


def test_one_seed_for_every_stream():
    assert Seeds.all(3) == Seeds(init=3, order=3, augment=3)


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("", "width", 0, r"^width is 0: it must be a whole number of at least 1$"),
        ("", "width", "10", r"RunSpec\.width is '10': expected int \| None"),
        ("", "train_size", 0, r"^train_size is 0: it must be a whole number of at least 1$"),
        ("", "train_size", 2.5, r"RunSpec\.train_size is 2\.5"),
        ("", "arch", None, r"RunSpec\.arch is None"),
        ("", "dataset", 3, r"RunSpec\.dataset is 3"),
        ("", "recipe", [], r"^Recipe: expected a JSON object, got list$"),
        ("", "seeds", None, r"^Seeds: expected a JSON object, got NoneType$"),
        ("seeds", "init", -1, r"^seeds\.init is -1: it must be a whole number of at least 0$"),
        ("seeds", "order", -2, r"^seeds\.order is -2: "),
        ("seeds", "augment", -3, r"^seeds\.augment is -3: "),
        (
            "seeds",
            "repeat",
            1,
            r"^seeds\.repeat is 1: it must be 0 where recipe\.deterministic is set: .* bitwise identical$",
        ),
        ("seeds", "init", True, r"Seeds\.init is True"),
        ("seeds", "init", 1.0, r"Seeds\.init is 1\.0"),
        ("recipe", "epochs", 0, r"^recipe\.epochs is 0: it must be at least 1$"),
        ("recipe", "epochs", True, r"Recipe\.epochs is True"),
        ("recipe", "learning_rate", 0.0, r"^recipe\.learning_rate is 0\.0: it must be above 0$"),
        ("recipe", "learning_rate", float("nan"), r"^recipe\.learning_rate is nan"),
        ("recipe", "learning_rate", True, r"Recipe\.learning_rate is True"),
        ("recipe", "momentum", 1.0, r"^recipe\.momentum is 1\.0: it must be in \[0, 1\)$"),
        ("recipe", "momentum", -0.1, r"^recipe\.momentum is -0\.1"),
        ("recipe", "weight_decay", -0.1, r"^recipe\.weight_decay is -0\.1: it must be at least 0$"),
        ("recipe", "batch_size", 0, r"^recipe\.batch_size is 0: it must be at least 1$"),
        ("recipe", "label_smoothing", 1.0, r"^recipe\.label_smoothing is 1\.0: it must be in \[0, 1\)$"),
        ("recipe", "clip_norm", 0.0, r"^recipe\.clip_norm is 0\.0: it must be above 0$"),
        ("recipe", "optimizer", "sdg", r"Recipe\.optimizer is 'sdg': expected .*'sgd', 'adam'"),
        ("recipe", "optimizer", ["sgd"], r"Recipe\.optimizer is \['sgd'\]"),
        ("recipe", "deterministic", 1, r"Recipe\.deterministic is 1"),
    ],
)
def test_a_bad_value_is_refused_by_name(part, name, value, message):
    with pytest.raises(InputError, match=message):
        RunSpec.from_dict(changed(part, name, value))


@pytest.mark.parametrize(
    "name", [n for n, h in typing.get_type_hints(Recipe).items() if typing.get_origin(h) is Literal]
)
def test_an_invalid_choice_lists_the_valid_ones(name):
    message = in_a_fresh_python(f"Recipe(epochs=1, learning_rate=0.1, {name}='odd')")
    choices = ", ".join(typing.get_args(typing.get_type_hints(Recipe)[name]))
    assert message == f"dbviz.core.errors.InputError: recipe.{name} is 'odd': it must be one of {choices}"


@pytest.mark.parametrize("part", PARTS)
def test_a_field_from_a_newer_release_is_refused(part):
    message = rf"^{PARTS[part].__name__} has no field 'of_the_future': was it written by a newer dbviz\?$"
    with pytest.raises(InputError, match=message):
        RunSpec.from_dict(changed(part, "of_the_future", 0.01))


@pytest.mark.parametrize(("part", "name"), [("", "dataset"), ("", "arch"), ("", "recipe"), ("recipe", "epochs")])
def test_a_missing_field_is_named(part, name):
    fields = SPEC.to_dict()
    del (fields[part] if part else fields)[name]
    with pytest.raises(InputError, match=rf"^{PARTS[part].__name__}: .*missing.*'{name}'"):
        RunSpec.from_dict(fields)


@pytest.mark.parametrize("fields", [None, [], "spec", 3])
def test_what_is_no_json_object_is_refused(fields):
    message = in_a_fresh_python(f"RunSpec.from_dict({fields!r})")
    assert message == f"dbviz.core.errors.InputError: RunSpec: expected a JSON object, got {type(fields).__name__}"


def test_the_name_is_readable():
    assert SPEC.name == f"cifar10-resnet18k-w10-e3-s1.0.2-{SPEC.identity[:10]}"
    quick = dataclasses.replace(SPEC, dataset="shapes@0123", width=None, train_size=500, seeds=Seeds.all(4))
    assert quick.name == f"shapes-resnet18k-n500-e3-s4-{quick.identity[:10]}"


@pytest.mark.parametrize("arch", ["timm:x/y", "pkg.mod:Net", "../up:Net", "a b\\c:N*t?", "resnet18"])
@pytest.mark.parametrize("dataset", ["cifar10", "mine@0123456789ab", "my set/v2@0123456789ab", "../up@0123456789ab"])
def test_the_name_can_name_a_directory(dataset, arch):
    name = dataclasses.replace(SPEC, dataset=dataset, arch=arch).name
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name)


def test_names_differ_where_only_the_replaced_characters_do():
    assert dataclasses.replace(SPEC, arch="a.b:N").name != dataclasses.replace(SPEC, arch="a:b.N").name
