"""The rows of a project from what its iterations' files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import CLASSIFIERS, KINDS, IterationStatus, ProjectStatus, TrainingType
from dahlia.server.projects.choices import AUGMENTATION
from dahlia.server.rescue.finding import Found, read_view
from dahlia.server.rescue.photos import StoredPhoto
from dahlia.server.rescue.timeline import Timeline
from dahlia.server.storage.storage import Storage


@dataclass(frozen=True)
class Rebuilt:
    """A project as it will be.

    Attributes:
        columns: of its row.
        iterations: columns of their rows but for the project's key, and the keys of their exports' files.
        timeline: its tags and images.
    """

    columns: dict[str, Any]
    iterations: list[tuple[dict[str, Any], tuple[str, ...]]]
    timeline: Timeline


def rebuild(
    storage: Storage, found: Sequence[Found], photos: Mapping[str, StoredPhoto], problems: list[str]
) -> Rebuilt:
    """Rebuild a project.

    Args:
        storage: has the iterations' files.
        found: the project's iterations, the oldest first.
        photos: images that can be used, by their SHA-256.
        problems: gets a line for each file that cannot be used.

    Raises:
        StorageError: the storage cannot be read.
    """
    columns = _project(found)
    timeline = Timeline(photos, single=TAG_RULES[KINDS[columns["classification"]]].exclusive)
    iterations = []
    numbers = _numbers(found)
    for epoch, (one, number) in enumerate(zip(found, numbers, strict=True), 1):
        timeline.add(epoch, read_view(storage, one, problems))
        iterations.append((_iteration(one, epoch, number), one.exports))
    columns |= {
        "epoch": len(found) + 1,
        "revision": len(found) + 1,  # a training is never refused as one of what was trained already
        "iterations_made": max(numbers),
    }
    return Rebuilt(columns, iterations, timeline)


def _numbers(found: Sequence[Found]) -> list[int]:
    numbers: list[int] = []
    for one in found:
        after = numbers[-1] + 1 if numbers else 1
        numbers.append(max(after, one.record.iteration.number) if one.record else after)
    return numbers


def _project(found: Sequence[Found]) -> dict[str, Any]:
    newest_record = next((one.record for one in reversed(found) if one.record), None)
    newest, oldest = found[-1], found[0]
    common: dict[str, Any] = {
        "id": newest.project_id,
        "container_uri": None,
        "queue_uri": None,
        "status": ProjectStatus.SUCCEEDED,
        "modified": newest.moment,
    }
    if newest_record:
        part = newest_record.project
        names = (
            "name",
            "description",
            "pipeline_name",
            "domain_id",
            "classification",
            "augmentation",
            "created",
        )
        return (
            common
            | {name: getattr(part, name) for name in names}
            | {"export_platforms": list(part.export_platforms)}
        )
    card = newest.card
    return common | {
        "name": _plain_name(card.project, newest.project_id),
        "description": "",
        "pipeline_name": card.project,
        "domain_id": domain_of(card.domain_id).id,
        "classification": CLASSIFIERS[card.kind],
        "export_platforms": [],
        "augmentation": dict(AUGMENTATION),
        "created": oldest.moment,
    }


def _plain_name(pipeline_name: str, project_id: str) -> str:
    """A project's name out of `dahlia.server.workspaces.snapshot.pipeline_name`, as far as that kept it."""
    return pipeline_name.removesuffix(f"-{project_id[:8]}") or pipeline_name


def _iteration(found: Found, epoch: int, number: int) -> dict[str, Any]:
    common: dict[str, Any] = {
        "id": found.id,
        "number": number,
        "status": IterationStatus.COMPLETED,
        "modified": found.moment,
        "trained": found.moment,
        "epoch": epoch,
        "revision": epoch,
        "tag_ids": found.tag_ids,
        "publish_name": None,
        "publish_resource": None,
        "error": None,
        "files": True,
    }
    return common | (_recorded(found) if found.record else _guessed(found, number))


def _recorded(found: Found) -> dict[str, Any]:
    assert found.record is not None
    part = found.record.iteration
    names = (
        "name", "created", "domain_id", "classification", "training_type", "budget_hours", "base_project_id",
        "base_iteration_id",
    )  # fmt: skip
    return {name: getattr(part, name) for name in names} | {
        "chosen_tags": list(part.chosen_tags),
        "minutes": found.record.minutes,
        "run_id": found.record.run_id,
    }


def _guessed(found: Found, number: int) -> dict[str, Any]:
    card = found.card
    advanced = card.training.recipe == "advanced"
    return {
        "name": f"Iteration {number}",
        "created": found.moment,
        "domain_id": domain_of(card.domain_id).id,
        "classification": CLASSIFIERS[card.kind],
        "training_type": TrainingType.ADVANCED if advanced else TrainingType.REGULAR,
        "budget_hours": 0,
        "minutes": 1,
        "base_project_id": None,
        "base_iteration_id": None,
        "chosen_tags": [],
        "run_id": None,
    }
