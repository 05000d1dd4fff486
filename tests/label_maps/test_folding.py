"""Folding batch norms does not change what a network computes."""

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from dbviz.label_maps.folding import folded, with_exact_head
from dbviz.models import build
from dbviz.models.registry import ARCHITECTURES


@pytest.fixture(autouse=True)
def _annotations_unchecked():
    """The proxies that torch.fx traces with are not tensors to the type checker."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


SMALLEST = {
    name: max(arch.multiple_of, 16 if name in ("vit", "mlp_mixer") else 1) for name, arch in ARCHITECTURES.items()
}


def trained(network: nn.Module) -> nn.Module:
    """The network with batch norms whose statistics and weights differ from channel to channel."""
    draw = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) and part.running_mean is not None:
            for name, tensor in part.state_dict().items():
                low, high = {"running_var": (0.2, 2.0), "weight": (0.5, 1.5)}.get(name, (-0.5, 0.5))
                tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=draw))
    return network.eval()


def images(count: int = 8, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def norms_called(network: nn.Module) -> int:
    """Batch norms that a forward pass runs through."""
    called = []
    hooks = [
        part.register_forward_hook(lambda *_: called.append(1))
        for part in network.modules()
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    with torch.no_grad():
        network(images())
    for hook in hooks:
        hook.remove()
    return len(called)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_computes_the_same_when_folded(name):
    network = trained(build(name, width=SMALLEST[name]))
    with torch.no_grad():
        expected, outputs = network(images()), folded(network)(images())
    assert torch.allclose(outputs, expected, atol=1e-4 * float(expected.abs().max()))


# in a pre-activation block the norm after a sum or a concatenation has no layer to be folded into
@pytest.mark.parametrize(
    ("name", "left"), [("resnet18", 0), ("vgg19", 0), ("resnet18k", 8), ("wideresnet28_10", 13), ("densenet121", 62)]
)
def test_norms_after_a_layer_are_folded(name, left):
    network = trained(build(name, width=1))
    assert norms_called(network) > left
    assert norms_called(folded(network)) == left


def test_norms_are_folded_into_linear_layers():
    network = trained(nn.Sequential(nn.Flatten(), nn.Linear(3072, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
    assert (norms_called(network), norms_called(folded(network))) == (1, 0)
    with torch.no_grad():
        assert torch.allclose(folded(network)(images()), network(images()), atol=1e-5)


def test_the_network_itself_is_not_changed():
    network = trained(build("resnet18", width=1)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded(network)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Twice(nn.Module):
    """One convolution read twice, once past its norm; one layer and its norm called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.twice, self.norm_twice = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.without = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x + self.norm(x)
        x = self.norm_twice(self.twice(x))
        x = self.norm_twice(self.twice(x)) + self.without(self.twice(x))
        return x.mean((2, 3))


class Branching(nn.Module):
    """Control flow that depends on the input, which cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)) if x.mean() > -100 else x
        return x.mean((2, 3))


def _doubled(_: nn.Module, __: tuple[Tensor], output: Tensor) -> Tensor:
    return 2 * output


class Hooked(nn.Sequential):
    """A hook changes what is between the layer and its norm."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
        self[0].register_forward_hook(_doubled)


@pytest.mark.parametrize("kind", [Twice, Branching, Hooked])
def test_what_cannot_be_folded_computes_the_same(kind):
    torch.manual_seed(0)
    network = trained(kind())
    with torch.no_grad():
        assert torch.allclose(folded(network)(images()), network(images()), atol=1e-5)


def test_the_last_linear_layer_stays_in_fp32():
    network = with_exact_head(build("resnet18", width=2).eval(), torch.bfloat16)
    dtypes = [parameter.dtype for parameter in network.parameters()]
    assert dtypes[-2:] == [torch.float32, torch.float32]
    assert set(dtypes[:-2]) == {torch.bfloat16}
    with torch.no_grad():
        assert network(images().bfloat16()).dtype == torch.float32
