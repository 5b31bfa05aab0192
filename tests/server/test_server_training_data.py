"""What a training sees of its project."""

from __future__ import annotations

import pytest
from job_cases import (
    DETECTION,
    add_photo,
    order,
    plant,
)
from sqlalchemy import select

from dahlia.dataset.groups import tidy_group
from dahlia.dataset.records import Region
from dahlia.errors import TrainingError
from dahlia.server.context import Server
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, TagRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.training_data import read_snapshot
from dahlia.server.workspaces.snapshot import Snapshot


def snapshot_of(server: Server, identity: str) -> Snapshot:
    with server.database.read() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()
        return read_snapshot(session, session.get_one(ProjectRow, row.project_key), row)


def test_a_training_sees_what_was_tagged_when_it_was_asked_for(server: Server) -> None:
    project = plant(server, "red", "blue", "Negative")
    kept = add_photo(server, project, b"kept", "red")
    gone = add_photo(server, project, b"gone", "blue")
    add_photo(server, project, b"untagged")
    both = add_photo(server, project, b"both", "red", "blue")
    boxed = add_photo(server, project, b"boxed", region="blue")
    first = order(server, project)
    with server.database.write() as session:
        row = session.scalars(select(ImageRow).where(ImageRow.sha256 == gone)).one()
        row.removed = 2
        for tagged in session.scalars(select(ImageTagRow).where(ImageTagRow.image_key == row.key)):
            tagged.removed = 2
        session.scalars(select(TagRow).where(TagRow.name == "red")).one().name = "crimson"
        session.scalars(select(JobRow)).one().state = "done"
    late = add_photo(server, project, b"late", "Negative")
    second = order(
        server, project, {"crimson": project.tags["red"]} | {k: project.tags[k] for k in ("blue", "Negative")}
    )
    seen = snapshot_of(server, first)
    assert {photo.sha256: photo.tags for photo in seen.photos} == {
        kept: ("red",), gone: ("blue",), both: ("blue", "red"), boxed: (),
    }  # fmt: skip
    assert seen.photos[-1].regions == (Region("blue", 0.1, 0.2, 0.3, 0.4),)
    assert (seen.project, seen.domain, seen.recipe) == ("garden-0", "general_compact", "quick")
    assert (seen.kind, seen.negative_tag, seen.budget_minutes) == ("multiclass", "Negative", None)
    later = {photo.sha256: photo.tags for photo in snapshot_of(server, second).photos}
    assert later == {kept: ("crimson",), both: ("blue", "crimson"), boxed: (), late: ("Negative",)}


def test_metadata_names_groups(server: Server) -> None:
    project = plant(server, "red")
    details = [{"group": "plot\n1 "}, {"group": ""}, {"Group": "x"}, {}, {"group": "\x07" + "y" * 300}]
    shas = [add_photo(server, project, bytes([number]), "red") for number in range(len(details))]
    with server.database.write() as session:
        for sha256, said in zip(shas, details, strict=True):
            session.scalars(select(ImageRow).where(ImageRow.sha256 == sha256)).one().details = said
    groups = [photo.group for photo in snapshot_of(server, order(server, project)).photos]
    assert groups[:4] == ["plot 1", None, None, None]
    assert groups[4] == tidy_group("y" * 300)


def test_the_negative_set_is_that_of_when_it_was_asked_for(server: Server) -> None:
    project = plant(server, "red")
    first = order(server, project)
    with server.database.write() as session:
        session.get_one(ProjectRow, project.key).use_negative_set = False
        session.scalars(select(JobRow)).one().state = "done"
    second = order(server, project)
    assert [snapshot_of(server, one).use_negative_set for one in (first, second)] == [True, False]


def test_only_the_chosen_tags_are_seen(server: Server) -> None:
    project = plant(server, "red", "blue", "Negative")
    one = add_photo(server, project, b"one", "red", "blue", region="blue")
    add_photo(server, project, b"two", "blue")
    made = order(server, project, {"red": project.tags["red"]}, chosen_tags=[project.tags["red"]])
    seen = snapshot_of(server, made)
    assert [(photo.sha256, photo.tags, photo.regions) for photo in seen.photos] == [(one, ("red",), ())]
    assert seen.negative_tag is None


def test_names_are_spelled_as_models_spell_them(server: Server) -> None:
    project = plant(server, "Cafe\u0301")
    add_photo(server, project, b"one", "Cafe\u0301")
    assert snapshot_of(server, order(server, project)).photos[0].tags == ("Caf\u00e9",)


@pytest.mark.parametrize(("hours", "minutes"), [(2, 120.0), (0, None)])
def test_an_advanced_training_has_a_budget(server: Server, hours: int, minutes: float | None) -> None:
    made = order(server, plant(server, "a"), training_type="Advanced", budget_hours=hours)
    seen = snapshot_of(server, made)
    assert (seen.recipe, seen.budget_minutes) == ("advanced", minutes)


def test_a_domain_that_was_withdrawn_is_refused(server: Server) -> None:
    adult = next(domain.id for domain in DOMAINS if domain.name == "Adult")
    made = order(server, plant(server, "a", domain=adult))
    with pytest.raises(TrainingError, match="withdrawn"):
        snapshot_of(server, made)


def test_a_detector_sees_regions_and_nothing_that_nobody_has_annotated(server: Server) -> None:
    project = plant(server, "red", "blue", domain=DETECTION, classification=None)
    boxed = add_photo(server, project, b"boxed", "red", region="red")
    partly = add_photo(server, project, b"partly", "red", "blue", region="red")
    tagged = add_photo(server, project, b"tagged", "blue")
    add_photo(server, project, b"bare")
    seen = snapshot_of(server, order(server, project))
    box = (Region("red", 0.1, 0.2, 0.3, 0.4),)
    assert [(one.sha256, one.tags, one.regions, one.empty) for one in seen.photos] == [
        (boxed, ("red",), box, False),
        (partly, ("blue", "red"), box, False),  # validation leaves it out, and tells it
        (tagged, ("blue",), (), False),
    ]
    assert (seen.kind, seen.domain) == ("detection", "detection_general_compact")


def test_what_a_detector_of_chosen_tags_takes_for_background(server: Server) -> None:
    """Images whose objects are all of other tags, if who drew them could have drawn the chosen ones."""
    project = plant(server, "red", "blue", "green", domain=DETECTION, classification=None)
    early = add_photo(server, project, b"early", "blue", region="blue")
    with server.database.write() as session:
        session.scalars(select(TagRow).where(TagRow.name == "red")).one().created = server.now()
    own = add_photo(server, project, b"own", "red", "blue", region="red")
    other = add_photo(server, project, b"other", "blue", region="blue")
    add_photo(server, project, b"partly", "blue", "green", region="blue")
    add_photo(server, project, b"tagged", "blue")
    add_photo(server, project, b"bare")
    red, blue = project.tags["red"], project.tags["blue"]
    made = order(server, project, {"red": red}, chosen_tags=[red])
    box = (Region("red", 0.1, 0.2, 0.3, 0.4),)
    seen = [(one.sha256, one.tags, one.regions, one.empty) for one in snapshot_of(server, made).photos]
    assert seen == [(own, ("red",), box, False), (other, (), (), True)]
    with server.database.write() as session:
        session.scalars(select(JobRow)).one().state = "done"
    made = order(server, project, {"blue": blue}, chosen_tags=[blue])
    assert {one.sha256 for one in snapshot_of(server, made).photos} >= {early, other}


def test_a_classifier_of_chosen_tags_has_no_background(server: Server) -> None:
    project = plant(server, "red", "blue")
    add_photo(server, project, b"other", "blue", region="blue")
    made = order(server, project, {"red": project.tags["red"]}, chosen_tags=[project.tags["red"]])
    assert snapshot_of(server, made).photos == ()
