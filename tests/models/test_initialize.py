"""Initialisation: each parameter has a stream of its own and the distribution of its definition."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from dbviz.core.errors import InputError
from dbviz.models import ARCHITECTURES, build, initialize
from dbviz.models.build import construct

State = dict[str, torch.Tensor]


class Small(nn.Module):
    """Hand-written, with unused layers in front and in the middle optionally."""

    def __init__(self, *, extra: bool = False) -> None:
        super().__init__()
        if extra:
            self.front = nn.Linear(7, 7)
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        if extra:
            self.middle = nn.Sequential(nn.Conv2d(8, 8, 5), nn.LayerNorm(8))
        self.head = nn.Linear(8, 4)


class Around(nn.Module):
    """A registered net, behind an unused layer optionally."""

    def __init__(self, name: str, *, extra: bool = False) -> None:
        super().__init__()
        if extra:
            self.front = nn.Linear(7, 7)
        self.net = construct(name, 10, 4 * ARCHITECTURES[name].multiple_of, (3, 32, 32))


class HeNormal(nn.Module):
    """Draws its children's weights itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(400, 200), nn.Linear(200, 100)

    def reset_parameters(self) -> None:
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.25)


class Raw(nn.Module):
    """A parameter that no reset_parameters covers."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.token = nn.Parameter(value)


class Orthogonal(nn.Module):
    """`orthogonal_` draws into a temporary tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(6, 6))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.orthogonal_(self.weight)


def initialized(module: nn.Module, seed: int = 0) -> State:
    initialize(module, seed)
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_equal(state: State, expected: State) -> None:
    assert state.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(state[name], expected[name])] == []


def random_names(module: nn.Module) -> list[str]:
    """The parameters that are drawn: all but constant ones."""
    return [n for n, p in module.named_parameters() if p.unique().numel() > 1]


def assert_uniform(values: torch.Tensor, bound: float) -> None:
    """Uniform in [-bound, bound], by its extent and its first two moments, five standard errors wide."""
    values, count = values.detach().flatten().double(), values.numel()
    assert values.abs().max() <= bound
    assert values.abs().max() > bound * (1 - 10 / count)
    assert values.mean().abs() < 5 * bound / math.sqrt(3 * count)
    assert (values.square().mean() / (bound**2 / 3) - 1).abs() < 5 * math.sqrt(0.8 / count)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_depend_on_the_seed_alone(name):
    first, repeated, different = (build(name, width=4 * ARCHITECTURES[name].multiple_of, seed=s) for s in (1, 1, 2))
    assert_equal(first.state_dict(), repeated.state_dict())
    drawn = random_names(first)
    assert len(drawn) == len(list(first.parameters())) or len(drawn) > 5
    assert [n for n in drawn if torch.equal(first.get_parameter(n), different.get_parameter(n))] == []


def test_the_weights_of_a_seed_are_the_same_in_every_release():
    layer = nn.Linear(2, 2)
    initialize(layer, 3)
    torch.testing.assert_close(
        layer.weight.detach(), torch.tensor([[-0.183029, -0.066127], [-0.295602, -0.175992]]), rtol=0, atol=1e-6
    )


def test_weights_do_not_depend_on_what_was_drawn_before():
    torch.manual_seed(1)
    first = initialized(Small())
    torch.manual_seed(2)
    torch.rand(100)
    assert_equal(initialized(Small()), first)


def test_initializing_again_changes_nothing():
    module = Small()
    assert_equal(initialized(module, 4), initialized(module, 4))


@pytest.mark.parametrize(
    "make",
    [Small, *(lambda *, extra=False, name=name: Around(name, extra=extra) for name in ARCHITECTURES)],
    ids=["hand-written", *ARCHITECTURES],
)
def test_an_unused_layer_leaves_all_other_weights(make: Callable[..., nn.Module]):
    plain, extended = initialized(make()), initialized(make(extra=True))
    assert len(extended) > len(plain)
    assert_equal({name: extended[name] for name in plain}, plain)


def test_layers_of_one_shape_differ():
    net = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    state = initialized(net)
    assert not torch.equal(state["0.weight"], state["1.weight"])
    assert not torch.equal(state["0.bias"], state["1.bias"])
    assert not torch.equal(state["0.weight"][0], state["0.bias"])


def test_a_linear_layer_keeps_its_distribution():
    layer = nn.Linear(400, 300)
    initialize(layer, 0)
    assert_uniform(layer.weight, 1 / math.sqrt(400))
    assert_uniform(layer.bias, 1 / math.sqrt(400))


def test_a_convolution_keeps_its_distribution():
    layer = nn.Conv2d(16, 500, 3)
    initialize(layer, 0)
    assert_uniform(layer.weight, 1 / math.sqrt(16 * 9))
    assert_uniform(layer.get_parameter("bias"), 1 / math.sqrt(16 * 9))


def test_normal_draws_keep_their_distribution():
    layer = nn.Embedding(300, 200)
    initialize(layer, 0)
    values = layer.weight.detach()
    assert values.mean().abs() < 0.025
    assert (values.std() - 1).abs() < 0.02
    assert values.abs().max() > 3.5


def test_batch_norm_starts_afresh():
    norm = nn.BatchNorm2d(5)
    norm(torch.randn(4, 5, 3, 3) * 7 + 2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    state = initialized(norm)
    assert torch.equal(state["weight"], torch.ones(5))
    assert torch.equal(state["bias"], torch.zeros(5))
    assert torch.equal(state["running_mean"], torch.zeros(5))
    assert torch.equal(state["running_var"], torch.ones(5))
    assert state["num_batches_tracked"] == 0


def test_multihead_attention_is_drawn_by_its_own_method():
    layer = nn.MultiheadAttention(32, 4)
    state = initialized(layer)
    assert_uniform(layer.get_parameter("in_proj_weight"), math.sqrt(6 / (32 + 96)))  # Xavier over (3 x 32, 32)
    assert torch.equal(state["in_proj_bias"], torch.zeros(96))
    assert torch.equal(state["out_proj.bias"], torch.zeros(32))
    assert_equal(initialized(nn.MultiheadAttention(32, 4)), state)
    assert not torch.equal(initialized(layer, 1)["in_proj_weight"], state["in_proj_weight"])


def test_a_modules_own_method_overrides_those_of_its_children():
    state = initialized(HeNormal())
    for name, fan_in in (("first", 400), ("second", 200)):
        weight = state[f"{name}.weight"]
        # the uniform default has standard deviation 1/sqrt(3 fan_in), never above 1/sqrt(fan_in)
        assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
        assert weight.abs().max() > 3 * math.sqrt(2 / fan_in)
        assert (state[f"{name}.bias"] == 0.25).all()
    assert_equal(initialized(HeNormal()), state)


def test_a_module_with_its_own_method_may_be_anywhere():
    inner, outer = initialized(HeNormal()), initialized(nn.Sequential(nn.Linear(3, 3), HeNormal()))
    assert outer["1.first.weight"].std().item() == pytest.approx(inner["first.weight"].std().item(), rel=0.03)
    assert not torch.equal(outer["1.first.weight"], inner["first.weight"])


def test_a_random_parameter_of_unknown_distribution_is_refused():
    net = nn.Sequential(nn.Linear(2, 2), Raw(torch.randn(3)))
    with pytest.raises(InputError) as caught:
        initialize(net, 0)
    assert str(caught.value) == (
        "parameter '1.token' of Raw cannot be initialised: its distribution is unknown; "
        "give Raw a method reset_parameters() that draws it"
    )


@pytest.mark.parametrize(
    "value", [torch.full((3,), 1e-4), torch.zeros(2, 2), torch.empty(0), torch.tensor(2.0)], ids=str
)
def test_a_constant_parameter_is_not_changed(value):
    assert torch.equal(initialized(nn.Sequential(Raw(value.clone())))["0.token"], value)


def test_drawing_is_in_place_and_keeps_the_gradient_switch():
    layer = nn.Linear(3, 3)
    layer.bias.requires_grad_(False)
    weight, place = layer.weight, layer.weight.data_ptr()
    initialize(layer, 0)
    assert layer.weight is weight
    assert weight.data_ptr() == place
    assert weight.requires_grad
    assert not layer.bias.requires_grad


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(8, 16, 3), lambda: nn.Embedding(40, 8), Orthogonal])
def test_the_memory_format_changes_nothing(make):
    module = make()
    if module.weight.dim() == 4:
        module = module.to(memory_format=torch.channels_last)
        assert not module.weight.is_contiguous()
    else:
        module.weight.data = module.weight.data.T.contiguous().T
    state = initialized(module)
    assert_equal(state, initialized(make()))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 1.6e-2)]
)
@pytest.mark.parametrize("make", [lambda: nn.Linear(30, 20), lambda: nn.Embedding(40, 8)])
def test_the_number_type_changes_nothing_but_the_rounding(make, dtype, tolerance):
    expected, actual = initialized(make()), initialized(make().to(dtype))
    for name, value in expected.items():
        assert actual[name].dtype == dtype
        torch.testing.assert_close(actual[name].float(), value, rtol=tolerance, atol=tolerance)


def test_the_global_generator_is_neither_read_nor_advanced():
    torch.manual_seed(1)
    module, orthogonal = Small(), Orthogonal()
    before = torch.get_rng_state()
    first = [initialized(module), initialized(orthogonal)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    for state, repeated in zip(first, [initialized(module), initialized(orthogonal)], strict=True):
        assert_equal(repeated, state)


def test_orthogonal_weights_are_orthogonal_and_deterministic():
    first, second = initialized(Orthogonal(), 1)["weight"], initialized(Orthogonal(), 2)["weight"]
    torch.testing.assert_close(first @ first.T, torch.eye(6))
    assert torch.equal(initialized(Orthogonal(), 1)["weight"], first)
    assert not torch.equal(first, second)
    pair = initialized(nn.Sequential(Orthogonal(), Orthogonal()))
    assert not torch.equal(pair["0.weight"], pair["1.weight"])


def test_a_timm_transformer_is_seeded_by_name():
    pytest.importorskip("timm")
    first, repeated, different = (
        build("timm:vit_tiny_patch16_224", num_classes=5, seed=s, image_shape=(3, 32, 32)) for s in (1, 1, 2)
    )
    with torch.no_grad():
        assert first.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 5)
    assert_equal(first.state_dict(), repeated.state_dict())
    drawn = [n for n in random_names(different) if not n.startswith("head")]  # timm begins the head at zero
    assert {"pos_embed", "cls_token", "patch_embed.proj.weight", "blocks.3.attn.qkv.weight"} <= set(drawn)
    assert [n for n in drawn if torch.equal(first.get_parameter(n), different.get_parameter(n))] == []
    # timm's own distribution: normal with deviation .02, cut at two
    qkv = first.get_parameter("blocks.3.attn.qkv.weight").detach()
    assert qkv.std().item() == pytest.approx(0.02, rel=0.03)
    assert not first.get_parameter("blocks.3.attn.qkv.bias").any()
