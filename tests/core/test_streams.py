"""Streams: equal exactly where seed and name are, without effect on the global generators."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dbviz.core.streams import numpy_stream, stream_key, torch_seeded, torch_stream

seeds = st.integers(0, 2**31)
paths = st.lists(st.text(max_size=5) | st.integers(0, 1000), max_size=3)


@given(seeds, paths, seeds, paths)
def test_keys_are_equal_exactly_where_seed_and_path_are(seed, path, other_seed, other_path):
    same = (seed, path) == (other_seed, other_path)
    assert (stream_key(seed, *path) == stream_key(other_seed, *other_path)) == same


def test_a_key_is_the_same_on_every_machine():
    assert stream_key(3, "order", 7) == 1528228582339833271
    assert 0 <= stream_key(0, bits=63) < 2**63


def test_streams_repeat():
    assert np.array_equal(numpy_stream(1, "a").random(5), numpy_stream(1, "a").random(5))
    assert torch.equal(torch.rand(5, generator=torch_stream(1, "a")), torch.rand(5, generator=torch_stream(1, "a")))


def test_torch_seeded_restores_the_global_generator():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with torch_seeded(1, "dropout"):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with torch_seeded(1, "dropout"):
        assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize(("initialized", "devices"), [(False, []), (True, [0, 1])])
def test_torch_seeded_leaves_cuda_alone_where_it_is_not_initialised(initialized, devices, monkeypatch):
    forked = []

    @contextlib.contextmanager
    def fork_rng(devices):
        forked.extend(devices)
        yield

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialized)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: None)
    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    with torch_seeded(1, "dropout"):
        assert forked == devices


def test_torch_seeded_leaves_the_users_seed_to_a_cuda_that_starts_later(monkeypatch):
    queued = []
    torch.manual_seed(7)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", queued.append)
    with torch_seeded(1, "dropout"):
        assert queued == [stream_key(1, "dropout")]
    assert queued[-1] == 7
