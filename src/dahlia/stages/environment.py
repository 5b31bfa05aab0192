"""Environment: the Dahlia and the weights that train, so that an upgrade trains again.

An upgrade of the package changes nothing in the project. So two outputs of this stage are links to installed
files: DVC takes their checksums through the links, sees a changed output, and runs the stage again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import BaseModel

import dahlia
from dahlia import layout
from dahlia.errors import TrainingError, WeightsError
from dahlia.files import load_json, sha256_of, write_text
from dahlia.modeling.card import load_card
from dahlia.modeling.pretrained import require_size
from dahlia.modeling.weights import check_weights, weights_file
from dahlia.params import BackboneParams, Params


class Environment(BaseModel):
    """What trains.

    Attributes:
        dahlia: its version.
        weights: what the backbone starts from: the SHA-256 of a file, else the words that ask for them.
    """

    dahlia: str
    weights: str


def run(params: Params, root: Path) -> None:
    """Write `models/environment.json`, and say why a model is trained again.

    Args:
        params: reads `domain`.
        root: the project folder.

    Raises:
        WeightsError: the file that `domain.backbone.weights` names is not there, it is no choice, or the
            photos are too small for the network.
    """
    backbone = params.domain.backbone
    check_weights(backbone.architecture, backbone.weights)
    require_size(backbone.architecture, params.domain.input.size)
    link_environment(root, backbone)
    now = Environment(dahlia=dahlia.__version__, weights=_fingerprint(root, backbone))
    reason = _reason(root, now)
    write_text(root / layout.ENVIRONMENT, now.model_dump_json(indent=2) + "\n")
    print(f"environment: {reason or f'Dahlia {now.dahlia}, {backbone.architecture}, {backbone.weights}'}")


def link_environment(root: Path, backbone: BackboneParams) -> None:
    """Let the project's links point into this installation, which may be another than the last."""
    installed = Path(dahlia.__file__)
    targets = {"dahlia": installed, "weights": _file(root, backbone) or installed}
    for name, target in targets.items():
        link = root / layout.ENVIRONMENT_LINKS / name
        if link.is_symlink() and link.readlink() == target:
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)  # a copy by a tool that follows links; the folder is ours
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(target)
        except OSError:  # this file system has no links
            if target.is_file():
                shutil.copy(target, link)


def _file(root: Path, backbone: BackboneParams) -> Path | None:
    path = weights_file(backbone.architecture, backbone.weights)
    return None if path is None else root.resolve() / path


def _fingerprint(root: Path, backbone: BackboneParams) -> str:
    path = _file(root, backbone)
    if path is None:
        return backbone.weights
    try:
        return f"sha256:{sha256_of(path)}"
    except OSError as error:
        raise WeightsError(
            f"{path} was expected to hold the weights of {backbone.architecture}, and cannot be read "
            f"({error.strerror}). Correct `domain.backbone.weights`, or use `bundled`."
        ) from error


def _reason(root: Path, now: Environment) -> str:
    before = _before(root, now)
    changes = [
        *([f"Dahlia {now.dahlia} instead of {before.dahlia}"] if now.dahlia != before.dahlia else []),
        *(["other weights than before"] if now.weights != before.weights else []),
    ]
    return f"{' and '.join(changes)}: the model is trained again" if changes else ""


def _before(root: Path, now: Environment) -> Environment:
    path = root / layout.ENVIRONMENT
    try:
        if path.exists():
            return load_json(
                path, Environment, what="an environment", stage="environment", error=TrainingError
            )
        # Environments were not kept when this model was trained.
        return now.model_copy(update={"dahlia": load_card(root / layout.BUNDLE).dahlia_version})
    except TrainingError:
        return now
