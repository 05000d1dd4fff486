"""Ray, as a real cluster on this machine: equal results, a killed worker, and addresses that lead nowhere."""

import socket
from pathlib import Path

import pytest

from dbviz.core.errors import InputError
from dbviz.executors import InProcess, Retried
from dbviz.executors.events import WORKER_DIED
from dbviz.executors.ray_cluster import RayCluster
from dbviz.sweeps import run_sweep


def contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.glob("*/*.safetensors"))}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_cluster_gives_the_bytes_of_this_process_also_when_a_worker_is_killed(killed_once, make, study, tmp_path):
    pytest.importorskip("ray")
    spec, once = killed_once
    failing = make("mlp", seeds=(0,), learning_rate=1e30, epochs=2, batch_size=16)
    others = make(seeds=(0, 1))
    told = []
    failed = run_sweep([spec, *others, *failing], study, RayCluster(), progress=False, on_event=told.append)
    assert [one.spec for one in failed] == failing
    assert "diverged in epoch 1 of 2" in failed[0].error
    assert once.exists()
    assert [event.why for event in told if isinstance(event, Retried)] == [WORKER_DIED]
    here = type(study)(**{**vars(study), "home": tmp_path / "here"})
    assert run_sweep([spec, *others], here, InProcess(), progress=False) == []
    assert contents(study.home) == contents(here.home)


def test_an_address_that_leads_nowhere_is_said_at_once(make, study):
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(InputError, match=rf"no Ray cluster can be reached at {address} .*leave --address out"):
            run_sweep(make(), study, RayCluster(address=address), progress=False)
    with pytest.raises(InputError, match="Ray address 'nowhere': give auto, HOST:PORT"):
        run_sweep(make(), study, RayCluster(address="nowhere"), progress=False)


def test_parts_of_gpus_that_cannot_be_booked_are_refused():
    for share in (-0.5, 1.5):
        with pytest.raises(InputError, match="gpus per run are"):
            RayCluster(gpus_per_run=share)
    assert RayCluster(gpus_per_run=0.25).gpus_per_run == 0.25
