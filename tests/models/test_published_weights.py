"""Published weights: read from the caches of timm and torchvision, an error if absent, never downloaded."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from dbviz import fit
from dbviz.core.errors import InputError
from dbviz.core.files import load_tensors
from dbviz.models import build, definition_of, published_weights
from dbviz.models.build import construct

timm = pytest.importorskip("timm")
SHAPE = (3, 32, 32)


@pytest.fixture(autouse=True)
def _empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's caches nor the network can be reached."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def unreachable(*_: object, **__: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr("socket.create_connection", unreachable)


def kept_by_timm(name: str, tmp_path: Path) -> dict[str, torch.Tensor]:
    """Random weights of timm's model, where the hub's cache would have the published ones."""
    model = timm.create_model(name)
    folder = tmp_path / "hub" / f"models--{model.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    state = {key: torch.full_like(value, 0.25) for key, value in model.state_dict().items()}
    save_file(state, folder / "snapshots" / "abc" / "model.safetensors")
    return state


def test_weights_in_the_hubs_cache_are_found(tmp_path):
    state = kept_by_timm("test_resnet", tmp_path)
    weights = published_weights.published_weights("timm:test_resnet", 10, SHAPE)
    body = [key for key in state if not key.startswith("fc.")]
    assert body
    assert all(torch.equal(weights[key], state[key]) for key in body)


def test_a_head_is_trained_on_them(tmp_path, small_images):
    kept_by_timm("test_resnet", tmp_path)
    options = {"preset": "quick", "device": "cpu", "progress": False, "train_size": 32, "epochs": 1}
    name = "timm:test_resnet"
    (run,) = fit(name, dataset=small_images, home=tmp_path / "runs", pretrained=name, **options)
    state = load_tensors(run.weights)[0]
    assert all((value == 0.25).all() for key, value in state.items() if key.endswith("conv1.weight"))
    assert run.spec.arch == name


def test_absent_weights_of_timm_name_the_place_and_the_remedy(tmp_path):
    expected = (
        r"timm:test_resnet \(timm/test_resnet\..*\) are not in .*hub, and are not downloaded here: fetch them with"
    )
    with pytest.raises(InputError, match=expected) as raised:
        published_weights.published_weights("timm:test_resnet", 10, SHAPE)
    assert str(tmp_path / "hub") in str(raised.value)
    assert "or give a finished run or a .safetensors file instead" in str(raised.value)
    with pytest.raises(InputError, match="unknown timm model 'nothing'"):
        published_weights.published_weights("timm:nothing", 10, SHAPE)


NAME = "shufflenet_v2_x0_5"


def kept_by_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as torchvision would have fetched it, of random weights and named by its own digest."""
    place = tmp_path / "torch" / "hub" / "checkpoints"
    place.mkdir(parents=True)
    torch.save(construct(f"torchvision:{NAME}", 1000, None, SHAPE).state_dict(), place / "new")
    digits = hashlib.sha256((place / "new").read_bytes()).hexdigest()[:8]
    path = (place / "new").rename(place / f"{NAME}-{digits}.pth")
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(url=f"https://nowhere/{path.name}"))
    real = published_weights.torchvision_models()
    fake = SimpleNamespace(get_model_weights=lambda _: weights, list_models=real.list_models)
    monkeypatch.setattr(published_weights, "torchvision_models", lambda: fake)
    return path


def test_weights_that_torchvision_has_fetched_are_found_and_checked(tmp_path, monkeypatch):
    path = kept_by_torchvision(tmp_path, monkeypatch)
    weights = published_weights.published_weights(f"torchvision:{NAME}", 10, SHAPE)
    expected = construct(f"torchvision:{NAME}", 1000, None, SHAPE).state_dict()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"is damaged .* delete it, and fetch it again"):
        published_weights.published_weights(f"torchvision:{NAME}", 10, SHAPE)


def test_absent_weights_of_torchvision_name_the_place_and_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"are not at .*checkpoints.*, and are not downloaded here") as raised:
        published_weights.published_weights(f"torchvision:{NAME}", 10, SHAPE)
    assert str(tmp_path / "torch" / "hub" / "checkpoints") in str(raised.value)
    with pytest.raises(InputError, match="unknown torchvision model 'resnet81': did you mean 'resnet18'"):
        published_weights.published_weights("torchvision:resnet81", 10, SHAPE)


def test_torchvisions_models_are_built_by_name():
    assert definition_of(f"torchvision:{NAME}") is None
    with torch.no_grad():
        assert build(f"torchvision:{NAME}", 7).eval()(torch.zeros(2, *SHAPE)).shape == (2, 7)
    with pytest.raises(InputError, match="has no width"):
        build(f"torchvision:{NAME}", width=3)
