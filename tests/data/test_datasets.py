"""Datasets by name: the published files are read completely; damaged and absent ones raise one-line errors."""

import dataclasses
import hashlib
import importlib.abc
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torchvision.datasets
import torchvision.datasets.cifar
import torchvision.datasets.svhn

from dbviz.core.errors import InputError
from dbviz.data import DATASETS, load_images
from dbviz.data.cifar import CIFAR10, CIFAR100
from dbviz.data.datasets import data_directory
from dbviz.data.official_files import ensure_files

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_pickle(path: Path, content: object) -> str:
    """Writes it in the format of the official archives; returns the MD5 sum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    return md5(path)


@pytest.fixture
def cifar10_copy(cifar10_directory: Path, tmp_path: Path) -> Path:
    """A copy of the official files, to be damaged."""
    return Path(shutil.copytree(cifar10_directory, tmp_path / "copy"))


@pytest.fixture
def cifar100_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six training and three test images in CIFAR-100's layout, with dbviz and torchvision patched to expect them."""
    source, folder = torchvision.datasets.CIFAR100, tmp_path / "tiny" / "cifar-100-python"
    sums = {}
    for file, count in (("train", 6), ("test", 3)):
        pixels = np.arange(count * 3072).reshape(count, 3072) % 251
        content = {"data": pixels.astype(np.uint8), "fine_labels": [99 - i for i in range(count)]}
        sums[file] = write_pickle(folder / file, content | {"coarse_labels": [0] * count})
    names = [f"kind {i}" for i in range(100)]
    sums["meta"] = write_pickle(folder / "meta", {"fine_label_names": names, "coarse_label_names": ["all"]})
    monkeypatch.setattr(source, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(source, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(source, "meta", source.meta | {"md5": sums["meta"]})
    tiny = dataclasses.replace(CIFAR100, **{part: {part: md5} for part, md5 in sums.items()})
    monkeypatch.setitem(DATASETS, "cifar100", tiny.load)
    return folder.parent


@pytest.fixture
def svhn_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five training and two test images in SVHN's layout, where class 10 is the digit zero."""
    root, listed = tmp_path / "digits", {}
    root.mkdir()
    for split, digits in (("train", [1, 10, 3, 9, 10]), ("test", [10, 2])):
        file = root / f"{split}_32x32.mat"
        pixels = np.arange(32 * 32 * 3 * len(digits)).reshape(32, 32, 3, len(digits)) % 251
        scipy.io.savemat(file, {"X": pixels.astype(np.uint8), "y": np.array(digits, np.uint8)[:, None]})
        listed[split] = ["http://nowhere", file.name, md5(file)]
    extra = torchvision.datasets.SVHN.split_list["extra"]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed | {"extra": extra})
    return root


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every download fails as it does without a network."""

    def fail(*_: object, **__: object) -> None:
        raise URLError("Name or service\nnot known")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", fail)
    monkeypatch.setattr(torchvision.datasets.svhn, "download_url", fail)


def test_an_unknown_name_suggests_the_closest():
    with pytest.raises(InputError, match=r"^unknown dataset 'cifra10': did you mean 'cifar10'\? Known: cifar10, cifar"):
        load_images("cifra10")


def test_the_data_directory_is_the_argument_else_the_setting_else_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DBVIZ_DATA", "/from/setting")
    assert data_directory(tmp_path) == tmp_path
    assert data_directory("~/images") == Path.home() / "images"
    assert data_directory() == Path("/from/setting")
    monkeypatch.delenv("DBVIZ_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/from/cache")
    assert data_directory().name == "dbviz"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", [name for name in DATASETS if name != "shapes"])
def test_absent_files_that_cannot_be_downloaded_name_both_remedies(name, tmp_path):
    with pytest.raises(InputError) as caught:
        load_images(name, tmp_path / "empty")
    message = str(caught.value)
    assert message.startswith(f"{name} is not in {tmp_path / 'empty'} and could not be downloaded (")
    assert "Name or service not known" in message
    assert "--data-dir (or $DBVIZ_DATA)" in message
    assert "--dataset shapes" in message
    assert "\n" not in message


@pytest.mark.usefixtures("offline")
def test_a_data_directory_that_is_a_file_is_a_one_line_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="--data-dir"):
        load_images("cifar10", tmp_path / "file")


def test_absent_files_are_downloaded(cifar100_files, monkeypatch, tmp_path):
    place, urls = tmp_path / "new", []

    def download(url: str, root: str, **_: object) -> None:
        urls.append(url)
        shutil.copytree(cifar100_files, root, dirs_exist_ok=True)

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", download)
    for _ in range(2):
        assert len(load_images("cifar100", place).train) == 6
    assert urls == [torchvision.datasets.CIFAR100.url]


@pytest.mark.parametrize("cifar", [CIFAR10, CIFAR100], ids=lambda cifar: cifar.name)
def test_the_sums_of_cifar_are_those_of_torchvision(cifar):
    source = getattr(torchvision.datasets, cifar.name.upper())
    assert list(cifar.train.items()) == [tuple(entry) for entry in source.train_list]
    assert list(cifar.test.items()) == [tuple(entry) for entry in source.test_list]
    assert cifar.meta == {source.meta["filename"]: source.meta["md5"]}
    assert (cifar.folder, cifar.class_names_key) == (source.base_folder, source.meta["key"])


def test_the_real_cifar10_is_what_torchvision_reads(cifar10_directory):
    images = load_images("cifar10", cifar10_directory)
    for split in ("train", "test"):
        reference = torchvision.datasets.CIFAR10(cifar10_directory, train=split == "train")
        assert np.array_equal(images.split(split).pixels, reference.data.transpose(0, 3, 1, 2))
        assert images.split(split).labels.tolist() == reference.targets
        assert images.class_names == tuple(reference.classes)


def test_cifar_is_read_without_torchvision_and_without_the_compiler(cifar10_directory):
    code = f"""
        import sys, dbviz
        dbviz.load_images("cifar10", {str(cifar10_directory)!r})
        print([name for name in ("torchvision", "torch._dynamo", "torch._inductor") if name in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_real_cifar10_is_complete(cifar10_directory):
    images = load_images("cifar10", cifar10_directory)
    assert (len(images.train), len(images.test)) == (50_000, 10_000)
    assert images.class_names == CIFAR10_CLASSES
    assert images.image_shape == (3, 32, 32)
    assert images.train.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert images.test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert np.bincount(images.train.labels).tolist() == [5000] * 10
    assert np.bincount(images.test.labels).tolist() == [1000] * 10
    # the first image, a frog, begins with (59, 62, 63)
    assert images.train.pixels[0, :, 0, 0].tolist() == [59, 62, 63]
    assert images.train.pixels[0, :, 0, 1].tolist() == [43, 46, 45]
    means = images.train.pixels.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
    assert images.train.mean == (0.4914, 0.4822, 0.4465)
    assert images.train.std == (0.2023, 0.1994, 0.2010)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_damaged_file_is_named(cifar10_copy, file):
    path = cifar10_copy / "cifar-10-batches-py" / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError) as caught:
        load_images("cifar10", cifar10_copy)
    assert str(caught.value) == (f"{path} is damaged (not the official MD5 sum): delete it, and it is downloaded again")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("file", ["data_batch_3", "batches.meta"])
def test_one_missing_file_is_an_error_as_all_are(cifar10_copy, file):
    (cifar10_copy / "cifar-10-batches-py" / file).unlink()
    with pytest.raises(InputError, match=r"^cifar10 is not in .* and could not be downloaded"):
        load_images("cifar10", cifar10_copy)


def test_a_missing_file_is_downloaded_again(cifar100_files, monkeypatch, tmp_path):
    place = tmp_path / "partial"
    shutil.copytree(cifar100_files, place)
    (place / "cifar-100-python" / "test").unlink()

    def download(_: str, root: str, **__: object) -> None:
        shutil.copytree(cifar100_files, root, dirs_exist_ok=True)

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", download)
    assert load_images("cifar100", place).class_names[0] == "kind 0"


def test_a_download_that_leaves_out_a_file_is_an_error(cifar100_files):
    names = {f"cifar-100-python/{file}": md5(cifar100_files / "cifar-100-python" / file) for file in ("train", "test")}
    with pytest.raises(InputError, match="absent is damaged"):
        ensure_files("cifar100", cifar100_files, names | {"cifar-100-python/absent": "0" * 32}, lambda: None)


def test_a_foreign_pickle_is_not_opened(cifar100_files):
    class Trap:
        def __reduce__(self) -> tuple:
            return (exec, ("import pathlib; pathlib.Path('sprung').touch()",))

    for file in ("train", "test", "meta"):
        original = (cifar100_files / "cifar-100-python" / file).read_bytes()
        write_pickle(cifar100_files / "cifar-100-python" / file, Trap())
        with pytest.raises(InputError, match="is damaged"):
            load_images("cifar100", cifar100_files)
        assert not Path("sprung").exists()
        (cifar100_files / "cifar-100-python" / file).write_bytes(original)


def test_cifar100_is_read_with_its_fine_labels(cifar100_files):
    images = load_images("cifar100", cifar100_files)
    assert (len(images.train), len(images.test)) == (6, 3)
    assert images.train.labels.tolist() == [99, 98, 97, 96, 95, 94]
    assert images.class_names == tuple(f"kind {i}" for i in range(100))
    expected = (np.arange(6 * 3072) % 251).astype(np.uint8).reshape(6, 3, 32, 32)
    assert np.array_equal(images.train.pixels, expected)
    assert images.train.mean == (0.5071, 0.4865, 0.4409)


def test_svhn_is_read_with_ten_as_zero(svhn_files):
    images = load_images("svhn", svhn_files)
    assert images.train.labels.tolist() == [1, 0, 3, 9, 0]
    assert images.test.labels.tolist() == [0, 2]
    assert images.class_names == tuple("0123456789")
    stored = (np.arange(32 * 32 * 3 * 5) % 251).astype(np.uint8).reshape(32, 32, 3, 5)
    assert images.image_shape == (3, 32, 32)
    assert images.train.pixels[4, 2, 7, 30] == stored[7, 30, 2, 4]
    assert np.array_equal(images.train.pixels, stored.transpose(3, 2, 0, 1))


def test_a_damaged_svhn_file_is_named(svhn_files):
    path = svhn_files / "test_32x32.mat"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"test_32x32\.mat is damaged"):
        load_images("svhn", svhn_files)


def test_a_torchvision_built_for_another_torch_is_explained(monkeypatch, tmp_path):
    class Mismatch(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == "torchvision":
                raise RuntimeError("operator torchvision::nms does not exist")

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Mismatch(), *sys.meta_path])
    with pytest.raises(InputError) as caught:
        load_images("cifar10", tmp_path)
    assert str(caught.value) == (
        "torchvision cannot be imported (operator torchvision::nms does not exist): it was built for another torch; "
        "install both from the same index (docs/installation.md), or use the built-in --dataset shapes"
    )
