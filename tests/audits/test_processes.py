"""Every architecture: bitwise identical weights from two processes, and from a third that resumes the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbviz.models import ARCHITECTURES
from dbviz.runs import fitting

TRAIN = """
import sys
from pathlib import Path
import torch
from dbviz.data import DeviceBatches, shapes
from dbviz.models import ARCHITECTURES, build
from dbviz.spec import Recipe, Seeds
from dbviz.core.files import digest, load_tensors, save_tensors
from dbviz.training import Checkpoint, EpochMetrics, train

directory, resumes = Path(sys.argv[1]), sys.argv[2] == "resumes"
cpu, images = torch.device("cpu"), shapes(32)
for arch, known in ARCHITECTURES.items():
    adam = {"optimizer": "adam", "clip_norm": 1.0} if arch in ("vit", "mlp_mixer") else {}
    recipe = Recipe(epochs=2, learning_rate=0.02, batch_size=16, **adam)
    model, saved, start = build(arch, 10, known.multiple_of, seed=int(resumes)), directory / f"{arch}.safetensors", None
    if resumes:
        tensors, metrics = load_tensors(saved)
        start = Checkpoint(metrics=EpochMetrics(**metrics), tensors=tensors)
    batches = DeviceBatches.of(images, recipe, Seeds(), cpu)
    for checkpoint in train(model, batches, recipe, Seeds(), start=start):
        if checkpoint.metrics.epoch == 1 and not resumes:
            save_tensors(saved, checkpoint.tensors, vars(checkpoint.metrics))
    print(arch, digest(checkpoint.tensors))
"""


def start(directory: Path, mode: str, hash_seed: int) -> subprocess.Popen:
    directory.mkdir(exist_ok=True)
    package = str(Path(fitting.__file__).parents[2])
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": package, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", TRAIN, str(directory), mode]
    return subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digests(process: subprocess.Popen) -> dict[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return dict(line.split() for line in out.splitlines())


@pytest.mark.slow
def test_every_architecture_trains_to_identical_weights_in_two_processes_and_resumed_in_a_third(tmp_path):
    first = digests(start(tmp_path / "first", "complete", 1))
    processes = start(tmp_path / "second", "complete", 2), start(tmp_path / "first", "resumes", 3)
    second, resumed = map(digests, processes)
    assert list(first) == list(ARCHITECTURES)
    assert len(set(first.values())) > 1  # a Wide ResNet of width 1 is the same network under its three names
    assert second == first
    assert resumed == first
