"""Batches have the sizes that kernels need, and are halved where memory is exhausted."""

import pytest
import torch
from helpers import points_of
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.label_maps import batches
from dbviz.label_maps.batches import BatchSizes, evaluated, fast_sizes, plain_sizes
from dbviz.label_maps.predictor import Predictor, label, plain_predictor

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Counting(nn.Module):
    """A network that records the sizes of its batches, and fits in memory up to a size."""

    def __init__(self, limit: int = 10**6, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.head, self.sizes, self.limit, self.error = nn.Linear(3, 4), [], limit, error

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.limit:
            raise self.error("DefaultCPUAllocator: can't allocate memory")
        self.sizes.append(len(x))
        return self.head(x.flatten(1))


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(0))


def logits(network: nn.Module, count: int, sizes: BatchSizes) -> Tensor:
    with torch.no_grad():
        return torch.cat([part for part, _ in evaluated(network, images(count), sizes, "net")])


@pytest.mark.parametrize("batch", [1, 100, 4096])
def test_fp32_batches_have_one_size_on_cuda_whatever_is_evaluated(batch):
    network = Counting()
    for count in (1, 3, 256, 300):
        assert logits(network, count, plain_sizes(network, CUDA, batch)).shape == (count, 4)
    assert set(network.sizes) == {256}


def test_batches_of_a_fast_form_have_few_sizes_on_cuda():
    network = Counting()
    for count in (1, 300, 5000):
        logits(network, count, fast_sizes(CUDA, 4096))
    assert network.sizes == [256, 512, 4096, 1024]


def test_batches_on_a_cpu_are_padded_only_where_they_are_small_or_must_have_one_size():
    network = Counting()
    logits(network, 65, plain_sizes(network, CPU, 128))
    logits(network, 65, plain_sizes(network, CPU, 1, one_size=True))
    logits(network, 1, plain_sizes(network, CPU, 128))
    assert network.sizes == [64, 32, 64, 64, 32]
    function = plain_sizes(lambda x: x, CUDA, 100)
    assert [function.padded(count) for count in (1, 99, 100)] == [1, 99, 100]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_batch_that_does_not_fit_is_halved_and_so_are_those_after_it(error):
    whole = Counting()
    small = Counting(limit=70, error=error)
    small.load_state_dict(whole.state_dict())
    sizes = plain_sizes(small, CUDA, 4096)
    sizes_of_fast = BatchSizes(512, least=512)
    for chosen in (sizes, sizes_of_fast):
        small.sizes.clear()
        assert torch.allclose(logits(small, 300, chosen), logits(whole, 300, BatchSizes(300)))
        assert set(small.sizes) == {64}


def test_labels_do_not_change_when_batches_are_halved():
    whole, small = Counting(), Counting(limit=40)
    small.load_state_dict(whole.state_dict())
    with torch.no_grad():
        expected = label(plain_predictor("net", whole, CPU), points_of(images(200))).logits.argmax(1)
        halved = label(plain_predictor("net", small, CPU), points_of(images(200))).logits.argmax(1)
    assert torch.equal(expected, halved)


def test_a_network_that_does_not_fit_at_all_is_one_line(monkeypatch):
    with pytest.raises(InputError, match=r"^net does not fit in the memory of cpu with 32 images at once: end other"):
        logits(Counting(limit=8), 300, plain_sizes(Counting(), CPU, 128))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**29, 2**32))
    assert batches._free(CUDA) == " (0.5 of 4.0 GiB are free)"


def predictor_that_raises(error: Exception) -> Predictor:
    def fail(_: Tensor) -> Tensor:
        raise error

    return plain_predictor("net", fail, CPU)


def test_a_network_without_a_kernel_is_one_line():
    failing = predictor_that_raises(RuntimeError("unable to find an engine\nat line 3"))
    with pytest.raises(InputError, match=r"^net cannot be evaluated in fp32 on cpu: unable to find an engine$"):
        label(failing, points_of(images(3)))


@pytest.mark.parametrize("error", [torch.AcceleratorError("x"), RuntimeError("CUDA error: device-side assert")])
def test_an_error_after_which_the_device_is_unusable_stays_as_it_is(error):
    with pytest.raises(RuntimeError) as raised:
        label(predictor_that_raises(error), points_of(images(3)))
    assert raised.value is error
