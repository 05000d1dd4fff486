"""Ray, as a real cluster on this machine: bitwise identical files, a killed worker, and unreachable addresses."""

import socket
from types import SimpleNamespace

import pytest
from helpers import sealed_files

from dbviz.core.errors import InputError
from dbviz.executors import InProcess, Retried
from dbviz.executors.events import WORKER_DIED
from dbviz.executors.ray_cluster import RayCluster
from dbviz.sweeps import run_sweep


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_files_are_bitwise_identical_to_those_of_this_process_also_when_a_worker_is_killed(
    make, make_study, make_killed_run, tmp_path, monkeypatch
):
    pytest.importorskip("ray")
    monkeypatch.syspath_prepend(tmp_path)
    study, in_process = make_study(tmp_path / "home"), make_study(tmp_path / "in_process")
    killed = make_killed_run(tmp_path, study.home)
    (diverging,) = make("mlp", seeds=(0,), learning_rate=1e30, epochs=2, batch_size=16)
    good, events = [killed.spec, *make(seeds=(0, 1))], []
    (failed,) = run_sweep([*good, diverging], study, RayCluster(), progress=False, on_event=events.append)
    assert failed.item == diverging
    assert "diverged in epoch 1 of 2" in failed.error
    assert killed.marker.exists()
    assert [event.reason for event in events if isinstance(event, Retried)] == [WORKER_DIED]
    assert run_sweep(good, in_process, InProcess(), progress=False) == []
    assert sealed_files(study.home) == sealed_files(in_process.home)


def test_an_unreachable_address_is_reported_at_once(make, study):
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(InputError, match=rf"no Ray cluster can be reached at {address} .*leave --address out"):
            run_sweep(make(), study, RayCluster(address=address), progress=False)
    with pytest.raises(InputError, match="Ray address 'nowhere': give auto, HOST:PORT"):
        run_sweep(make(), study, RayCluster(address="nowhere"), progress=False)


def test_fractions_of_gpus_that_cannot_be_reserved_are_refused():
    for share in (-0.5, 1.5):
        with pytest.raises(InputError, match="gpus per run are"):
            RayCluster(gpus_per_run=share)
    assert RayCluster(gpus_per_run=0.25).gpus_per_run == 0.25


@pytest.mark.parametrize(
    ("resources", "gpus_per_run", "slots"),
    [
        ({"CPU": 8.0}, 0.0, 8),
        ({"CPU": 8.0, "GPU": 1.0}, 0.25, 4),
        ({"CPU": 2.0, "GPU": 1.0}, 0.25, 2),
        ({"CPU": 8.0, "GPU": 4.0}, 2.0, 2),
        ({}, 0.0, 1),
    ],
)
def test_as_many_runs_as_fit_into_the_clusters_cpus_and_gpus(resources, gpus_per_run, slots):
    cluster = RayCluster(gpus_per_run=gpus_per_run)
    assert cluster._slots(SimpleNamespace(cluster_resources=lambda: resources)) == slots


def test_gpus_that_the_cluster_does_not_have_are_refused():
    with pytest.raises(InputError, match="--gpus-per-run needs GPUs, but the cluster has none"):
        RayCluster(gpus_per_run=0.5)._slots(SimpleNamespace(cluster_resources=lambda: {"CPU": 8.0}))
