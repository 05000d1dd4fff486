"""Every registered architecture: the published size, the right shapes, and a gradient at every parameter."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dbviz.core.errors import InputError
from dbviz.models import ARCHITECTURES, build
from dbviz.models.densenet import Bottleneck
from dbviz.models.mlp_mixer import MixerBlock
from dbviz.models.patches import Patches, patch_count
from dbviz.models.preactivation import PreActivationBlock
from dbviz.models.resnet import BasicBlock
from dbviz.models.vit import Attention

PUBLISHED = {
    "fcnet": 3_819_978,
    "vgg19": 20_040_522,
    "resnet18": 11_173_962,
    "densenet121": 6_956_298,
    "wideresnet28_10": 36_479_194,
    "wideresnet28_20": 145_815_514,
    "wideresnet28_30": 328_009_434,
    "vit": 9_523_722,
    "mlp_mixer": 25_649_418,
    "resnet18k": 11_171_146,
    "mlp": 1_578_506,
    "random_features": 10_000,
}
"""Parameters at the published width, ten classes and 3 x 32 x 32 images."""

IMAGE = (3, 32, 32)


def small_width(name: str) -> int:
    return 4 * ARCHITECTURES[name].multiple_of


def parameters(name: str, width: int | None) -> int:
    """The number of parameters, counted without memory for them."""
    with torch.device("meta"):
        module = ARCHITECTURES[name].build(10, width, IMAGE)
    return sum(p.numel() for p in module.parameters())


def small(name: str, *, num_classes: int = 10, image_shape: tuple[int, int, int] = IMAGE) -> nn.Module:
    return build(name, num_classes, small_width(name), seed=1, image_shape=image_shape)


def images(count: int, shape: tuple[int, int, int] = IMAGE) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))


def test_every_architecture_has_a_published_count():
    assert set(PUBLISHED) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_parameters_are_as_many_as_published(name):
    assert parameters(name, None) == PUBLISHED[name]
    assert parameters(name, ARCHITECTURES[name].width) == PUBLISHED[name]


@pytest.mark.parametrize(("k", "count"), [(1, 2_947), (4, 44_446), (10, 274_540), (20, 1_093_870), (64, 11_171_146)])
def test_the_double_descent_net_has_the_published_count_at_every_width(k, count):
    assert parameters("resnet18k", k) == count


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_twice_the_width_is_two_to_four_times_the_parameters(name):
    ratio = parameters(name, 4 * small_width(name)) / parameters(name, 2 * small_width(name))
    assert 1.99 <= ratio < 4.2


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_width_that_is_not_available_is_refused(name):
    multiple = ARCHITECTURES[name].multiple_of
    for width in (0, -multiple, *([multiple + 1] if multiple > 1 else [])):
        message = rf"^width {width} is not available for {name}: choose a multiple of {multiple}$"
        with pytest.raises(InputError, match=message):
            build(name, width=width)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_gradient_reaches_every_parameter(name):
    module = small(name, num_classes=7).eval()
    logits = module(images(4))
    assert logits.shape == (4, 7)
    F.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    missed = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert missed == []


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_in_evaluation_mode_logits_are_deterministic_and_independent_of_the_batch(name):
    module = small(name).eval()
    x = images(6)
    with torch.no_grad():
        together = module(x)
        assert torch.equal(module(x), together)
        torch.testing.assert_close(module(x[1:2]), together[1:2], rtol=1e-4, atol=1e-5)
    assert len(together.unique(dim=0)) > 1


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 32, 32), (1, 28, 28), (3, 30, 30), (3, 32, 48)], ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_images_are_taken_or_refused_when_the_net_is_built(name, shape):
    try:
        module = small(name, num_classes=7, image_shape=shape)
    except InputError as error:
        assert f"{shape[1]} x {shape[2]} pixels" in str(error)  # noqa: PT017
        assert name in ("vit", "mlp_mixer", "vgg19")
        assert shape[1] % 4 or name == "vgg19"
    else:
        with torch.no_grad():
            assert module.eval()(images(2, shape)).shape == (2, 7)


def test_images_that_patches_do_not_cover_are_refused():
    message = r"^images of 30 x 32 pixels cannot be cut into 4 x 4 patches: use a multiple of 4$"
    for name in ("vit", "mlp_mixer"):
        with pytest.raises(InputError, match=message):
            build(name, width=8, image_shape=(3, 30, 32))
    assert patch_count((3, 32, 16)) == 32


def test_dropout_acts_in_training_mode_only():
    module = small("vit")
    x = images(2)
    with torch.no_grad():
        assert not torch.equal(module(x), module(x))
        assert torch.equal(module.eval()(x), module(x))
    rates = {m.p for m in module.modules() if isinstance(m, nn.Dropout)}
    assert rates == {0.1}


def test_patches_are_cut_row_by_row_with_the_channels_innermost():
    x = torch.arange(2 * 8 * 12).reshape(1, 2, 8, 12).float()
    cut = Patches()(x)
    assert cut.shape == (1, 6, 32)
    # patch 4 stands in the second row of patches, second column: pixels from (4, 4); channel 1 begins at 96
    assert cut[0, 4, :4].tolist() == [52, 148, 53, 149]
    assert cut[0, 4, 8:10].tolist() == [64, 160]
    assert cut[0, 0, -2:].tolist() == [39, 135]


def silenced(module: nn.Module, *parameters: str) -> nn.Module:
    """In evaluation mode, with the named parameters at zero."""
    for name in parameters:
        nn.init.zeros_(module.get_parameter(name))
    return module.eval()


@torch.no_grad()
def test_a_residual_block_whose_branch_is_silent_passes_its_input():
    x = images(2, (8, 6, 6))
    tokens = images(2, (1, 5, 16))[:, 0]
    assert torch.equal(silenced(PreActivationBlock(8, 8, 1), "conv2.weight")(x), x)
    assert torch.equal(silenced(BasicBlock(8, 8, 1), "conv2.weight")(x), x.relu())
    assert torch.equal(silenced(Bottleneck(8, 4), "conv2.weight")(x), torch.cat([torch.zeros(2, 4, 6, 6), x], 1))
    assert torch.equal(silenced(Attention(16), "to_out.weight", "to_out.bias")(tokens), tokens)
    last = ("mix_tokens.2.weight", "mix_tokens.2.bias", "mix_channels.2.weight", "mix_channels.2.bias")
    assert torch.equal(silenced(MixerBlock(5, 16), *last)(tokens), tokens)


@torch.no_grad()
def test_where_the_shape_changes_the_shortcut_is_a_projection():
    x = images(2, (8, 6, 6))
    pre = silenced(PreActivationBlock(8, 12, 2), "conv2.weight")
    assert pre(x).shape == (2, 12, 3, 3)
    active = (x / (1 + 1e-5) ** 0.5).relu()  # a fresh batch norm in evaluation mode divides by sqrt(1 + eps)
    expected = F.conv2d(active, pre.get_parameter("shortcut.weight"), stride=2)
    torch.testing.assert_close(pre(x), expected)
    post = silenced(BasicBlock(8, 12, 2), "conv2.weight")
    expected = F.conv2d(x, post.get_parameter("shortcut.0.weight"), stride=2) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(post(x), expected.relu())


@torch.no_grad()
def test_attention_is_softmax_of_scaled_products_head_by_head():
    layer = Attention(32).eval()
    x = images(2, (1, 5, 32))[:, 0]
    normed = layer.norm(x)
    q, k, v = (F.linear(normed, w) for w in layer.to_qkv.weight.split(32))
    heads = []
    for h in range(8):
        part = slice(4 * h, 4 * h + 4)
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 4**0.5).softmax(-1)
        heads.append(weights @ v[..., part])
    expected = x + layer.to_out(torch.cat(heads, -1))
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
