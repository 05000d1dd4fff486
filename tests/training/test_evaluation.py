"""Logits and accuracy of a network computed by hand; modules keep their modes."""

import numpy as np
import pytest
import torch
from torch import nn

from dbviz.data import DeviceImages
from dbviz.models import build
from dbviz.training import accuracy, evaluation, logits
from dbviz.training.evaluation import eval_mode

CPU = torch.device("cpu")


def ruler() -> nn.Module:
    """Logits (1.5, i, 2 i - 3.3) for image i of `striped`, whose 192 pixels are all 10 i / 255."""
    linear = nn.Linear(192, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([0, 1, 2])[:, None].expand(3, 192) * 25.5 / 192)
        linear.bias.copy_(torch.tensor([1.5, 0, -3.3]))
    return nn.Sequential(nn.Flatten(), linear)


@pytest.mark.parametrize("batch_size", [1, 4, 6, 500])
def test_logits_are_as_computed_by_hand_in_batches_of_any_size(striped, batch_size, monkeypatch):
    monkeypatch.setattr(evaluation, "evaluation_batch", lambda _: batch_size)
    expected = torch.tensor([[1.5, i, 2 * i - 3.3] for i in range(6)])
    outputs = logits(ruler(), striped, CPU)
    assert outputs.shape == (6, 3)
    assert torch.allclose(outputs, expected, atol=1e-5)
    assert not outputs.requires_grad


def test_logits_are_bitwise_those_of_images_normalised_on_the_cpu(small_images):
    model, test = build("resnet18k", width=4).eval(), small_images.test
    few = [test.normalized(np.arange(start, min(start + 24, len(test)))) for start in range(0, len(test), 24)]
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(evaluation, "evaluation_batch", lambda _: 24)
        expected = torch.cat([model(batch.to(memory_format=torch.channels_last)) for batch in few])
        assert torch.equal(logits(model, test, CPU), expected)
        assert torch.equal(logits(model, DeviceImages.of(test, CPU), CPU), expected)


def test_accuracy_is_as_computed_by_hand(striped):
    # largest: 0 0 1 1 2 2; labels: 0 1 2 0 1 2
    assert accuracy(logits(ruler(), striped, CPU), striped) == 2 / 6
    right = torch.eye(3).repeat(2, 1)
    assert accuracy(right, striped) == 1
    assert accuracy(-right, striped) == 0


def test_bf16_rounds_and_returns_float32(striped):
    outputs, exact = logits(ruler(), striped, CPU, precision="bf16"), logits(ruler(), striped, CPU)
    assert outputs.dtype == torch.float32
    assert torch.equal(outputs, outputs.bfloat16().float())
    assert not torch.equal(outputs, exact)
    assert torch.allclose(outputs, exact, rtol=0.02, atol=0.05)


def test_a_plain_function_is_evaluated_too(striped):
    assert torch.equal(logits(lambda x: x[:, :, 0, 0], striped, CPU)[5], torch.full((3,), 50 / 255))


def mixed() -> nn.Sequential:
    """Training mode but for the second norm, which its owner has frozen."""
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5)), nn.Flatten())
    net[1][0].eval()  # pyright: ignore[reportIndexIssue]
    return net


def modes(net: nn.Module) -> list[bool]:
    return [module.training for module in net.modules()]


def test_evaluation_changes_neither_modes_nor_statistics(striped):
    net = mixed()
    before, state = modes(net), {name: value.clone() for name, value in net.state_dict().items()}
    outputs = logits(net, striped, CPU)
    # norms of mean 0 and variance 1 and no dropout: the images themselves
    assert torch.allclose(outputs, striped.normalized([0, 1, 2, 3, 4, 5]).flatten(1), atol=1e-4)
    assert modes(net) == before == [True, True, True, False, True, True]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_modes_are_restored_after_an_error():
    net = mixed()
    before = modes(net)
    seen = []

    def failing() -> None:
        seen.extend([*modes(net), torch.is_inference_mode_enabled()])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), eval_mode(net):
        failing()
    assert seen == [False] * 6 + [True]
    assert modes(net) == before
    assert not torch.is_inference_mode_enabled()
