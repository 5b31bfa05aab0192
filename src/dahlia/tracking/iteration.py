"""Iterations as the registry knows them, their publish names, and the files of published ones.

MLflow allows an alias of letters, digits, `_` and `-`, and reserves `latest` and `v1`, `v2`, ... A publish
name is any printable text of up to 64 characters. The alias keeps ASCII letters, digits and `-`; every
other byte of the UTF-8 text becomes `_` and two hexadecimal digits, and so does the first letter of a
reserved word: `Iteration 1` is `Iteration_201`, `v1` is `_761`, `a_b` is `a_5fb`. Upper and lower case
differ, as they do in MLflow's SQLite and PostgreSQL stores.

`published/` has the published models as plain files, which is what a Bento carries:

    published.json        publish name -> folder
    iteration-3/          model.onnx, model.json, iteration.json, photos.zip
"""

from __future__ import annotations

import re
import shutil
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia import layout
from dahlia.errors import TrackingError
from dahlia.files import staged_directory, write_json

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion


MAX_NAME = 64
MAX_ALIAS = 255  # MLflow's limit

_PLAIN = re.compile(rb"[A-Za-z0-9-]")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
_ALIAS = re.compile(r"(?:[A-Za-z0-9-]|_[0-9a-f]{2})+")


def normalise(name: str) -> str:
    """The one spelling (Unicode NFC) under which a publish name is stored and looked up."""
    return unicodedata.normalize("NFC", name)


def encode(name: str) -> str:
    """The alias of a publish name.

    Raises:
        TrackingError: the name is empty, longer than 64 characters, not printable, begins or ends with a
            space, or holds so many symbols that its alias would pass MLflow's 255 characters.
    """
    name = normalise(name)
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise TrackingError(
            f"A publish name is 1 to {MAX_NAME} printable characters without spaces at its ends, received "
            f"{name!r}. Choose another, for example `production`."
        )
    alias = _escape(name)
    if len(alias) > MAX_ALIAS:
        raise TrackingError(
            f"The publish name {name!r} takes {len(alias)} characters in MLflow, which allows {MAX_ALIAS}. "
            "Choose one with fewer symbols or letters beyond A to Z."
        )
    return alias


def decode(alias: str) -> str | None:
    """The publish name of an alias; None for an alias that `encode` did not make."""
    if not _ALIAS.fullmatch(alias):
        return None
    pieces = re.split(r"_([0-9a-f]{2})", alias)
    raw = b"".join(
        bytes.fromhex(piece) if index % 2 else piece.encode() for index, piece in enumerate(pieces)
    )
    try:
        name = raw.decode("utf-8")
        return name if encode(name) == alias else None
    except (UnicodeDecodeError, TrackingError):
        return None


def _escape(name: str) -> str:
    data = name.encode("utf-8")
    pieces = [_unit(data[index : index + 1]) for index in range(len(data))]
    if _RESERVED.fullmatch(name):
        pieces[0] = f"_{data[0]:02x}"
    return "".join(pieces)


def _unit(byte: bytes) -> str:
    return byte.decode() if _PLAIN.match(byte) else f"_{byte[0]:02x}"


TAG_DOMAIN = "dahlia.domain"
TAG_CLASSIFICATION = "dahlia.classification"
TAG_IMAGES = "dahlia.images"
TAG_FINGERPRINT = "dahlia.fingerprint"
TAG_MODEL = "dahlia.model"  # of a version; MLflow keeps no model id with it in a database
TAG_DATA = "dahlia.data_fingerprint"
TAG_RECORDER = "dahlia.recorder"
TAG_RECORDED = "dahlia.recorded"  # when recording began, milliseconds since 1970
TAG_REVISION = "mlflow.source.git.commit"
TAG_DIRTY = "git.dirty"

_STATUS = {"FINISHED": "Completed", "RUNNING": "Training", "FAILED": "Failed"}


@dataclass(frozen=True)
class Iteration:
    """One version of the project's registered model, with the run that made it.

    Attributes:
        number: the version in the registry, from 1.
        id: the run's id as a dashed UUID, the iteration id of the prediction API.
        run_id: the run's id as MLflow spells it.
        created: when it was registered, aware, UTC.
        status: `Completed` for every iteration that was recorded whole.
        metrics: the last value of each metric.
        domain: the domain's name.
        classification: `multiclass` or `multilabel`.
        images: how many images it was trained on.
        git_revision: the commit, if the project folder is in Git.
        git_dirty: whether tracked files differed from that commit.
        fingerprint: SHA-256 over bundle, exports and evaluation.
        published: the names under which it is served, sorted.
        model_id: of the model in MLflow; None for an iteration that was recorded without one.
    """

    number: int
    id: str
    run_id: str
    created: datetime
    status: str
    metrics: dict[str, float]
    domain: str
    classification: str
    images: int
    git_revision: str | None
    git_dirty: bool
    fingerprint: str
    published: tuple[str, ...]
    model_id: str | None = None


def iteration_of(version: ModelVersion, run: Run, aliases: Iterable[str]) -> Iteration:
    """Read an iteration from its version in the registry, its run, and the version's aliases."""
    tags = run.data.tags
    return Iteration(
        number=int(version.version),
        id=str(uuid.UUID(run.info.run_id)),
        run_id=run.info.run_id,
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        status=_STATUS.get(run.info.status, run.info.status.capitalize()),
        metrics=dict(run.data.metrics),
        domain=tags.get(TAG_DOMAIN, ""),
        classification=tags.get(TAG_CLASSIFICATION, ""),
        images=int(tags.get(TAG_IMAGES, 0)),
        git_revision=tags.get(TAG_REVISION),
        git_dirty=tags.get(TAG_DIRTY) == "true",
        fingerprint=tags.get(TAG_FINGERPRINT, ""),
        published=tuple(sorted(name for name in map(decode, aliases) if name is not None)),
        model_id=version.tags.get(TAG_MODEL),
    )


INDEX = "published.json"
ITERATION = "iteration.json"


def write_snapshot(
    folder: Path, published: Mapping[str, Iteration], locate: Callable[[Iteration], Path]
) -> Path:
    """Rewrite the folder, whole or not at all.

    Args:
        folder: what to write.
        published: publish names and their iterations.
        locate: gives the folder of an iteration's `model.onnx` and `model.json`.
    """
    with staged_directory(folder) as staged:
        for iteration in {iteration.number: iteration for iteration in published.values()}.values():
            target = staged / _folder_name(iteration)
            target.mkdir()
            source = locate(iteration)
            for name in ("model.onnx", "model.json"):
                shutil.copyfile(source / name, target / name)
            if (source / layout.PHOTOS).exists():  # models of earlier versions have none
                shutil.copyfile(source / layout.PHOTOS, target / layout.PHOTOS)
            write_json(target / ITERATION, {"number": iteration.number, "id": iteration.id})
        write_json(staged / INDEX, {name: _folder_name(published[name]) for name in sorted(published)})
    return folder


def snapshot_folder(root: Path, iteration: Iteration) -> Path:
    """Where the files of a published iteration are in a project folder."""
    return root / "published" / _folder_name(iteration)


def _folder_name(iteration: Iteration) -> str:
    return f"iteration-{iteration.number}"
