"""Building by name: registered networks, those of timm and users' own, and errors for the others."""

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from dbviz.core.errors import InputError
from dbviz.models import ARCHITECTURES, build, definition_of
from dbviz.models.build import arch_name, construct
from dbviz.training.presets import PRESETS

OWN = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(12, 10)

        def forward(self, x):
            return self.head(x.flatten(1))

        class Inner(nn.Identity):
            pass


    class Sized(nn.Sequential):
        def __init__(self, num_classes):
            super().__init__(nn.Flatten(), nn.Linear(12, num_classes))


    class Deep(Net):
        def __init__(self, depth, width=3):
            super().__init__()


    def made(num_classes=3, *args, **kwargs):
        return Sized(num_classes)


    def nothing():
        return "no network"


    number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes a package `ownnets.py` in the working folder; its modules are removed from sys.modules afterwards."""
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source: str) -> None:
        sys.modules.pop("ownnets", None)
        (tmp_path / "ownnets.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()

    write(OWN)
    yield write
    sys.modules.pop("ownnets", None)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_registered_name_is_built_in_training_mode_on_the_cpu(name):
    width = 4 * ARCHITECTURES[name].multiple_of
    module = build(name, 3, width)
    assert module.training
    assert {p.device.type for p in module.parameters()} == {"cpu"}
    made = construct(name, 3, width, (3, 32, 32))
    assert {n: p.shape for n, p in made.named_parameters()} == {n: p.shape for n, p in module.named_parameters()}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_architecture_has_a_preset(preset):
    assert set(PRESETS[preset]) == set(ARCHITECTURES)
    for name, chosen in PRESETS[preset].items():
        with torch.device("meta"):
            ARCHITECTURES[name].build(10, chosen.width, (3, 32, 32))  # refuses a width that is not available


@pytest.mark.parametrize(("name", "nearest"), [("resnet81", "resnet18"), ("VIT", None), ("wideresnet", "wideresnet28")])
def test_an_unknown_name_suggests_the_closest(name, nearest):
    with pytest.raises(InputError) as caught:
        build(name)
    message = str(caught.value)
    assert message.startswith(f"unknown architecture '{name}': ")
    assert message.endswith("timm:NAME, torchvision:NAME, package.module:Factory")
    assert all(known in message for known in ARCHITECTURES)
    if nearest:
        assert f"did you mean '{nearest}" in message


@pytest.mark.usefixtures("own")
def test_a_class_from_a_file_in_the_working_folder_is_built_and_seeded():
    first, repeated, different = (build("ownnets:Net", seed=s) for s in (1, 1, 2))
    assert type(first).__name__ == "Net"
    assert first(torch.zeros(2, 3, 2, 2)).shape == (2, 10)
    weights = [m.get_parameter("head.weight") for m in (first, repeated, different)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("factory", ["Sized", "made"])
def test_a_factory_that_takes_the_number_of_classes_is_given_it(factory):
    assert build(f"ownnets:{factory}", 6)(torch.zeros(2, 3, 2, 2)).shape == (2, 6)


@pytest.mark.usefixtures("own")
def test_a_factory_inside_a_class_is_imported_by_its_qualified_name():
    assert type(build("ownnets:Net.Inner")).__qualname__ == "Net.Inner"


@pytest.mark.usefixtures("own")
def test_the_name_of_a_factory_imports_it():
    factory = type(build("ownnets:Net"))
    assert arch_name(factory) == "ownnets:Net"
    assert type(build(arch_name(factory))) is factory
    assert arch_name(nn.MultiheadAttention) == "torch.nn.modules.activation:MultiheadAttention"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ownnets:Deep", "architecture 'ownnets:Deep' needs the argument 'depth': give a function without arguments"),
        ("ownnets:number", "architecture 'ownnets:number' is a int: give a class or function that makes the network"),
        ("ownnets:nothing", "architecture 'ownnets:nothing' made a str: it must make a torch.nn.Module"),
        ("ownnets:Absent", "architecture 'ownnets:Absent' cannot be imported (module 'ownnets' has no attribute"),
        ("ownnets:Net.Absent", "architecture 'ownnets:Net.Absent' cannot be imported ("),
        ("absent_package.x:Net", "architecture 'absent_package.x:Net' cannot be imported (No module named"),
        ("ownnets:", "architecture 'ownnets:' cannot be imported ("),
        (":Net", "architecture ':Net' cannot be imported ("),
        (".ownnets:Net", "architecture '.ownnets:Net' cannot be imported ("),
        ("builtins:dict", "architecture 'builtins:dict' "),
    ],
)
def test_a_factory_that_cannot_be_used_is_explained(name, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        build(name)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", ["ownnets:Net", "timm:resnet18"])
def test_only_registered_names_have_a_width(name):
    with pytest.raises(InputError, match=rf"^{name} has no width: leave --width out"):
        build(name, width=2)


def test_the_definition_changes_when_the_source_does(own):
    before = definition_of("ownnets:Net")
    assert before is not None
    assert re.fullmatch("[0-9a-f]{16}", before)
    own("# moved down by a comment\n" + textwrap.dedent(OWN))
    assert definition_of("ownnets:Net") == before
    own(OWN.replace("x.flatten(1)", "x.flatten(1) * 2"))
    assert definition_of("ownnets:Net") != before


def test_a_definition_that_cannot_be_read_is_refused():
    with pytest.raises(InputError, match=r"^the source of math:sqrt cannot be read, so a change to it would go"):
        definition_of("math:sqrt")


@pytest.mark.parametrize("name", [*ARCHITECTURES, "timm:resnet18"])
def test_architectures_of_libraries_have_no_definition(name):
    assert definition_of(name) is None


def test_a_timm_net_takes_the_classes_and_channels_of_the_images():
    pytest.importorskip("timm")
    module = build("timm:resnet10t", 4, image_shape=(1, 32, 32)).eval()
    with torch.no_grad():
        assert module(torch.zeros(2, 1, 32, 32)).shape == (2, 4)


def test_an_unknown_timm_name_has_a_short_error():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=r"^unknown timm model 'resnet81': did you mean 'resnet\d+") as caught:
        build("timm:resnet81")
    assert len(str(caught.value)) < 1000


def test_without_timm_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"^timm:resnet18 needs timm: pip install 'dbviz-repro\[timm\]'$"):
        build("timm:resnet18")
