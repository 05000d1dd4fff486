"""Ray, as a real cluster on this machine: bitwise identical files, a killed worker, and unreachable addresses."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers import sealed_files

from dbviz.core.errors import InputError
from dbviz.executors import Finished, InProcess, Retried, Started, nodes, ray_cluster, run_tasks
from dbviz.executors.events import WORKER_DIED
from dbviz.executors.ray_cluster import RayCluster
from dbviz.label_maps import content_digest
from dbviz.label_maps.gathering import Sampling, parts_of, sample_in_parts
from dbviz.planes import draw_planes
from dbviz.runs import store
from dbviz.runs.specs import make_specs
from dbviz.runs.task import Training
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_nodes_of_which_one_is_killed_make_the_weights_and_label_maps_of_one_process(small_images, tmp_path):
    """Three networks under three seeds on twenty planes."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    tiny: dict[str, Any] = {"images": small_images, "preset": "quick", "device": torch.device("cpu")}
    tiny |= {"width": 16, "train_size": 64, "epochs": 2}
    specs = make_specs(["mlp", "fcnet", "resnet18"], range(3), **tiny)
    planes = draw_planes(small_images.test, 20)
    parts = parts_of([spec.name for spec in specs], 20, 10, torch.device("cpu"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second, events = cluster.add_node(num_cpus=1), []

    def kill_after_two_runs(event):
        events.append(event)
        if sum(isinstance(event, Finished) for event in events) == 2 and second in cluster.worker_nodes:
            cluster.remove_node(second, allow_graceful=False)

    def made_by(executor, name):
        home = tmp_path / name
        task = Training(dataset=small_images.name, images=small_images, home=home, device="cpu")
        assert run_tasks(dict.fromkeys(specs, 1.0), task, executor, progress=False, on_event=kill_after_two_runs) == []
        runs = {spec.name: run for spec in specs if (run := store.find(spec, home))}
        sampling = Sampling(runs=runs, planes=planes, resolution=10, padding=0.1, confidence=True, device="cpu")
        maps = sample_in_parts(sampling, parts, executor, tmp_path / f"{name}.parts")
        return [run.fingerprint for run in runs.values()], content_digest(maps)

    try:
        by_cluster = made_by(RayCluster(address=cluster.address, threads=1, shared=tmp_path), "cluster")
    finally:
        cluster.shutdown()
    assert second not in cluster.worker_nodes
    assert len([event for event in events if isinstance(event, Finished)]) == 9
    assert by_cluster == made_by(InProcess(threads=1), "here")


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


def cluster_of(*nodes: dict[str, float]) -> Any:
    """A stand-in for the module `ray`, connected to a cluster of such nodes and a dead one."""
    alive = [{"Alive": True, "Resources": node} for node in nodes]
    dead = {"Alive": False, "Resources": {"CPU": 100.0, "GPU": 100.0}}
    return SimpleNamespace(nodes=lambda: [*alive, dead])


@pytest.mark.parametrize(
    ("nodes", "gpus_per_run", "threads", "slots"),
    [
        ([{"CPU": 8.0}], 0.0, 1, 8),
        ([{"CPU": 8.0}], 0.0, 3, 2),
        ([{"CPU": 3.0}, {"CPU": 3.0}], 0.0, 2, 2),  # a run does not spread over nodes
        ([{"CPU": 8.0, "GPU": 1.0}], 0.25, 1, 4),
        ([{"CPU": 2.0, "GPU": 1.0}], 0.25, 1, 2),
        ([{"CPU": 8.0, "GPU": 4.0}], 2.0, 1, 2),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}], 1.0, 1, 1),
    ],
)
def test_as_many_runs_as_fit_into_the_nodes(nodes, gpus_per_run, threads, slots):
    assert RayCluster(gpus_per_run=gpus_per_run, threads=threads)._slots(cluster_of(*nodes)) == slots


def test_gpus_that_the_cluster_does_not_have_are_refused():
    with pytest.raises(InputError, match="--gpus-per-run needs GPUs, but the cluster has none"):
        RayCluster(gpus_per_run=0.5)._slots(cluster_of({"CPU": 8.0}))


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (RayCluster(threads=4), "no node of the cluster has the 4 CPUs of a run: lower --threads"),
        (RayCluster(threads=1, gpus_per_run=2.0), "has the 1 CPUs and 2 GPUs of a run"),
    ],
)
def test_runs_that_fit_into_no_node_are_refused_instead_of_waiting(cluster, message):
    with pytest.raises(InputError, match=message):
        cluster._slots(cluster_of({"CPU": 2.0, "GPU": 1.0}, {"CPU": 3.0, "GPU": 1.0}))


def test_zero_threads_are_refused():
    with pytest.raises(InputError, match="0 threads"):
        RayCluster(threads=0)


class FakeRay:
    """A stand-in for the module `ray` that does tasks at once and keeps the options they are started with."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        lost = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError", "RayTaskError")
        self.exceptions = SimpleNamespace(**{name: type(name, (Exception,), {"cause": "why"}) for name in lost})
        self.results: list[Any] = []
        self.function: Any = None

    def init(self, **_: Any) -> None: ...
    def shutdown(self) -> None: ...

    def put(self, task: Any) -> Any:
        return task

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}]

    def remote(self, **options: Any) -> Any:
        self.options = options

        def start(*arguments: Any) -> object:
            key = object()
            self.results.append((key, self.function(*arguments)))
            return key

        def decorate(function: Any) -> Any:
            self.function = function
            return SimpleNamespace(remote=start)

        return decorate

    def wait(self, running: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return running[:1], running[1:]

    def get(self, done: Any) -> Any:
        result = next(result for key, result in self.results if key is done)
        if isinstance(result, Exception) and not isinstance(result, InputError):
            raise result
        return result


@pytest.fixture
def fake_ray(monkeypatch) -> FakeRay:
    ray = FakeRay()
    monkeypatch.setattr(ray_cluster, "_connected", lambda _: ray)
    return ray


def test_a_run_reserves_its_threads_and_gpus_and_a_worker_that_used_a_gpu_ends(make, fake_ray):
    (spec,) = make(seeds=(0,))
    assert [type(e) for e in RayCluster(gpus_per_run=0.25, threads=2).run([spec], str)] == [Started, Finished]
    assert fake_ray.options == {"num_cpus": 2, "num_gpus": 0.25, "max_retries": 0, "max_calls": 1}
    list(RayCluster(threads=1).run([spec], str))
    assert fake_ray.options == {"num_cpus": 1, "num_gpus": 0.0, "max_retries": 0}


@pytest.mark.usefixtures("fake_ray")
def test_a_task_has_the_threads_of_its_cluster(make):
    events = list(RayCluster(threads=3).run(make(seeds=(0,)), lambda _: torch.get_num_threads()))
    assert [event.result for event in events if isinstance(event, Finished)] == [3]


@pytest.mark.usefixtures("fake_ray")
def test_a_cluster_that_does_not_share_the_directory_is_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "_appears", lambda *_: False)
    with pytest.raises(InputError, match=f"does not share {tmp_path} with the command: give a --home"):
        list(RayCluster(threads=1, shared=tmp_path).run(make(seeds=(0,)), str))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fake_ray")
def test_a_cluster_of_two_versions_is_refused(make, monkeypatch):
    monkeypatch.setattr(nodes, "source_version", iter(["new", "old", "old"]).__next__)
    with pytest.raises(InputError, match="has dbviz old, and the command new: install the same version"):
        list(RayCluster(threads=1).run(make(seeds=(0,)), str))


def test_a_node_that_cannot_load_dbviz_is_refused(make, fake_ray, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_attempt_on_node", lambda *_: fake_ray.exceptions.RayTaskError())
    with pytest.raises(InputError, match=r"cannot run this dbviz \(why\): install the same version on every node"):
        list(RayCluster(threads=1).run(make(seeds=(0,)), str))


@pytest.mark.parametrize("error", ["WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError"])
def test_what_is_lost_with_a_node_is_done_again(error, make, fake_ray, monkeypatch):
    attempts = iter([getattr(fake_ray.exceptions, error)()])
    attempt = ray_cluster._attempt_on_node
    monkeypatch.setattr(ray_cluster, "_attempt_on_node", lambda *a: next(attempts, None) or attempt(*a))
    events = list(RayCluster(threads=1).run(make(seeds=(0,)), str))
    assert [type(event) for event in events] == [Started, Retried, Started, Finished]
