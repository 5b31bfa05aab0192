from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from safetensors.torch import save_file

from dahlia.errors import WeightsError
from dahlia.modeling import weights as module
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.weights import BUNDLED, hub_normalisation, read_weights, weights_fingerprint
from small_projects import ARCHITECTURE

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HTTP_ERROR = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")


@pytest.mark.parametrize("record", BUNDLED.values(), ids=BUNDLED)
def test_bundled_weights_are_those_of_the_record(record: module.BundledWeights) -> None:
    path = Path(module.__file__).parent / "weights" / record.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256
    assert record.licence
    tensors = read_weights(record.architecture, "bundled")
    assert tensors is not None
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values() if tensor.is_floating_point())


def test_every_bundled_file_has_a_record() -> None:
    files = {path.name for path in (Path(module.__file__).parent / "weights").glob("*.safetensors")}
    assert files == {record.file for record in BUNDLED.values()}


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_bundled_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    record = next(iter(BUNDLED.values()))
    data = bytearray((Path(module.__file__).parent / "weights" / record.file).read_bytes())
    data[-1] ^= 1
    if damage != "gone":
        (tmp_path / record.file).write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=f"missing or damaged, expected SHA-256 {record.sha256}"):
        read_weights(record.architecture, "bundled")


def test_nothing_is_bundled_for_others() -> None:
    with pytest.raises(
        WeightsError, match="No weights are bundled for resnet18, only for mobilenetv4_conv_small"
    ):
        read_weights("resnet18", "bundled")


@pytest.mark.parametrize("weights", ["", "bundeld", "model.pth", "hubs", "/tmp/model.bin"])
def test_what_weights_may_say(weights: str) -> None:
    with pytest.raises(WeightsError, match=r"expected bundled, hub, a timm name such as"):
        read_weights(ARCHITECTURE, weights)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"garbage"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(pickle.dumps({"weight": [1.0]})),
        lambda path: torch.save({"weight": torch.zeros(2)}, path),
        lambda path: path.mkdir(),
    ],
    ids=["garbage", "empty", "pickle", "torch checkpoint", "folder"],
)
def test_files_that_are_not_safetensors(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "model.safetensors"
    write(path)
    with pytest.raises(WeightsError, match=r"is not a safetensors file.*Pickled checkpoints are not read"):
        read_weights(ARCHITECTURE, str(path))


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        read_weights(ARCHITECTURE, str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"was expected and is not there\. Correct `backbone\.weights`"):
        read_weights(ARCHITECTURE, str(tmp_path / "model.safetensors"))


def test_none_is_none() -> None:
    assert read_weights(ARCHITECTURE, "none") is None


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local cache of the hub's client."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def keep(cache: Path, repository: str, weights: Path) -> None:
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "model.safetensors").write_bytes(weights.read_bytes())


@pytest.mark.parametrize("weights", ["hub", "hub:r160_in1k", "test_resnet", "test_resnet.r160_in1k"])
def test_the_hubs_cache_is_enough(
    hub_cache: Path, tiny_weights: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        huggingface_hub, "get_hf_file_metadata", lambda *_, **__: pytest.fail("asked the hub")
    )
    keep(hub_cache, f"timm/{ARCHITECTURE}.r160_in1k", tiny_weights)
    expected = load_backbone(ARCHITECTURE, str(tiny_weights)).network.state_dict()
    found = load_backbone(ARCHITECTURE, weights).network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    "error",
    [HTTP_ERROR("no route"), OfflineModeIsEnabled("offline"), TimeoutError("slow"), ConnectionError("reset")],
    ids=lambda error: type(error).__name__,
)
def test_a_hub_that_cannot_be_reached(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked = []

    def fail(*_: object, **__: object) -> None:
        asked.append(1)
        raise error

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    with pytest.raises(WeightsError, match=rf"r160_in1k could not be had.*\({type(error).__name__}\)"):
        read_weights(ARCHITECTURE, "hub")
    assert len(asked) == 1


def test_a_download_that_breaks_off(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise HTTP_ERROR("broken off")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(WeightsError, match="Check the name and the network, or use `weights: bundled`"):
        read_weights(ARCHITECTURE, "hub")


@pytest.mark.parametrize(
    ("architecture", "weights", "message"),
    [
        (ARCHITECTURE, "hub:r160_in1", "no weights 'r160_in1' of test_resnet; did you mean r160_in1k?"),
        ("vit_base_patch16_224", "hub:dinoo", "did you mean dino?"),
        ("test_coatnet", "hub", "no pretrained weights of test_coatnet on the hub"),
    ],
)
def test_tags_that_are_not_known(architecture: str, weights: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        read_weights(architecture, weights)


@pytest.mark.parametrize(
    ("architecture", "weights", "mean"),
    [
        ("vit_base_patch16_224", "hub:dino", (0.485, 0.456, 0.406)),
        ("vit_base_patch16_224", "hub:augreg_in21k", (0.5, 0.5, 0.5)),
        ("mobilenetv4_conv_small", "hub", (0.485, 0.456, 0.406)),
    ],
)
def test_each_tag_has_its_normalisation(architecture: str, weights: str, mean: tuple[float, ...]) -> None:
    found = hub_normalisation(architecture, weights)
    assert found is not None
    assert found[0] == mean


@pytest.mark.parametrize("weights", ["bundled", "none", "a.safetensors"])
def test_others_have_the_normalisation_of_the_architecture(weights: str) -> None:
    assert hub_normalisation(ARCHITECTURE, weights) is None


def test_a_fingerprint_knows_names_shapes_and_kinds() -> None:
    ones = torch.ones(4)
    tables = [
        {"a": ones},
        {"b": ones},
        {"a": ones.view(2, 2)},
        {"a": ones.double()},
        {"a": ones, "b": ones},
    ]
    assert len({weights_fingerprint("x", None, table) for table in tables}) == len(tables)
    assert weights_fingerprint("x", None, {"a": ones, "b": ones}) == weights_fingerprint(
        "x", None, {"b": ones, "a": ones}
    )
