"""Archives: predictions survive in half the bytes, and files never grow above their limit."""

import numpy as np
import pytest
import xarray as xr

import dbviz
from dbviz.core.errors import InputError
from dbviz.data import Images, shapes
from dbviz.label_maps import archive as archives
from dbviz.label_maps import load, save
from dbviz.runs import Run

IMAGES = Images(train=shapes(80), test=shapes(40, split="test"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    """Two networks, of one and of three epochs."""
    tiny = {"dataset": IMAGES, "width": 16, "train_size": 64, "preset": "quick", "progress": False, "device": "cpu"}
    home = tmp_path_factory.mktemp("home")
    return [dbviz.fit("fcnet", epochs=epochs, home=home, **tiny)[0] for epochs in (1, 3)]


@pytest.fixture(scope="module")
def entries(runs) -> list[xr.Dataset]:
    planes = dbviz.draw_planes(IMAGES.test, 3)
    wrong = np.full(80, archives.NOT_TRAINED_ON, np.uint8)
    wrong[:64] = 1
    return [
        archives.entry(run, dbviz.sample(run, planes, resolution=6, device="cpu"), wrong, sampling_seconds=2.0)
        for run in runs
    ]


def test_half_keeps_every_prediction():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4000, 10)).astype(np.float32) * 1e-3 + 5  # most are equal in half precision
    assert (logits.astype(np.float16).argmax(axis=1) != logits.argmax(axis=1)).mean() > 0.5
    assert (archives.half(logits).argmax(axis=1) == logits.argmax(axis=1)).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_half_is_close_to_the_logits(scale):
    logits = (np.random.default_rng(1).standard_normal((200, 10)) * scale).astype(np.float32)
    halved = archives.half(logits)
    assert halved.dtype == np.float16
    assert np.isfinite(halved).all()
    assert (halved.argmax(axis=1) == logits.argmax(axis=1)).all()
    if scale == 1.0:
        np.testing.assert_allclose(halved, logits, rtol=2**-10)


def test_half_of_equal_logits_predicts_the_first():
    assert archives.half(np.zeros((1, 3), np.float32)).argmax() == 0


def test_entry_has_the_logits_and_metrics_of_its_run(runs, entries):
    for run, entry in zip(runs, entries, strict=True):
        outputs = run.test_logits().numpy()
        assert (archives.predictions(entry)[0] == outputs.argmax(axis=1)).all()
        assert (archives.predictions(entry)[0] == IMAGES.test.labels).mean() == pytest.approx(run.test_accuracy)
        losses = [epoch.train_loss for epoch in run.epochs]
        assert entry.training.sel(metric="train_loss").values[0].tolist() == losses


def test_file_has_everything_and_is_one_of_label_maps(entries, tmp_path):
    joined = archives.join(entries)
    size = archives.save_archive(joined, tmp_path / "a.nc")
    stored = archives.load_archive(tmp_path / "a.nc")
    assert size == (tmp_path / "a.nc").stat().st_size
    xr.testing.assert_identical(stored, joined)
    assert archives.archived_names(stored) == set(stored.model.values)
    assert load(tmp_path / "a.nc").labels.identical(joined.labels)


def test_join_fills_missing_epochs_and_changes_nothing_else(entries):
    joined = archives.join(entries)
    assert np.isnan(joined.training.values[0, 1:]).all()
    assert np.isfinite(joined.training.sel(metric="train_loss").values[1]).all()
    for position, entry in enumerate(entries):
        for name in ("labels", "logits", "train_wrong", "sampling_seconds"):
            assert (joined[name].values[position] == entry[name].values[0]).all()


def test_join_refuses_a_network_twice(entries):
    with pytest.raises(InputError, match="is in two of the files"):
        archives.join([entries[0], entries[0]])


def test_limit_is_kept_and_the_file_left_as_it_is(entries, tmp_path):
    path = tmp_path / "a.nc"
    archives.save_archive(entries[0], path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"a\.nc would grow to .* MiB, above its limit of .* with 1 network; give"):
        archives.save_archive(archives.join(entries), path, limit=len(before) - 1)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.nc"]


def test_label_maps_alone_are_no_archive(entries, tmp_path):
    maps = entries[0].drop_vars(["logits", "training"])
    with pytest.raises(InputError, match="without logits, training, so it is no archive"):
        archives.load_archive(save(maps, tmp_path / "maps.nc"))
