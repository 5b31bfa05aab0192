from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.imaging import RULES
from dahlia.errors import WeightsError
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.negative_set import (
    SETS,
    NegativeRecord,
    NegativeSet,
    list_sets,
    negative_set,
    read_negative_set,
    save_negative_set,
    set_name,
)
from small_projects import REPOSITORY

FINGERPRINT = "0123456789abcdef" * 4
RECORD = NegativeRecord(
    architecture="test_resnet",
    fingerprint=FINGERPRINT,
    size=64,
    rules=RULES,
    sources={"a corpus": 40, "generated scenery": 10},
    licence="MIT",
    dahlia_version="0.1.0",
)


def some_set(record: NegativeRecord = RECORD) -> NegativeSet:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 12))
    axes = np.linalg.qr(rng.normal(size=(12, 5)))[0]
    centre = features.mean(0)
    return NegativeSet(centre, np.asfortranarray(axes), (features - centre) @ axes, record)


def test_it_reads_back_to_within_its_bits(tmp_path: Path) -> None:
    made = some_set()
    path = save_negative_set(tmp_path / "sets", made)
    found = negative_set(FINGERPRINT, 64, tmp_path / "sets")
    assert path.name == set_name(FINGERPRINT, 64)
    assert found is not None
    assert found.record == RECORD
    np.testing.assert_allclose(found.centre, made.centre, atol=1e-6)
    np.testing.assert_allclose(found.axes, made.axes, atol=1e-3)
    assert (np.abs(found.places - made.places) <= np.abs(made.places).max(0) / 127).all()


def test_features_are_found_along_the_axes() -> None:
    made = some_set()
    features = made.centre + made.places[:3] @ made.axes.T
    np.testing.assert_allclose(made.along(features), made.places[:3], atol=1e-12)


def test_another_backbone_or_size_has_none(tmp_path: Path) -> None:
    save_negative_set(tmp_path, some_set())
    assert negative_set("f" * 64, 64, tmp_path) is None
    assert negative_set(FINGERPRINT, 96, tmp_path) is None


@pytest.mark.parametrize(
    "change", [{"rules": RULES + 1}, {"size": 96}, {"fingerprint": FINGERPRINT[:16] + "f" * 48}]
)
def test_a_set_of_something_else_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = save_negative_set(tmp_path, some_set(RECORD.model_copy(update=change)))
    path.replace(tmp_path / set_name(FINGERPRINT, 64))
    list_sets(tmp_path)
    with pytest.raises(WeightsError, match=r"expected to be of .* Install Dahlia again"):
        negative_set(FINGERPRINT, 64, tmp_path)


@pytest.mark.parametrize("damage", [b"", b"no tensors", None])
def test_what_is_no_set_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    path = save_negative_set(tmp_path, some_set())
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    list_sets(tmp_path)
    with pytest.raises(WeightsError, match="not a whole negative set"):
        negative_set(FINGERPRINT, 64, tmp_path)


@pytest.mark.parametrize("damage", ["a bit", "gone", "no list"])
def test_a_damaged_installation_is_told(tmp_path: Path, damage: str) -> None:
    path = save_negative_set(tmp_path, some_set())
    if damage == "a bit":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif damage == "gone":
        path.unlink()
    else:
        (tmp_path / "SHA256SUMS").unlink()
    with pytest.raises(WeightsError, match=r"Install Dahlia again, or set `project\.negatives` to none"):
        negative_set(FINGERPRINT, 64, tmp_path)


def test_the_shipped_ones_are_whole_and_say_where_they_are_from() -> None:
    files = sorted(SETS.glob("*.safetensors"))
    assert files
    for path in files:
        prefix, size = path.stem.split("-")
        found = read_negative_set(path)
        assert (found.record.fingerprint[:16], found.record.size) == (prefix, int(size))
        assert sum(found.record.sources.values()) == len(found.places)
        assert found.record.licence
        np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(found.axes.shape[1]), atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        *(
            [f"domain={path.stem}"]
            for path in sorted((REPOSITORY / "conf/domain").glob("*.yaml"))
            if {"withdrawn: null", "task: classification"} <= set(path.read_text("utf-8").splitlines())
        ),
        [
            "domain.backbone.architecture=mobilenetv4_conv_small",
            "domain.backbone.weights=bundled",
            "domain.input.size=160",
            "domain.input.smoothing=0.16",
        ],
    ],
    ids=lambda overrides: overrides[0],
)
def test_every_domain_and_the_bundled_network_have_one(overrides: list[str]) -> None:
    domain = check_params(compose(REPOSITORY, overrides), "params.yaml").domain
    backbone = load_backbone(domain.backbone.architecture, domain.backbone.weights, domain.input.smoothing)
    found = negative_set(backbone.fingerprint, domain.input.size)
    assert found is not None
    assert found.axes.shape[0] == backbone.features
