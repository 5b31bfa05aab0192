"""What the training of an iteration found out, with the server's own ids of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.export.formats import meant_flavor
from dahlia.server.context import Server
from dahlia.server.contract.enums import ExportPlatform, ExportStatus
from dahlia.server.contract.own import (
    ExcludedImage,
    Finding,
    IterationValidation,
    ReportedFile,
    TagCounts,
)
from dahlia.server.contract.own_evaluations import (
    EVALUATIONS,
    DetectorEvaluation,
    IterationEvaluation,
    JudgedBoxes,
    JudgedSet,
)
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.queries import View, images_by_content
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.server.jobs.training_data import (
    EVALUATION,
    PAGE,
    VALIDATION,
    VALIDATION_PAGE,
    artifact_key,
    proof_key,
)
from dahlia.server.storage.backend import NotThere
from dahlia.server.storage.names import sha256_of_key

_DATA = "versions"  # whose names are libraries


def trained_iteration(server: Server, project_id: str, iteration_id: str) -> IterationRow:
    """An iteration that is trained.

    Raises:
        ServiceError: there is none, or it is not.
    """
    with server.database.read() as session:
        return trained(iteration_of(session, project_id, iteration_id))


def report_key(server: Server, row: IterationRow, name: str) -> str:
    """The key of a report.

    Args:
        server: has the storage.
        row: the iteration.
        name: `PAGE` or `VALIDATION_PAGE`.

    Raises:
        ServiceError: its training left none.
    """
    key = artifact_key(row.id, name)
    if server.storage.size(key) is None:
        raise _not_stored(row, name)
    return key


def evaluation_of(
    server: Server, row: IterationRow, addresses: Addresses
) -> IterationEvaluation | DetectorEvaluation:
    """The figures of an iteration.

    Raises:
        ServiceError: its training left none.
    """
    try:
        found = EVALUATIONS[row.kind].model_validate_json(_stored(server, row, EVALUATION))
    except ValidationError as error:
        raise _not_stored(row, EVALUATION) from error
    sets = [found.held_out, *([found.test] if found.test else [])]
    judged = [mistake.image for one in sets for mistake in one.mistakes]
    images = _images(server, row, [*judged, *(issue.image for issue in found.label_issues)])

    def shown(image: str) -> dict[str, Any]:
        return _shown(images.get(image), addresses)

    return found.model_copy(
        update={
            "held_out": _named(found.held_out, shown),
            "test": _named(found.test, shown) if found.test else None,
            "label_issues": tuple(one.model_copy(update=shown(one.image)) for one in found.label_issues),
            "report_uri": addresses.file(artifact_key(row.id, PAGE)),
        }
    )


def validation_of(server: Server, row: IterationRow, addresses: Addresses) -> IterationValidation:
    """What was found wrong with the images and tags of an iteration.

    Raises:
        ServiceError: its training left no report.
    """
    try:
        found = json.loads(_stored(server, row, VALIDATION))
    except ValueError as error:
        raise _not_stored(row, VALIDATION) from error
    paths = [path for finding in found["findings"] for path in finding["files"]]
    paths += [one["path"] for one in found["excluded"]]
    images = _images(server, row, map(sha256_of_key, paths))

    def file(path: str) -> dict[str, Any]:
        shown = _shown(images.get(sha256_of_key(path)), addresses)
        return {"name": path.rpartition("/")[2], **shown}

    groups = found.get("groups") or {"groups": None, "tags": {}}  # reports of earlier versions have none
    return IterationValidation(
        stops=found["stops"],
        files=found["files"],
        images=found["images"],
        counts=found["counts"],
        groups=groups["groups"],
        tags=tuple(
            TagCounts(tag=tag, **counts, groups=groups["tags"].get(tag))
            for tag, counts in found["tags"].items()
        ),
        findings=tuple(_finding(one, file) for one in found["findings"]),
        excluded=tuple(ExcludedImage(**file(one["path"]), code=one["code"]) for one in found["excluded"]),
        report_uri=addresses.file(artifact_key(row.id, VALIDATION_PAGE)),
    )


def verification_of(
    server: Server, project_id: str, iteration_id: str, platform: ExportPlatform, flavor: str | None
) -> dict[str, Any]:
    """How an export was compared with the trained model: the `verification.json` of its zip.

    Raises:
        ServiceError: there is no such iteration, or it has no such export that is Done.
    """
    with server.database.read() as session:
        row = iteration_of(session, project_id, iteration_id)
        exports = session.scalars(
            select(ExportRow).where(ExportRow.iteration_key == row.key, ExportRow.platform == platform)
        ).all()
    wanted = (meant_flavor(platform, flavor) or "").lower()
    done = (one for one in exports if one.status == ExportStatus.DONE and one.file_key)
    export = next((one for one in done if _flavor(one) == wanted), None)
    if export is None:
        raise ServiceError(
            "NotFound",
            f"Expected an export of {row.name} to {platform} and {(flavor or 'no flavor')[:80]} that is "
            "Done, found none. Export it with export_iteration, and wait until its status is Done.",
        )
    try:
        document: dict[str, Any] = json.loads(server.storage.get(proof_key(str(export.file_key))))
    except (NotThere, ValueError) as error:
        raise ServiceError(
            "NotFound",
            f"Expected the verification of the export of {row.name} to {platform}, found none beside it. It "
            "is in the zip, as verification.json.",
        ) from error
    return {to_camel(name): _camel(name, value) for name, value in document.items()}


def _flavor(row: ExportRow) -> str:
    return (meant_flavor(row.platform, row.flavor) or "").lower()


def _camel(name: str, value: Any) -> Any:
    if isinstance(value, dict) and name != _DATA:
        return {to_camel(inner): _camel(inner, one) for inner, one in value.items()}
    return value


def _finding(finding: Mapping[str, Any], file: Callable[[str], dict[str, Any]]) -> Finding:
    return Finding(
        code=finding["code"],
        severity=finding["severity"],
        expected=finding["expected"],
        found=finding["found"],
        what_to_do=finding["mend"],
        tags=tuple(finding["tags"]),
        images=tuple(ReportedFile(**file(path)) for path in finding["files"]),
    )


def _named(
    judged: JudgedSet | JudgedBoxes, shown: Callable[[str], dict[str, Any]]
) -> JudgedSet | JudgedBoxes:
    mistakes = tuple(one.model_copy(update=shown(one.image)) for one in judged.mistakes)
    return judged.model_copy(update={"mistakes": mistakes})


def _shown(image: ImageRow | None, addresses: Addresses) -> dict[str, Any]:
    return {
        "image_id": image.id if image else None,
        "thumbnail_uri": addresses.thumbnail(image.sha256) if image else None,
    }


def _images(server: Server, row: IterationRow, contents: Iterable[str]) -> dict[str, ImageRow]:
    with server.database.read() as session:
        return images_by_content(session, _view(session, row), contents)


def _view(session: Session, row: IterationRow) -> View:
    return View(session.get_one(ProjectRow, row.project_key), row.epoch)


def _stored(server: Server, row: IterationRow, name: str) -> bytes:
    try:
        return server.storage.get(artifact_key(row.id, name))
    except NotThere as error:
        raise _not_stored(row, name) from error


def _not_stored(row: IterationRow, name: str) -> ServiceError:
    return ServiceError(
        "NotFound",
        f"Expected {name} of {row.name}, which its training did not leave in a form that this version reads: "
        "it was trained by an earlier version, or copied. Train the project again with forceTrain=true.",
    )
