"""Projects and tags as they go over the wire, and summaries, with as many queries for a page as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import false, func, select, true
from sqlalchemy.orm import Session, aliased

from dahlia.server.contract.enums import CLASSIFIERS, IterationStatus, ProjectStatus, TagType, TrainingType
from dahlia.server.contract.models import ImageProcessingSettings, Project, ProjectSettings, Tag
from dahlia.server.contract.own import IterationSummary, MainFigures, ProjectSummary, PublishedName
from dahlia.server.database.changes import GONE
from dahlia.server.database.tables import ImageRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.addresses import Addresses

FiguresOf = Callable[[Sequence[str]], Mapping[str, MainFigures]]

_Counts = Mapping[int, int]


def project_answer(session: Session, row: ProjectRow, addresses: Addresses) -> Project:
    """A project."""
    return project_answers(session, [row], addresses)[0]


def project_answers(session: Session, rows: Sequence[ProjectRow], addresses: Addresses) -> list[Project]:
    """Projects, with one query for all of their thumbnails."""
    newest = _newest_images(session, [row.key for row in rows])
    return [_answer(row, newest.get(row.key), addresses) for row in rows]


def tag_answer(row: TagRow, image_count: int) -> Tag:
    """A tag with the number of its images."""
    return Tag(
        id=row.id,
        name=row.name,
        description=row.description,
        type=TagType(row.type),
        image_count=image_count,
    )


def projects_page(session: Session, only: str | None, take: int, after: int | None) -> list[ProjectRow]:
    """Projects, the oldest first.

    Args:
        session: to read with.
        only: the id of the key's only project; None for all.
        take: how many at most.
        after: the number of a project, of which only later ones are wanted; None for all.
    """
    chosen = select(ProjectRow).where(ProjectRow.status != GONE).order_by(ProjectRow.key).limit(take)
    if only is not None:
        chosen = chosen.where(ProjectRow.id == only)
    if after is not None:
        chosen = chosen.where(ProjectRow.key > after)
    return list(session.scalars(chosen))


class Summaries:
    """What there is to tell of projects; read while a session is open, told when it is closed.

    Args:
        session: to read with.
        rows: the projects.
        addresses: of their thumbnails.
    """

    def __init__(self, session: Session, rows: Sequence[ProjectRow], addresses: Addresses) -> None:
        self._rows = rows
        keys = [row.key for row in rows]
        self._answers = project_answers(session, rows, addresses)
        self._tagged = _images(session, keys, tagged=True)
        self._untagged = _images(session, keys, tagged=False)
        self._tags = _tags(session, keys)
        self._regions = _regions(session, keys)
        self._iterations = _iterations(session, keys)

    def told(self, figures_of: FiguresOf) -> tuple[ProjectSummary, ...]:
        """The summaries, in the order of the projects.

        Args:
            figures_of: the main figures of iterations by their ids, which files hold.
        """
        shown = [one for key in self._iterations for one in _outstanding(self._iterations[key]) if one]
        trained = {one.id for one in shown if one.status == IterationStatus.COMPLETED}
        figures = figures_of(sorted(trained))
        return tuple(
            self._summary(row, dict(answer), figures)
            for row, answer in zip(self._rows, self._answers, strict=True)
        )

    def _summary(
        self, row: ProjectRow, answer: dict[str, Any], figures: Mapping[str, MainFigures]
    ) -> ProjectSummary:
        iterations = self._iterations.get(row.key, [])
        last, trained = _outstanding(iterations)
        tagged, untagged = self._tagged.get(row.key, 0), self._untagged.get(row.key, 0)
        return ProjectSummary(
            **answer,
            image_count=tagged + untagged,
            tagged_image_count=tagged,
            untagged_image_count=untagged,
            tag_count=self._tags.get(row.key, 0),
            region_count=self._regions.get(row.key, 0),
            iteration_count=len(iterations),
            is_training=any(one.status == IterationStatus.TRAINING for one in iterations),
            last_iteration=_iteration(last, figures),
            last_trained_iteration=_iteration(trained, figures),
            published=tuple(
                PublishedName(publish_name=one.publish_name, iteration_id=one.id, iteration_name=one.name)
                for one in iterations
                if one.publish_name is not None
            ),
        )


def _answer(row: ProjectRow, newest: str | None, addresses: Addresses) -> Project:
    shown = newest is not None and row.status == ProjectStatus.SUCCEEDED
    return Project(
        id=row.id,
        name=row.name,
        description=row.description,
        settings=_settings(row),
        created=row.created,
        last_modified=row.modified,
        thumbnail_uri=addresses.thumbnail(newest) if shown and newest else None,
        dr_mode_enabled=False,
        status=ProjectStatus(row.status),
    )


def _settings(row: ProjectRow) -> ProjectSettings:
    return ProjectSettings(
        domain_id=row.domain_id,
        classification_type=CLASSIFIERS[row.kind],
        target_export_platforms=tuple(row.export_platforms),
        use_negative_set=row.use_negative_set,
        detection_parameters=None,
        image_processing_settings=ImageProcessingSettings(augmentation_methods=row.augmentation),
        export_model_container_uri=row.container_uri,
        notification_queue_uri=row.queue_uri,
    )


def _newest_images(session: Session, projects: Sequence[int]) -> dict[int, str]:
    newest: dict[int, tuple[int, str]] = {}
    for tagged in (true(), false()):
        image = aliased(ImageRow)
        # In the order of the index `images_in_order`, so that one entry of it is read for each project.
        last = (
            select(image.key)
            .where(image.project_key == ProjectRow.key, image.removed.is_(None), image.tagged == tagged)
            .order_by(image.removed.desc(), image.key.desc())
            .limit(1)
            .scalar_subquery()
        )
        found = (
            select(ProjectRow.key, ImageRow.key, ImageRow.sha256)
            .join(ImageRow, ImageRow.key == last)
            .where(ProjectRow.key.in_(projects))
        )
        for project, key, sha256 in session.execute(found):
            newest[project] = max(newest.get(project, (0, "")), (key, sha256))
    return {project: sha256 for project, (_, sha256) in newest.items()}


class _Iteration(NamedTuple):
    id: str
    name: str
    status: str
    created: datetime
    trained: datetime | None
    training_type: str
    publish_name: str | None


def _outstanding(iterations: Sequence[_Iteration]) -> tuple[_Iteration | None, _Iteration | None]:
    """The newest iteration, and the newest that is trained."""
    trained = [one for one in iterations if one.status == IterationStatus.COMPLETED]
    return iterations[-1] if iterations else None, trained[-1] if trained else None


def _iteration(row: _Iteration | None, figures: Mapping[str, MainFigures]) -> IterationSummary | None:
    if row is None:
        return None
    return IterationSummary(
        id=row.id,
        name=row.name,
        status=row.status,
        created=row.created,
        trained_at=row.trained,
        training_type=TrainingType(row.training_type),
        publish_name=row.publish_name,
        performance=figures.get(row.id),
    )


def _images(session: Session, projects: Sequence[int], *, tagged: bool) -> _Counts:
    of = ImageRow.project_key
    live = ImageRow.removed.is_(None), ImageRow.tagged.is_(tagged)
    counted = select(of, func.count()).where(of.in_(projects), *live).group_by(of)
    return dict(iter(session.execute(counted)))


def _tags(session: Session, projects: Sequence[int]) -> _Counts:
    of = TagRow.project_key
    counted = select(of, func.count()).where(of.in_(projects), TagRow.removed.is_(None)).group_by(of)
    return dict(iter(session.execute(counted)))


def _regions(session: Session, projects: Sequence[int]) -> _Counts:
    of = TagRow.project_key
    counted = (
        select(of, func.count())
        .join(RegionRow, RegionRow.tag_key == TagRow.key)
        .where(of.in_(projects), RegionRow.removed.is_(None))
        .group_by(of)
    )
    return dict(iter(session.execute(counted)))


def _iterations(session: Session, projects: Sequence[int]) -> dict[int, list[_Iteration]]:
    table = IterationRow
    chosen = (
        select(
            table.project_key, table.id, table.name, table.status, table.created, table.trained,
            table.training_type, table.publish_name,
        )
        .where(table.project_key.in_(projects))
        .order_by(table.number, table.key)
    )  # fmt: skip
    found: dict[int, list[_Iteration]] = defaultdict(list)
    for row in session.execute(chosen):
        found[row.project_key].append(_Iteration(*row[1:]))
    return found
