"""`dahlia checkout` and `dahlia push`: a project of the server as a folder, and a folder sent to a server.

A project is checked out with its photos and its Git history. Of a local project, photos and tags are sent
through the API.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia import layout
from dahlia.config import load_params
from dahlia.dataset.photo_files import is_there, read_file, size_of
from dahlia.dataset.readers import read
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.errors import ConfigError, DahliaError
from dahlia.params import Params
from dahlia.server.context import Server
from dahlia.server.contract.enums import CLASSIFIERS, IterationStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.images.metadata import GROUP
from dahlia.server.jobs.training_data import read_snapshot
from dahlia.server.projects.projects import find_project
from dahlia.server.pushed_regions import as_pushed, flaw_of
from dahlia.server.storage.names import history_key, image_key
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.snapshot import Photo
from dahlia.server.workspaces.workspace import restore_history

if TYPE_CHECKING:
    import requests

    from dahlia.dataset.records import Annotation


@dataclass(frozen=True)
class CheckedOut:
    """What was laid out.

    Attributes:
        project: its name.
        iteration: the name of the iteration whose photos and tags it has.
        photos: how many.
    """

    project: str
    iteration: str
    photos: int


def check_out(server: Server, which: str, target: Path) -> CheckedOut:
    """Lay out a project as its last completed iteration saw it; `dvc repro` there gives that one's figures.

    The folder is its own: it records into an MLflow database of its own, and photos are copies.

    Args:
        server: that has the project.
        which: the project's id or its name.
        target: a new folder.

    Raises:
        ConfigError: there is no such project, several have the name, or nothing was trained.
        DahliaError: `target` holds something, or files cannot be read or written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"Expected a new or empty folder, received {target}, which has files. Name another."
        )
    with server.database.read() as session:
        project = find_project(session, which)
        iteration = _iteration(session, project)
        snapshot = read_snapshot(session, project, iteration)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "history.bundle"
        server.storage.fetch(history_key(project.id), bundle)
        restore_history(bundle, target)

    def fetch(photo: Photo, path: Path) -> None:
        server.storage.fetch(image_key(photo.sha256, photo.suffix), path, link=False)

    lay_out(target, snapshot, fetch)
    return CheckedOut(project.name, iteration.name, len(snapshot.photos))


def _iteration(session: Session, project: ProjectRow) -> IterationRow:
    chosen = (
        select(IterationRow)
        .where(
            IterationRow.project_key == project.key,
            IterationRow.status == IterationStatus.COMPLETED,
            IterationRow.run_id.is_not(None),  # those of a copied project have no history
        )
        .order_by(IterationRow.number.desc())
    )
    row = session.scalar(chosen.limit(1))
    if row is None:
        raise ConfigError(
            f"Expected a project of which something was trained, received {project.name!r}. Train it, then "
            "check it out."
        )
    return row


_BATCH = 64  # images in a request, as the API allows
_BATCH_BYTES = 32 * 1024 * 1024
_SECONDS = 300
_BASE = "/customvision/v3.4-preview/training"


@dataclass(frozen=True)
class Pushed:
    """What became of a push.

    Attributes:
        project_id: the project on the server.
        sent: images that are new there.
        known: images that were there already, whose tags were completed.
        refused: images that were not taken, with the server's status for each.
        left_out: images of the user's own test set, which the API does not know.
    """

    project_id: str
    sent: int
    known: int
    refused: dict[Path, str]
    left_out: int


class Remote:
    """A server's training API.

    Args:
        address: such as `http://127.0.0.1:3000`.
        key: a training key.
    """

    def __init__(self, address: str, key: str) -> None:
        import requests

        self._base = address.rstrip("/") + _BASE
        self._session = requests.Session()
        self._session.headers["Training-Key"] = key

    def get(self, path: str) -> Any:
        """An answer's JSON.

        Raises:
            DahliaError: the server refuses, or cannot be reached.
        """
        return self._ask("GET", path)

    def post(self, path: str, body: object = None, **query: str | None) -> Any:
        """The same, for something new."""
        return self._ask("POST", path, json=body, params=query)

    def patch(self, path: str, body: object) -> Any:
        """The same, for changes."""
        return self._ask("PATCH", path, json=body)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        import requests

        try:
            answer = self._session.request(method, self._base + path, timeout=_SECONDS, **options)
        except requests.exceptions.SSLError as error:
            raise DahliaError(
                f"The server at {self._base} has a certificate that is not trusted here: {error}. Name the "
                "file of its authority's certificate with REQUESTS_CA_BUNDLE. What was sent is kept: "
                "continue with --project."
            ) from error
        except requests.RequestException as error:
            raise DahliaError(
                f"The server at {self._base} cannot be reached: {type(error).__name__}. Start it with "
                "`dahlia serve`, or name its address with --to. What was sent is kept: "
                "continue with --project."
            ) from error
        if answer.ok:
            return answer.json()
        raise DahliaError(f"The server refused {method} {path}: {_reason(answer)}")


def push(
    folder: Path, remote: Remote, project_id: str | None = None, announce: Callable[[str], None] = print
) -> Pushed:
    """Send a project.

    Args:
        folder: of the project.
        remote: where to.
        project_id: a project on the server that takes the images; a new one where it is left out.
        announce: is told the project's id before anything is sent.

    Raises:
        DahliaError: the project cannot be read, or the server refuses.
    """
    params = load_params(folder / layout.PARAMS)
    reading = read(
        folder / params.ingest.source,
        params.ingest.format,
        split_folders=params.ingest.split_folders,
        groups=params.ingest.groups,
        boxed=lambda: TAG_RULES[params.kind].boxed,
    )
    annotations = as_pushed(reading, params, folder)
    there = {one.path for one in annotations if is_there(one.path)}
    refused = {one.path: "not there" for one in annotations if one.path not in there}
    refused |= {one.path: flaw for one in annotations if one.path in there and (flaw := flaw_of(one))}
    wanted = [one for one in annotations if one.subset != "test" and one.path not in refused]
    identity = project_id or _create(remote, params)
    announce(identity)
    tags = _tags(remote, identity, wanted, params)
    sent = known = 0
    for batch in _batches(sorted(wanted, key=lambda one: one.group or "")):
        # What the API takes as metadata is of all images of a request.
        named = {"metadata": {GROUP: batch[0].group}} if batch[0].group else {}
        body = {"images": [_entry(one, tags) for one in batch], **named}
        results = remote.post(f"/projects/{identity}/images/files", body)["images"]
        for one, result in zip(batch, results, strict=True):
            sent += result["status"] == "OK"
            known += result["status"] == "OKDuplicate"
            if not result["status"].startswith("OK"):
                refused[one.path] = result["status"]
    left_out = sum(one.subset == "test" for one in annotations)
    return Pushed(identity, sent, known, refused, left_out)


def _create(remote: Remote, params: Params) -> str:
    answer = remote.post(
        "/projects",
        name=params.project.name,
        domainId=params.domain.id,
        classificationType=CLASSIFIERS[params.kind],
    )
    identity = str(answer["id"])
    if params.project.negatives == "none":
        remote.patch(f"/projects/{identity}", {"settings": {"useNegativeSet": False}})
    return identity


def _tags(remote: Remote, project: str, annotations: Sequence[Annotation], params: Params) -> dict[str, str]:
    known = {tag["name"]: str(tag["id"]) for tag in remote.get(f"/projects/{project}/tags")}
    for name in sorted({tag for one in annotations for tag in one.tags} - known.keys()):
        kind = "Negative" if name == params.project.negative_tag else "Regular"
        known[name] = str(remote.post(f"/projects/{project}/tags", name=name, type=kind)["id"])
    return known


def _batches(annotations: Iterable[Annotation]) -> Iterator[list[Annotation]]:
    """What fits into a request each: images of one group, or of none."""
    batch: list[Annotation] = []
    size = 0
    for one in annotations:
        more = size_of(one.path)
        full = len(batch) == _BATCH or size + more > _BATCH_BYTES
        if batch and (full or one.group != batch[0].group):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += more
    if batch:
        yield batch


def _entry(one: Annotation, tags: Mapping[str, str]) -> dict[str, object]:
    _, content = read_file(one.path)
    return {
        "name": one.path.name,
        "contents": base64.b64encode(content or b"").decode(),
        "tagIds": [tags[name] for name in one.tags],
        "regions": [
            {"tagId": tags[of.tag], "left": of.left, "top": of.top, "width": of.width, "height": of.height}
            for of in one.regions
        ],
    }


def _reason(answer: requests.Response) -> str:
    try:
        body = answer.json()
        message = body.get("message") or body["error"]["message"]
    except (ValueError, KeyError, AttributeError):
        return f"{answer.status_code}"
    if answer.status_code == 401:
        raise ConfigError(
            "The key is not known there. Name a training key with --key or DAHLIA_TRAINING_KEY."
        )
    return f"{answer.status_code}, {message}"
