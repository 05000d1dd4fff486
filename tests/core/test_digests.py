"""Digests: equal for equal bits in any memory layout; different if any bit differs."""

import numpy as np
import pytest
import torch

from dbviz.core.digests import digest_of_all, tensor_digest


def test_the_memory_layout_has_no_influence():
    x = torch.randn(2, 3, 4, 5)
    assert tensor_digest(x.contiguous(memory_format=torch.channels_last)) == tensor_digest(x)
    assert tensor_digest(x.transpose(0, 1).contiguous().transpose(0, 1)) == tensor_digest(x)
    assert tensor_digest(torch.eye(3).to_sparse()) == tensor_digest(torch.eye(3))


@pytest.mark.parametrize(
    "different",
    [
        torch.tensor([0.0, 1.0, 2.0]).view(1, 3),
        torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64),
        torch.tensor([-0.0, 1.0, 2.0]),
        torch.tensor([0.0, 1.0, np.nextafter(np.float32(2), np.float32(3))]),
    ],
    ids=["shape", "type", "sign of zero", "last bit"],
)
def test_shape_type_and_every_bit_count(different):
    assert tensor_digest(different) != tensor_digest(torch.tensor([0.0, 1.0, 2.0]))


@pytest.mark.parametrize("value", [torch.tensor(2), torch.zeros(0, 3), torch.tensor([True]), torch.ones(2) * 1j])
def test_numbers_of_any_kind_have_a_digest(value):
    assert len(tensor_digest(value)) == 16


def test_nan_has_the_digest_of_nan():
    assert tensor_digest(torch.tensor(torch.nan)) == tensor_digest(torch.tensor(torch.nan))


@pytest.mark.parametrize(
    ("value", "different"), [(1, 2), ("a", "b"), (np.ones(2), np.zeros(2)), (np.float64(1), np.float64(2))], ids=str
)
def test_everything_in_a_nested_value_counts(value, different):
    x = torch.ones(2)
    assert digest_of_all({"x": (x, [value])}) == digest_of_all({"x": (x.clone(), [value])})
    assert digest_of_all({"x": (x, [value])}) != digest_of_all({"x": (x, [different])})
    assert digest_of_all((x, None)) != digest_of_all((x + 1, None))
