"""The built-in dataset on disk: rendered once, verified, and never an error."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from dbviz.core.files import load_tensors
from dbviz.data import Images, load_images, shapes
from dbviz.data import shapes_cache as module
from dbviz.data.shapes_cache import cache_path, load_shapes

COUNTS = {"train": 60, "test": 20}


@pytest.fixture
def rendered() -> Images:
    return Images(train=shapes(60), test=shapes(20, split="test"))


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits that were rendered, one entry for each rendering of more than the fingerprint of the file's name."""
    splits = []

    def counting(count: int, *, split: str = "train"):
        if count != 100:
            splits.append(split)
        return shapes(count, split=split)

    monkeypatch.setattr(module, "shapes", counting)
    return splits


def assert_equal(images: Images, expected: Images) -> None:
    for split in ("train", "test"):
        actual, reference = images.split(split), expected.split(split)
        assert np.array_equal(actual.pixels, reference.pixels)
        assert actual.pixels.dtype == np.uint8
        assert actual.pixels.flags.c_contiguous
        assert np.array_equal(actual.labels, reference.labels)
        assert repr(actual) == repr(reference)
        assert (actual.class_names, actual.mean, actual.std) == (reference.class_names, reference.mean, reference.std)


def test_images_are_rendered_once_and_are_those_of_the_renderer(tmp_path, rendered, renderings):
    for _ in range(2):
        assert_equal(load_shapes(tmp_path / "new" / "folder", **COUNTS), rendered)
    assert renderings == ["train", "test"]


def test_the_dataset_has_its_documented_size_and_is_kept_in_the_data_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "shapes", lambda count, split="train": shapes(max(count // 200, 10), split=split))
    images = load_images("shapes", tmp_path)
    assert (len(images.train), len(images.test)) == (100, 20)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "another file"])
def test_a_damaged_file_is_rendered_and_written_again(damage, tmp_path, rendered, renderings):
    load_shapes(tmp_path, **COUNTS)
    path = cache_path(tmp_path, COUNTS)
    content = path.read_bytes()
    flipped = bytes([content[-1] ^ 1])
    path.write_bytes(
        {"empty": b"", "truncated": content[:-9], "flipped": content[:-1] + flipped, "another file": b"x" * 100}[damage]
    )
    assert_equal(load_shapes(tmp_path, **COUNTS), rendered)
    assert renderings == ["train", "test"] * 2
    assert path.read_bytes() == content
    assert load_tensors(path)[0].keys() == COUNTS.keys()


def test_a_data_directory_that_cannot_be_written_to_is_no_error(tmp_path, rendered):
    (tmp_path / "file").write_text("not a folder")
    assert_equal(load_shapes(tmp_path / "file", **COUNTS), rendered)
    assert_equal(load_shapes(tmp_path / "file" / "below", **COUNTS), rendered)


def test_a_full_disk_is_no_error(tmp_path, rendered, monkeypatch):
    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_equal(load_shapes(tmp_path, **COUNTS), rendered)
    assert list(tmp_path.iterdir()) == []


def test_another_renderer_or_another_size_has_another_file(tmp_path, monkeypatch):
    paths = {cache_path(tmp_path, COUNTS), cache_path(tmp_path, COUNTS | {"test": 21})}
    monkeypatch.setattr(module, "shapes", lambda count, **_: shapes(count, seed=1))
    paths.add(cache_path(tmp_path, COUNTS))
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"another source")
    paths.add(cache_path(tmp_path, COUNTS))
    assert len(paths) == 4


def test_two_processes_at_once_both_have_the_images(tmp_path, rendered):
    code = f"""
        import hashlib
        from pathlib import Path
        from dbviz.data.shapes_cache import load_shapes
        images = load_shapes(Path({str(tmp_path)!r}), train=60, test=20)
        print(hashlib.sha256(images.train.pixels.tobytes() + images.test.pixels.tobytes()).hexdigest())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {process.communicate(timeout=100)[0] for process in processes}
    assert len(digests) == 1
    assert_equal(load_shapes(tmp_path, **COUNTS), rendered)
    assert len(list(tmp_path.iterdir())) == 1
