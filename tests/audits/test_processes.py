"""Every architecture: the same bits in two processes, and in a third that continues what the first left off."""

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
from dbviz.sealed import digest, load_tensors, save_tensors
from dbviz.training import Checkpoint, EpochMetrics, train

place, resumes = Path(sys.argv[1]), sys.argv[2] == "resumes"
cpu, images = torch.device("cpu"), shapes(32)
for arch, known in ARCHITECTURES.items():
    adam = {"optimizer": "adam", "clip_norm": 1.0} if arch in ("vit", "mlp_mixer") else {}
    recipe = Recipe(epochs=2, learning_rate=0.02, batch_size=16, **adam)
    model, kept, start = build(arch, 10, known.multiple_of, seed=int(resumes)), place / f"{arch}.safetensors", None
    if resumes:
        tensors, metrics = load_tensors(kept)
        start = Checkpoint(metrics=EpochMetrics(**metrics), tensors=tensors)
    batches = DeviceBatches.of(images, recipe, Seeds(), cpu)
    for checkpoint in train(model, batches, recipe, Seeds(), start=start):
        if checkpoint.metrics.epoch == 1 and not resumes:
            save_tensors(kept, checkpoint.tensors, vars(checkpoint.metrics))
    print(arch, digest(checkpoint.tensors))
"""


def started(place: Path, how: str, hash_seed: int) -> subprocess.Popen:
    place.mkdir(exist_ok=True)
    package = str(Path(fitting.__file__).parents[2])
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": package, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", TRAIN, str(place), how]
    return subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digests(process: subprocess.Popen) -> dict[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return dict(line.split() for line in out.splitlines())


@pytest.mark.slow
def test_every_architecture_gives_the_same_bits_in_two_processes_and_resumed_in_a_third(tmp_path):
    one = digests(started(tmp_path / "one", "whole", 1))
    processes = started(tmp_path / "other", "whole", 2), started(tmp_path / "one", "resumes", 3)
    other, resumed = map(digests, processes)
    assert list(one) == list(ARCHITECTURES)
    assert len(set(one.values())) > 1  # a Wide ResNet of width 1 is the same one under its three names
    assert other == one
    assert resumed == one
