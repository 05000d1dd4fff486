"""Label-map files: a round trip keeps everything, damage is noticed, and files of earlier versions are read."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from dbviz import fit, label_maps
from dbviz.core.errors import InputError
from dbviz.label_maps import sample
from dbviz.label_maps.files import load_if_equal
from dbviz.label_maps.layout import FORMAT
from dbviz.label_maps.provenance import provenance
from dbviz.planes import PlaneSet, draw_planes
from dbviz.scores import reproducibility


class Slopes(nn.Module):
    """Class k at the largest of five sums of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.sin(torch.arange(5 * 3072.0)).view(5, 3072), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T


@pytest.fixture
def planes(small_images) -> PlaneSet:
    return PlaneSet.of(small_images.test, [[0, 1, 2], [13, 44, 27]])


@pytest.fixture
def maps(planes) -> xr.Dataset:
    return sample({"slopes": Slopes(), "é": Slopes()}, planes, resolution=12, confidence=True)


def test_a_round_trip_keeps_everything(maps, tmp_path):
    path = label_maps.save(maps, str(tmp_path / "maps.nc"))
    assert path == tmp_path / "maps.nc"
    loaded = label_maps.load(path)
    xr.testing.assert_identical(loaded, maps)
    assert {name: v.dtype for name, v in loaded.variables.items()} == {n: v.dtype for n, v in maps.variables.items()}
    assert {name: type(value) for name, value in loaded.attrs.items()} == {n: type(v) for n, v in maps.attrs.items()}
    assert [path.name for path in tmp_path.iterdir()] == ["maps.nc"]
    path.unlink()  # everything is in memory
    assert int(loaded.labels.max()) <= 4


def test_names_of_files_that_were_combined_keep_their_length(planes, tmp_path):
    names = ["short", "a name that is longer than the first"]
    files = [sample({name: Slopes()}, planes, resolution=3) for name in names]
    loaded = [label_maps.load(label_maps.save(maps, tmp_path / f"{k}.nc")) for k, maps in enumerate(files)]
    combined = label_maps.save(label_maps.combine(loaded), tmp_path / "combined.nc")
    assert label_maps.load(combined).model.values.tolist() == names


def test_a_selection_can_be_saved_and_loaded(maps, tmp_path):
    selection = maps.isel(model=[1], plane=[0]).drop_vars("confidence")
    xr.testing.assert_identical(label_maps.load(label_maps.save(selection, tmp_path / "maps.nc")), selection)


def test_the_file_is_compressed(maps, tmp_path):
    shape = (8, 20, 100, 100)
    columns, rows = np.meshgrid(np.arange(100), np.arange(100))
    blobs = np.broadcast_to(((columns // 30) + (rows // 40) * 3).astype(np.uint8), shape)
    variables = {
        "labels": (("model", "plane", "row", "column"), blobs),
        "evaluated": (("model", "plane"), np.full(shape[:2], 10_000)),
    }
    many = xr.Dataset(variables, attrs=maps.attrs)
    path = label_maps.save(many, tmp_path / "many.nc")
    assert path.stat().st_size < 160_000  # a tenth of a byte a point
    assert np.array_equal(label_maps.load(path).labels.values, blobs)


def test_other_programs_can_read_it(maps, tmp_path):
    with xr.open_dataset(label_maps.save(maps, tmp_path / "maps.nc"), engine="h5netcdf") as file:
        assert file.labels.dims == ("model", "plane", "row", "column")
        assert np.array_equal(file.labels.values, maps.labels.values)


def test_a_truncated_file_is_refused(maps, tmp_path):
    whole = label_maps.save(maps, tmp_path / "maps.nc").read_bytes()
    for length in (0, 1, 100, len(whole) // 4, len(whole) // 2, len(whole) * 3 // 4, len(whole) - 1):
        (tmp_path / "maps.nc").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"maps.nc is damaged") as error:
            label_maps.load(tmp_path / "maps.nc")
        assert "\n" not in str(error.value)


def test_a_flipped_byte_is_noticed_wherever_it_is_and_never_hangs(maps, tmp_path):
    """In a process of its own, since the HDF5 library can loop for ever over a damaged file."""
    script = """
        import signal, sys
        from pathlib import Path
        from dbviz.core.errors import InputError
        from dbviz.label_maps import load

        path, broken = Path(sys.argv[1]), Path(sys.argv[1]).with_name("broken.nc")
        whole, right = path.read_bytes(), load(path)
        for place in [*range(3, 2403, 16), *range(2403, len(whole), 301)]:
            signal.alarm(5)  # kills
            print(f"byte {place}", flush=True)
            broken.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            try:
                loaded = load(broken)
            except InputError as error:
                assert "\\n" not in str(error)
            else:
                assert loaded.identical(right), "damaged and not noticed"
        print("done")
    """
    path = label_maps.save(maps, tmp_path / "maps.nc")
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    last = process.stdout.splitlines()[-1]
    assert (process.returncode, last) == (0, "done"), f"at {last}: {process.returncode} {process.stderr[-1500:]}"


def test_changed_contents_are_noticed(maps, tmp_path):
    """A valid netCDF file whose contents are not those that were written."""
    path = label_maps.save(maps, tmp_path / "maps.nc")
    with xr.open_dataset(path, engine="h5netcdf") as file:
        written = file.load()
    for name in ("labels", "evaluated", "triplet", "a"):
        changed = written.copy(deep=True)
        changed[name].values.flat[0] += 1
        changed.to_netcdf(path, engine="h5netcdf")
        with pytest.raises(InputError, match=r"is damaged, or not written by dbviz\.label_maps\.save"):
            label_maps.load(path)
    written.assign_attrs(padding=0.7).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match="is damaged"):
        label_maps.load(path)


def test_a_newer_format_is_named_with_the_remedy(maps, tmp_path):
    path = label_maps.save(maps.assign_attrs(format=FORMAT + 1), tmp_path / "maps.nc")
    with pytest.raises(InputError, match=f"is of format {FORMAT + 1}, this dbviz reads up to {FORMAT}.*newer dbviz"):
        label_maps.load(path)


@pytest.mark.parametrize(
    "other",
    [
        xr.Dataset({"temperature": ("time", [1.0, 2.0])}),
        xr.Dataset({"labels": ("time", [1, 2])}),
        xr.Dataset({"temperature": ("time", [1.0, 2.0])}, attrs={"format": "netCDF-4"}),
    ],
)
def test_other_netcdf_files_are_refused(other, tmp_path):
    other.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"other.nc"):
        label_maps.load(tmp_path / "other.nc")


def test_paths_that_are_not_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.nc does not exist"):
        label_maps.load(tmp_path / "nothing.nc")
    (tmp_path / "text.nc").write_text("labels")
    with pytest.raises(InputError, match=r"text.nc is damaged, or not written by"):
        label_maps.load(tmp_path / "text.nc")
    with pytest.raises(InputError, match=str(tmp_path)):
        label_maps.load(tmp_path)


def test_maps_of_equal_provenance_are_loaded_and_others_are_not(maps, planes, tmp_path):
    models = {"slopes": Slopes(), "é": Slopes()}
    path = label_maps.save(maps, tmp_path / "maps.nc")
    source = provenance(models, planes, 12, 0.1)
    for confidence in (True, False):
        loaded = load_if_equal(path, source, confidence=confidence)
        assert loaded is not None
        xr.testing.assert_identical(loaded, maps)

    other = Slopes()
    other.weight[0, 0] += 1
    for unequal in (
        provenance(models, planes, 13, 0.1),
        provenance(models, planes, 12, 0.2),
        provenance({"slopes": models["slopes"]}, planes, 12, 0.1),
        provenance({"slopes": models["slopes"], "é": other}, planes, 12, 0.1),
        provenance(models, planes[:1], 12, 0.1),
    ):
        assert load_if_equal(path, unequal, confidence=False) is None

    label_maps.save(maps.drop_vars("confidence"), path)
    assert load_if_equal(path, source, confidence=False) is not None
    assert load_if_equal(path, source, confidence=True) is None
    path.write_bytes(b"damaged")
    assert load_if_equal(path, source, confidence=False) is None
    assert load_if_equal(Path("nothing.nc"), source, confidence=False) is None


def test_maps_of_a_function_are_never_loaded_as_equal(planes, tmp_path):
    models = {"function": lambda x: x.flatten(1)[:, :3]}
    path = label_maps.save(sample(models, planes, resolution=4), tmp_path / "maps.nc")
    assert load_if_equal(path, provenance(models, planes, 4, 0.1), confidence=False) is None


VERSION_0_1 = Path(__file__).parent / "data" / "version-0.1.nc"
"""Two mlp of width 32, trained for 8 epochs on 128 images of `shapes`, on two planes; written by dbviz 0.1."""


def test_a_file_of_version_0_1_is_read():
    maps = label_maps.load(VERSION_0_1)
    assert maps.labels.shape == (2, 2, 6, 6)
    assert maps.labels.values[0, 0, 0].tolist() == [6, 6, 6, 6, 4, 7]
    assert (maps.format, maps.resolution, maps.margin) == (1, 6, 0.1)
    assert reproducibility(maps).value == pytest.approx(0.2916666666666667)


def test_a_file_of_version_0_1_and_new_maps_are_combined_and_scored(small_images, tmp_path):
    old = label_maps.load(VERSION_0_1)
    options = {"width": 32, "train_size": 128, "epochs": 8, "learning_rate": 0.01, "precision": "fp32"}
    runs = fit(
        "mlp",
        seeds=(0, 2),
        dataset=small_images,
        home=tmp_path,
        preset="quick",
        device="cpu",
        progress=False,
        **options,
    )
    assert runs[0].spec.name == old.model.values[0]
    planes = draw_planes(small_images.test, 2, seed=0)
    assert planes.identity == old.planes
    new = label_maps.load(label_maps.save(sample(runs[1], planes, resolution=6, padding=0.1), tmp_path / "new.nc"))
    combined = label_maps.combine([old, new])
    assert combined.seed.values.tolist() == ["0", "1", "2"]
    labels = combined.labels.values
    agreements = [(labels[i] == labels[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert reproducibility(combined).value == pytest.approx(np.mean(agreements))
    assert reproducibility(combined).runs == (3,)
