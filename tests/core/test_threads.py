"""Threads: how many by default, and that they are set and restored."""

import os

import pytest
import torch

from dbviz.core import threads
from dbviz.core.threads import default_threads, using_threads


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (7, 1), (8, 2), (64, 16)])
def test_a_run_has_a_quarter_of_the_cores(cores, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # which is of no account
    assert threads.cores() == cores
    assert default_threads() == expected


def test_threads_are_set_and_restored_also_after_an_error():
    before = torch.get_num_threads()
    with using_threads(before + 2):
        assert torch.get_num_threads() == before + 2
    with pytest.raises(KeyError), using_threads(before + 2):
        raise KeyError
    assert torch.get_num_threads() == before
    with using_threads(None):
        assert torch.get_num_threads() == before
