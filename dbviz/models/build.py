"""From a name, or a user's own class, to an initialised network."""

import ast
import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from dbviz.core.errors import InputError, unknown_name
from dbviz.core.streams import torch_seeded
from dbviz.models.initialize import initialize
from dbviz.models.registry import ARCHITECTURES

__all__ = [
    "arch_name",
    "build",
    "construct",
    "construct_unseeded",
    "definition_of",
    "from_timm",
    "torchvision_models",
]


def build(
    name: str,
    num_classes: int = 10,
    width: int | None = None,
    seed: int = 0,
    *,
    image_shape: tuple[int, int, int] = (3, 32, 32),
) -> nn.Module:
    """The network called `name` with the initial weights of `seed`, on the CPU, in training mode.

    Args:
        name: a registered architecture, `timm:NAME`, `torchvision:NAME`, or `package.module:Factory` for your own
            (called without arguments, or with `num_classes` if it takes that).
        width: what it counts depends on the architecture; None is the published one.
        image_shape: (channels, height, width) of an image.

    Raises:
        InputError: the name is unknown, the width not available, or the user's factory cannot be used.

    Example:
        >>> import torch
        >>> network = build("resnet18", num_classes=10, width=4, seed=3)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    module = construct(name, num_classes, width, image_shape)
    initialize(module, seed)
    return module.train()


def arch_name(factory: Callable[..., nn.Module]) -> str:
    """The name by which `build` imports a user's factory: `package.module:Factory`.

    Example:
        >>> arch_name(nn.Linear)
        'torch.nn.modules.linear:Linear'
    """
    return f"{factory.__module__}:{factory.__qualname__}"


def definition_of(name: str) -> str | None:
    """Fingerprint of the source of a user's factory; None for architectures of dbviz, timm and torchvision.

    It covers the whole file that defines the factory, since a network is rarely one class; in a notebook, the
    methods of the class alone. Comments and layout have no influence.

    Raises:
        InputError: the factory cannot be imported, or its source cannot be read.

    Example:
        >>> definition_of("resnet18") is None, len(definition_of("torch.nn:Linear"))
        (True, 16)
    """
    if ":" not in name or name.startswith(("timm:", "torchvision:")):
        return None
    factory = _imported(name)
    try:
        source = _source(factory)
    except (OSError, TypeError, ValueError, SyntaxError):
        raise InputError(
            f"the source of {name} cannot be read, so a change to it would go unnoticed: define it in a file"
        ) from None
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def construct(name: str, num_classes: int, width: int | None, image_shape: tuple[int, int, int]) -> nn.Module:
    """The network called `name` with arbitrary weights, which are to be loaded or initialised next.

    Raises:
        InputError: as `build`.

    Example:
        >>> construct("mlp", num_classes=10, width=8, image_shape=(3, 32, 32))
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): Linear(in_features=3072, out_features=8, bias=True)
          (2): ReLU(inplace=True)
          (3): Linear(in_features=8, out_features=10, bias=True)
        )
    """
    with torch_seeded(0, "construct"):  # constructors draw from torch's global generator
        return construct_unseeded(name, num_classes, width, image_shape)


def construct_unseeded(name: str, num_classes: int, width: int | None, image_shape: tuple[int, int, int]) -> nn.Module:
    """The same with weights drawn from torch's global generator in its current state, as torch itself does it."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name].build(num_classes, width, image_shape)
    if ":" not in name:
        patterns = ["timm:NAME", "torchvision:NAME", "package.module:Factory"]
        raise unknown_name("architecture", name, [*ARCHITECTURES, *patterns])
    if width is not None:
        raise InputError(f"{name} has no width: leave --width out, or give another name for each width")
    if name.startswith("timm:"):
        return from_timm(name.removeprefix("timm:"), num_classes, image_shape)
    if name.startswith("torchvision:"):
        return _from_torchvision(name.removeprefix("torchvision:"), num_classes)
    return _call(name, _imported(name), num_classes)


def _source(factory: Callable[..., Any]) -> str:
    """The syntax tree of the file that defines a function or class; for a notebook, the text of a class's methods."""
    file = getattr(inspect.getmodule(factory), "__file__", None)
    if file is not None:
        return ast.dump(ast.parse(Path(file).read_text(encoding="utf-8")))
    members = [member for member in vars(factory).values() if inspect.isfunction(member)]
    return "".join(inspect.getsource(member) for member in members or [factory])


def from_timm(name: str, num_classes: int, image_shape: tuple[int, int, int], **changes: Any) -> nn.Module:
    """timm's model of that name; `changes` are passed to `timm.create_model`.

    Raises:
        InputError: timm is not installed, or has no such model.
    """
    try:
        import timm
    except ImportError:
        raise InputError(f"timm:{name} needs timm: pip install 'dbviz-repro[timm]'") from None
    if name not in timm.list_models():
        close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
        count = f"and more than {len(timm.list_models())} (timm.list_models())"
        raise unknown_name("timm model", name, [*close, count])
    options: dict[str, Any] = {"num_classes": num_classes, "in_chans": image_shape[0], **changes}
    try:
        module = timm.create_model(name, **options, img_size=image_shape[1:])
    except TypeError:  # convolutional networks take any size and no such argument
        module = timm.create_model(name, **options)
    if "init_weights" in dir(module):
        module.reset_parameters = module.init_weights  # timm's name for it
    return module


def _from_torchvision(name: str, num_classes: int) -> nn.Module:
    models = torchvision_models()
    if name not in models.list_models(module=models):
        raise unknown_name("torchvision model", name, models.list_models(module=models))
    return models.get_model(name, weights=None, num_classes=num_classes)


def torchvision_models() -> Any:
    """`torchvision.models`, imported where it is needed: it imports torch's compiler, which takes seconds.

    Raises:
        InputError: torchvision was built for another torch.
    """
    try:
        from torchvision import models
    except RuntimeError as error:
        raise InputError(
            f"torchvision cannot be imported ({' '.join(str(error).split())}): it was built for another torch; install "
            "both from the same index (docs/installation.md)"
        ) from error
    return models


def _imported(name: str) -> Callable[..., Any]:
    module_name, _, qualified = name.partition(":")
    if not module_name or module_name.startswith("."):
        raise InputError(f"architecture {name!r} cannot be imported (no package is named): give package.module:Factory")
    if (here := str(Path.cwd())) not in sys.path:  # as `python -m` has it
        sys.path.insert(0, here)
    try:
        factory: Any = importlib.import_module(module_name)
        for part in qualified.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise InputError(f"architecture {name!r} cannot be imported ({error}): give package.module:Factory") from None
    if not callable(factory):
        raise InputError(
            f"architecture {name!r} is a {type(factory).__name__}: give a class or function that makes the network"
        )
    return factory


def _call(name: str, factory: Callable[..., nn.Module], num_classes: int) -> nn.Module:
    """The network that a user's factory makes."""
    try:
        parameters = inspect.signature(factory).parameters
    except ValueError:  # some built-in types have no signature
        parameters = {}
    optional_kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [p.name for p in parameters.values() if p.default is p.empty and p.kind not in optional_kinds]
    if surplus := [name for name in required if name != "num_classes"]:
        raise InputError(
            f"architecture {name!r} needs the argument {surplus[0]!r}: "
            "give a function without arguments that calls it (functools.partial will not do: it has no name)"
        )
    module = factory(num_classes=num_classes) if "num_classes" in parameters else factory()
    if not isinstance(module, nn.Module):
        raise InputError(f"architecture {name!r} made a {type(module).__name__}: it must make a torch.nn.Module")
    return module
