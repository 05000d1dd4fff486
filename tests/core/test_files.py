"""Files: written atomically, verified when they are read, and never a pickle."""

import errno
import itertools
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.core.files import assign_weights, atomic_write, digest, load_tensors, load_weights, save_tensors


def state() -> dict[str, Tensor]:
    """A tensor of every kind that a checkpoint has."""
    values = torch.arange(24, dtype=torch.float32) / 7
    return {
        "weight": values.view(2, 3, 2, 2).to(memory_format=torch.channels_last),
        "half": values.bfloat16(),
        "steps": torch.tensor(7, dtype=torch.int64),
        "flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "strided": values.view(4, 6)[:, ::2],
        "special": torch.tensor([float("nan"), float("inf"), -0.0]),
        "learnt": nn.Parameter(torch.ones(2)),
    }


# ---- tensors


def test_tensors_and_metadata_are_read_bitwise(tmp_path):
    save_tensors(tmp_path / "x.safetensors", state(), {"epochs": [1, 2.5], "name": "ä"})
    tensors, metadata = load_tensors(tmp_path / "x.safetensors")
    assert metadata == {"epochs": [1, 2.5], "name": "ä"}
    assert tensors.keys() == state().keys()
    for name, tensor in state().items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert digest({"": tensors[name]}) == digest({"": tensor})
    assert torch.equal(tensors["weight"], state()["weight"])
    assert tensors["steps"].item() == 7


def test_the_same_state_has_the_same_bytes_in_any_order_and_layout(tmp_path):
    backwards = {name: tensor.contiguous() for name, tensor in reversed(state().items())}
    save_tensors(tmp_path / "a", state(), {"x": 1, "y": 2})
    save_tensors(tmp_path / "b", backwards, {"y": 2, "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tensors_that_share_memory_are_stored(tmp_path):
    tied = nn.Linear(2, 2).weight
    save_tensors(tmp_path / "x", {"encoder": tied, "decoder": tied}, {})
    tensors, _ = load_tensors(tmp_path / "x")
    assert torch.equal(tensors["encoder"], tied)
    assert torch.equal(tensors["decoder"], tied)


def test_the_digest_distinguishes_names_types_shapes_and_values():
    zeros = torch.zeros(4)
    others = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.view(2, 2)},
        {"a": zeros.int()},
        {"a": torch.tensor([0, 0, 0, -0.0])},
        {"a": zeros, "b": torch.empty(0)},
        {"a": zeros[:3], "b": zeros[:1]},
    ]
    assert len({digest(tensors) for tensors in others}) == len(others)


@pytest.fixture
def saved(tmp_path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"bias": torch.ones(3), "weight": torch.arange(6.0).view(2, 3)}, {"epochs": [{"epoch": 1}]})
    return path


def test_a_truncated_file_is_reported_as_damaged_wherever_it_ends(saved):
    whole = saved.read_bytes()
    for length in (0, 1, 7, 8, 9, len(whole) // 3, len(whole) - 33, len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"weights.safetensors is damaged.*\n?.*delete it"):
            load_tensors(saved)


def test_a_flipped_byte_is_detected_wherever_it_is(saved):
    whole, right = saved.read_bytes(), load_tensors(saved)
    for place in range(len(whole)):
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            tensors, metadata = load_tensors(saved)
        except InputError:
            continue
        # what is read in spite of it must be what was written
        assert digest(tensors) == digest(right[0]), f"byte {place}"
        assert metadata == right[1], f"byte {place}"


def test_a_file_of_another_program_is_read_only_as_foreign(tmp_path):

    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    tensors, metadata = load_tensors(tmp_path / "x.safetensors", foreign=True)
    assert tensors["a"].tolist() == [1, 1]
    assert metadata == {}
    with pytest.raises(InputError, match="do not match the digest"):
        load_tensors(tmp_path / "x.safetensors")


class Malicious:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


@pytest.fixture
def pickles(tmp_path, monkeypatch) -> Iterator[list[Path]]:
    """A torch zip, torch's older format, and a bare pickle; then nothing may be unpickled."""
    paths = [tmp_path / "zip.pth", tmp_path / "legacy.pt", tmp_path / "bare.pkl"]
    torch.save({"w": torch.ones(2), "x": Malicious()}, paths[0])
    torch.save({"w": torch.ones(2), "x": Malicious()}, paths[1], _use_new_zipfile_serialization=False)
    paths[2].write_bytes(pickle.dumps(Malicious()))

    def never(*_, **__):
        raise AssertionError("a pickle was opened")

    for owner, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(owner, name, never)
    yield paths
    assert not Path("executed").exists()


def test_a_pickle_is_refused_unopened_with_how_to_convert_it(pickles):
    for path in pickles:
        for read in (load_tensors, lambda path: load_weights(nn.Linear(1, 1), path)):
            with pytest.raises(InputError, match=rf"{path.name} is a pickle.*safetensors.torch.save_file") as error:
                read(path)
            assert "\n" not in str(error.value)


def test_a_damaged_file_is_not_mistaken_for_a_pickle(tmp_path):
    # a header of 128 or 640 bytes makes the first byte that of a pickle
    for pad, wanted in itertools.product(range(0, 700, 8), (128, 640)):
        save_tensors(tmp_path / "x", {"a": torch.ones(3)}, {"pad": "." * pad})
        whole = (tmp_path / "x").read_bytes()
        if int.from_bytes(whole[:8], "little") == wanted:
            break
    else:
        whole = (640).to_bytes(8, "little") + b"{" + b" " * 600
    assert whole[0] == 0x80
    (tmp_path / "x").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="is damaged"):
        load_tensors(tmp_path / "x")


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.safetensors does not exist"):
        load_tensors(tmp_path / "nothing.safetensors")
    with pytest.raises(InputError, match="is a directory"):
        load_tensors(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="below"):
        load_tensors(tmp_path / "file" / "below")


# ---- weights


def test_weights_are_loaded_into_a_module(tmp_path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    save_tensors(tmp_path / "x", source.state_dict(), {})
    load_weights(target, tmp_path / "x")
    assert digest(target.state_dict()) == digest(source.state_dict())


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (nn.Linear(4, 2), r"weight is \(2, 3\) there, the network has \(2, 4\)"),
        (nn.Linear(3, 2, bias=False), r"bias is \(2,\) there, the network has absent"),
        (nn.Sequential(nn.Linear(3, 2)), r"0.bias is absent there, the network has \(2,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name_and_change_nothing(module, match, tmp_path):
    save_tensors(tmp_path / "x.safetensors", nn.Linear(3, 2).state_dict(), {})
    before = digest(module.state_dict())
    with pytest.raises(InputError, match=f"x.safetensors does not fit the network: {match}.*--width"):
        load_weights(module, tmp_path / "x.safetensors")
    assert digest(module.state_dict()) == before


# ---- atomic writes


def disk_full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(owner, name, tmp_path, monkeypatch):
    atomic_write(tmp_path / "x", b"old")
    monkeypatch.setattr(owner, name, disk_full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "x", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_seen_half_written(tmp_path, monkeypatch):
    atomic_write(tmp_path / "x", b"old")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((tmp_path / "x").read_bytes()))
    atomic_write(tmp_path / "x", b"new")
    assert seen == [b"old"]
    assert (tmp_path / "x").read_bytes() == b"new"


def test_folders_on_the_way_are_created(tmp_path):
    atomic_write(tmp_path / "a" / "b" / "x", b"1")
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"1"


def test_a_part_of_a_module_can_be_skipped():
    body, head = nn.Linear(2, 2), nn.Linear(2, 3)
    before = head.weight.detach().clone()
    tensors = {"0.weight": torch.ones(2, 2), "0.bias": torch.zeros(2), "1.weight": torch.zeros(7, 2)}
    assign_weights(nn.Sequential(body, head), tensors, "elsewhere", skip="1")
    assert torch.equal(body.weight, torch.ones(2, 2))
    assert torch.equal(head.weight, before)
