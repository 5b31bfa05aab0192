"""Where the service learns what is published: the registry, or the folder that a Bento carries."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dahlia import layout
from dahlia.config import load_params
from dahlia.errors import ServiceError
from dahlia.modeling.card import load_card, project_id
from dahlia.tracking.iteration import INDEX, ITERATION
from dahlia.tracking.registry import Registry


@dataclass(frozen=True)
class Servable:
    """An iteration's files on this machine."""

    number: int
    id: str
    folder: Path


class Source(Protocol):
    """What is published, and where its files are."""

    @property
    def projects(self) -> Sequence[str]:
        """The ids of the projects that it has in any case; an empty one where nothing says it."""

    @property
    def changes(self) -> bool:
        """Whether what is published can change while the service runs."""

    def published(self) -> Mapping[str, Mapping[str, int]]:
        """Publish names and iteration numbers, by the id of the project.

        Raises:
            DahliaError: it cannot be found out.
        """

    def locate(self, project: str, number: int) -> Servable:
        """An iteration's files.

        Raises:
            DahliaError: they are not available.
        """


class RegistrySource:
    """Asks the project's MLflow registry."""

    changes = True

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._project = project_id(registry.project)

    @property
    def projects(self) -> Sequence[str]:
        """The id of the project of `params.yaml`."""
        return (self._project,)

    def published(self) -> Mapping[str, Mapping[str, int]]:
        """See `Source`."""
        return {self._project: self._registry.published_versions()}

    def locate(self, project: str, number: int) -> Servable:
        """See `Source`."""
        iteration = self._registry.get(number)
        return Servable(number, iteration.id, self._registry.servable(iteration))


class DirectorySource:
    """Reads a folder that `dahlia.tracking.iteration` wrote; it does not change."""

    changes = False

    def __init__(self, folder: Path) -> None:
        try:
            index: dict[str, str] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            self._names = {name: self._read(folder / place) for name, place in index.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                "ErrorPredictionModelNotFound",
                f"Expected a project with params.yaml, or published models in {folder}; received neither "
                f"({error}). Serve from the project folder; for a Bento, publish an iteration with "
                "`dahlia publish` and build it again.",
                status=500,
            ) from error
        first = next(iter(self._names.values()), None)
        self._project = (load_card(first.folder).project_id if first else None) or ""

    @property
    def projects(self) -> Sequence[str]:
        """The id on the models' cards."""
        return (self._project,)

    def published(self) -> Mapping[str, Mapping[str, int]]:
        """See `Source`."""
        return {self._project: {name: servable.number for name, servable in self._names.items()}}

    def locate(self, project: str, number: int) -> Servable:
        """See `Source`."""
        return next(servable for servable in self._names.values() if servable.number == number)

    @staticmethod
    def _read(folder: Path) -> Servable:
        facts = json.loads((folder / ITERATION).read_text(encoding="utf-8"))
        return Servable(int(facts["number"]), str(facts["id"]), folder)


def open_source(root: Path) -> Source:
    """The registry of the project in `root`; in a Bento, which has no `params.yaml`, its folder.

    Raises:
        DahliaError: `root` is neither.
    """
    params = root / layout.PARAMS
    if not params.exists():
        return DirectorySource(root / "published")
    if importlib.util.find_spec("mlflow") is None:
        raise ServiceError(
            "ErrorPredictionModelNotFound",
            f"Expected MLflow, which says what the project in {root.resolve()} has published; received an "
            "installation without. Install it with `pip install mlflow`, or serve a folder that has "
            f"`published/` and no {params.name}.",
        )
    return RegistrySource(Registry.of(root, load_params(params)))
