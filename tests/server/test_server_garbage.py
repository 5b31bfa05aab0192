from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from iteration_cases import add_images, add_tag, complete, new_project, remove_image
from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.changes import Versioned, collect_garbage, remove, visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow

pytestmark = pytest.mark.both_databases

TABLES: tuple[Versioned, ...] = (TagRow, ImageRow, ImageTagRow, RegionRow)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def seen(session: Session, project: ProjectRow, epochs: list[int]) -> list[set[tuple[str, int]]]:
    """What the workspace and each iteration see."""
    return [
        {
            (table.__tablename__, key)
            for table in TABLES
            for key in session.scalars(select(table.key).where(visible(table, epoch)))
        }
        for epoch in (None, *epochs)
    ]


def unseen(session: Session, epochs: list[int]) -> int:
    """Rows that nothing sees, counted one by one."""
    return sum(
        row.removed is not None and not any(row.added <= epoch < row.removed for epoch in epochs)
        for table in TABLES
        for row in session.scalars(select(table))
    )


class History:
    """A project whose rows come and go."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.case = new_project(server, {"a": 1, "b": 1})
        self.epochs: list[int] = []

    def live(self, session: Session, table: Versioned) -> list[int]:
        return sorted(session.scalars(select(table.key).where(visible(table, None))))

    def step(self, session: Session) -> None:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == self.case.id)).one()
        kind = self.chance.choice(
            ["image", "image", "tag", "region", "label", "label", "remove", "remove", "train"]
        )
        getattr(self, f"_{kind}")(session, project)
        session.flush()

    def _image(self, session: Session, project: ProjectRow) -> None:
        sha256 = f"{self.chance.getrandbits(256):064x}"
        session.add(
            ImageRow(
                id=new_id(), project_key=project.key, sha256=sha256, suffix=".png", width=1, height=1, size=1,
                details={}, tagged=False, created=NOW, added=project.epoch, removed=None,
            )
        )  # fmt: skip

    def _tag(self, session: Session, project: ProjectRow) -> None:
        session.add(
            TagRow(
                id=new_id(), project_key=project.key, name=new_id(), description="", type="Regular",
                created=NOW, added=project.epoch, removed=None,
            )
        )  # fmt: skip

    def _region(self, session: Session, project: ProjectRow) -> None:
        images, tags = self.live(session, ImageRow), self.live(session, TagRow)
        if images and tags:
            session.add(
                RegionRow(
                    id=new_id(), image_key=self.chance.choice(images), tag_key=self.chance.choice(tags),
                    left=0, top=0, width=1, height=1, created=NOW, added=project.epoch, removed=None,
                )
            )  # fmt: skip

    def _label(self, session: Session, project: ProjectRow) -> None:
        images, tags = self.live(session, ImageRow), self.live(session, TagRow)
        if not images or not tags:
            return
        pair = {"image_key": self.chance.choice(images), "tag_key": self.chance.choice(tags)}
        known = select(ImageTagRow.key).filter_by(**pair).where(visible(ImageTagRow, None))
        if session.scalar(known) is None:
            session.add(ImageTagRow(**pair, created=NOW, added=project.epoch, removed=None))

    def _remove(self, session: Session, project: ProjectRow) -> None:
        table = self.chance.choice(TABLES)
        keys = self.live(session, table)
        if not keys:
            return
        key = self.chance.choice(keys)
        if table is ImageRow or table is TagRow:
            for labels in (ImageTagRow, RegionRow):
                column = labels.image_key if table is ImageRow else labels.tag_key
                remove(session, labels, column == key, project.epoch)
        remove(session, table, table.key == key, project.epoch)

    def _train(self, session: Session, project: ProjectRow) -> None:
        session.add(iteration(project))
        self.epochs.append(project.epoch)
        project.epoch += 1


def iteration(project: ProjectRow) -> IterationRow:
    return IterationRow(
        id=new_id(), project_key=project.key, number=project.epoch, name="i", status="Completed", created=NOW,
        modified=NOW, trained=NOW, epoch=project.epoch, revision=0, domain_id=project.domain_id,
        classification="Multiclass", training_type="Regular", budget_hours=0, minutes=1, chosen_tags=[],
        tag_ids={}, base_project_id=None, base_iteration_id=None, publish_name=None, publish_resource=None,
        error=None, run_id=None, files=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_goes_is_what_nothing_sees(server: Server, seed: int) -> None:
    history = History(server, seed)
    with server.database.write() as session:
        for _ in range(150):
            history.step(session)
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == history.case.id)).one()
        assert len(history.epochs) > 5
        while history.epochs:
            gone = history.epochs.pop(history.chance.randrange(len(history.epochs)))
            before = seen(session, project, history.epochs)
            session.execute(delete(IterationRow).where(IterationRow.epoch == gone))
            collect_garbage(session, project.key, gone)
            session.expire_all()
            assert seen(session, project, history.epochs) == before
            assert unseen(session, history.epochs) == 0


def test_an_epoch_that_another_iteration_shares(server: Server) -> None:
    case = new_project(server)
    with server.database.write() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == case.id)).one()
        session.add_all([iteration(project), iteration(project)])
        project.epoch += 1
    remove_image(server, case, case.images["a"][0][0])
    with server.database.write() as session:
        first, second = session.scalars(select(IterationRow).order_by(IterationRow.key)).all()
        images = select(func.count()).select_from(ImageRow)
        session.delete(first)
        session.flush()
        collect_garbage(session, first.project_key, first.epoch)
        assert session.scalar(images) == 10
        session.delete(second)
        session.flush()
        collect_garbage(session, second.project_key, second.epoch)
        assert session.scalar(images) == 9


def test_images_go_with_the_last_iteration_that_had_them(client: TestClient, server: Server) -> None:
    case, other = new_project(server), new_project(server)
    ids = []
    for _ in range(2):
        ids.append(client.post(f"{case.path}/train", params={"forceTrain": True}).json()["id"])
        complete(server, ids[-1])
    remove_image(server, case, case.images["a"][0][0])
    add_tag(server, case, "c")
    add_images(server, case, "c", 1)
    for identity, left in zip(ids, (11, 10), strict=True):
        assert client.delete(case.iteration(identity)).status_code == 204
        with server.database.read() as session:
            assert session.scalar(count(case.id)) == left
            assert session.scalar(count(other.id)) == 10


def count(project_id: str) -> Select[int]:
    joined = select(func.count(ImageRow.key)).join(ProjectRow, ProjectRow.key == ImageRow.project_key)
    return joined.where(ProjectRow.id == project_id)
