"""Digests: equal bits give equal ones, whatever the layout; any other bit gives another."""

import numpy as np
import pytest
import torch

from dbviz.core.digests import digest_of_all, tensor_digest


def test_the_layout_in_memory_counts_for_nothing():
    x = torch.randn(2, 3, 4, 5)
    assert tensor_digest(x.contiguous(memory_format=torch.channels_last)) == tensor_digest(x)
    assert tensor_digest(x.transpose(0, 1).contiguous().transpose(0, 1)) == tensor_digest(x)
    assert tensor_digest(torch.eye(3).to_sparse()) == tensor_digest(torch.eye(3))


@pytest.mark.parametrize(
    "other",
    [
        torch.tensor([0.0, 1.0, 2.0]).view(1, 3),
        torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64),
        torch.tensor([-0.0, 1.0, 2.0]),
        torch.tensor([0.0, 1.0, np.nextafter(np.float32(2), np.float32(3))]),
    ],
    ids=["shape", "type", "sign of nought", "last bit"],
)
def test_shape_type_and_every_bit_count(other):
    assert tensor_digest(other) != tensor_digest(torch.tensor([0.0, 1.0, 2.0]))


@pytest.mark.parametrize("value", [torch.tensor(2), torch.zeros(0, 3), torch.tensor([True]), torch.ones(2) * 1j])
def test_numbers_of_any_kind_have_a_digest(value):
    assert len(tensor_digest(value)) == 16


def test_numbers_that_are_none_are_equal_to_themselves():
    assert tensor_digest(torch.tensor(torch.nan)) == tensor_digest(torch.tensor(torch.nan))


@pytest.mark.parametrize(
    ("one", "other"), [(1, 2), ("a", "b"), (np.ones(2), np.zeros(2)), (np.float64(1), np.float64(2))], ids=str
)
def test_everything_in_a_nested_value_counts(one, other):
    x = torch.ones(2)
    assert digest_of_all({"x": (x, [one])}) == digest_of_all({"x": (x.clone(), [one])})
    assert digest_of_all({"x": (x, [one])}) != digest_of_all({"x": (x, [other])})
    assert digest_of_all((x, None)) != digest_of_all((x + 1, None))
