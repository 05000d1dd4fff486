"""Labels from files: every layout gives the same labels; other contents raise one-line errors."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.data import ImageSet, labels_digest, read_labels

NAMES = ("cat", "dog", "star")
TRUE = np.array([0, 1, 2, 0, 1, 2])
WORSE = np.array([0, 2, 2, 1, 1, 0])


@pytest.fixture
def train() -> ImageSet:
    pixels = np.zeros((6, 1, 2, 2), np.uint8)
    common = {"class_names": NAMES, "mean": (0.0,), "std": (1.0,)}
    return ImageSet(name="made-up", split="train", pixels=pixels, labels=TRUE, **common)


def write(name: str, content: str) -> str:
    Path(name).write_text(content)
    return name


def test_every_layout_has_the_same_labels(train):
    np.save("labels.npy", WORSE.astype(np.uint8))
    np.savez("one.npz", WORSE)
    np.savez("human.npz", clean_label=TRUE, aggre_label=TRUE, worse_label=WORSE)  # CIFAR-10N's names
    write("plain.csv", "\n".join(map(str, WORSE)))
    write("headed.csv", "label\n" + "\n".join(map(str, WORSE)))
    write("named.csv", "\n".join(NAMES[k] for k in WORSE))
    write("two.csv", "clean_label,worse_label\n" + "\n".join(f"{a},{b}" for a, b in zip(TRUE, WORSE, strict=True)))
    sources = ["labels.npy", "one.npz", "human.npz:worse_label", "plain.csv", "headed.csv", "named.csv"]
    for source in [*sources, "two.csv:worse_label"]:
        labels = read_labels(source, train)
        assert labels.dtype == np.int64
        assert labels.tolist() == WORSE.tolist(), source


def test_the_digest_is_that_of_the_labels_whatever_their_file():
    assert labels_digest(WORSE) == labels_digest(WORSE.copy()) != labels_digest(TRUE)
    assert len(labels_digest(WORSE)) == 64


def test_a_pickled_file_is_refused_with_how_to_convert_it(train, monkeypatch):
    torch.save({"worse_label": WORSE}, "CIFAR-10_human.pt")
    np.save("objects.npy", np.array({"worse_label": WORSE}, dtype=object), allow_pickle=True)
    Path("bare.npy").write_bytes(pickle.dumps(WORSE))
    monkeypatch.setattr(pickle, "loads", None)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(InputError, match=r"CIFAR-10_human.pt is a pickle.*numpy.savez\('labels.npz'"):
        read_labels("CIFAR-10_human.pt", train)
    with pytest.raises(InputError, match=r"objects.npy holds pickled objects"):
        read_labels("objects.npy", train)
    with pytest.raises(InputError, match=r"bare.npy is a pickle"):
        read_labels("bare.npy", train)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("0\n1\n2", r"labels.csv has 3 labels: made-up has 6 training images"),
        ("0\n1\n2\n0\n1\n3", r"label 3 of image 5 is no class of made-up: give 0 ... 2"),
        ("0\n1\n2\n0\n1\n-1", r"label -1 of image 5 is no class"),
        ("cat\ndog\nstar\ncat\ndog\nstarr", r"unknown class in labels.csv: 'starr': did you mean 'star'"),
        ("0\n1,2", r"labels.csv cannot be read \(its lines have different numbers"),
        ("", r"labels.csv cannot be read \(it is empty"),
        ("a,b\n" + "0,1\n" * 6, r"labels.csv holds a, b: name one, such as labels.csv:b"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(content, match, train):
    with pytest.raises(InputError, match=match):
        read_labels(write("labels.csv", content), train)


def test_other_files_and_names_are_refused(train):
    np.savez("human.npz", aggre_label=TRUE, worse_label=WORSE)
    np.save("reals.npy", WORSE / 2)
    np.save("square.npy", WORSE.reshape(2, 3))
    Path("cut.npy").write_bytes(Path("reals.npy").read_bytes()[:90])
    write("labels.txt", "0")
    for source, match in {
        "human.npz:worst_label": "unknown labels in human.npz 'worst_label': did you mean 'worse_label'",
        "human.npz": "human.npz holds aggre_label, worse_label: name one",
        "reals.npy": "labels of type float64: give whole numbers",
        "square.npy": "has 2 x 3 labels",
        "cut.npy": "cut.npy cannot be read",
        "labels.txt": "labels.txt is no file of labels: give one of .npz, .npy, .csv",
        "absent.npz": "'absent.npz' is neither a rate",
    }.items():
        with pytest.raises(InputError, match=match):
            read_labels(source, train)


def test_labels_in_another_order_than_the_datasets_are_noticed(train):
    np.savez("human.npz", clean_label=TRUE[::-1], worse_label=WORSE)
    with pytest.raises(InputError, match=r"clean_label differs from the labels of made-up at 4 images, first"):
        read_labels("human.npz:worse_label", train)
