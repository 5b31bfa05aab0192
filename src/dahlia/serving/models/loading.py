"""Loading models: where they come from, and those in memory.

What is published is learned from the registry, or from the folder that a Bento carries. A model is loaded
when it is first asked for; the least recently used is given up first.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dahlia import layout
from dahlia.config import load_params
from dahlia.dataset.decoding_memory import return_freed_memory
from dahlia.errors import DahliaError, ServiceError
from dahlia.modeling.card import load_card, project_id
from dahlia.tracking.iteration import INDEX, ITERATION
from dahlia.tracking.registry import Registry

_RETRY_SECONDS = 30.0

_logger = logging.getLogger("bentoml.dahlia")


class Loaded(Protocol):
    """What a cache can hold."""

    @property
    def memory(self) -> int:
        """Bytes that it takes, about."""


_Loaded = TypeVar("_Loaded", bound=Loaded)


class ModelCache(Generic[_Loaded]):
    """Loaded models, by iteration; safe to use from several threads.

    A model that is given up answers the requests that have it already. One that could not be loaded is not
    tried again for 30 seconds.

    Args:
        load: loads an iteration's files.
        budget: bytes that the models may take together; the one last asked for stays in any case.
        changed: is told how many models are loaded, and how many bytes they take.
    """

    def __init__(
        self,
        load: Callable[[Servable], _Loaded],
        budget: int,
        changed: Callable[[int, int], None] = lambda count, memory: None,
    ) -> None:
        self._load = load
        self._budget = budget
        self._changed = changed
        self._lock = threading.Lock()
        self._models: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading: dict[str, Future[_Loaded]] = {}
        self._failed: dict[str, tuple[float, ServiceError]] = {}

    def __len__(self) -> int:
        """How many models are loaded."""
        return len(self._models)

    def __contains__(self, servable: Servable) -> bool:
        """Whether an iteration's model is loaded."""
        return servable.id in self._models

    def peek(self, servable: Servable) -> _Loaded | None:
        """The model of an iteration if it is loaded; that does not count as asking for it."""
        return self._models.get(servable.id)

    def has_room(self, more: int) -> bool:
        """Whether loaded models may take so many bytes more before one of them is given up."""
        with self._lock:
            return self._total + more <= self._budget

    def recount(self) -> None:
        """Tell what the models take now: one of them has changed."""
        with self._lock:
            self._changed(len(self._models), self._total)

    @property
    def _total(self) -> int:
        return sum(one.memory for one in self._models.values())

    def get(self, servable: Servable) -> _Loaded:
        """The model of an iteration; several threads that want the same one wait for one loading.

        Raises:
            ServiceError: it cannot be loaded.
        """
        with self._lock:
            model = self._models.get(servable.id)
            if model is not None:
                self._models.move_to_end(servable.id)
                return model
            pending = self._loading.get(servable.id)
            if mine := pending is None:
                pending = self._loading[servable.id] = Future()
        if mine:
            self._fill(servable, pending)
        return pending.result()

    def _fill(self, servable: Servable, pending: Future[_Loaded]) -> None:
        try:
            model = self._try(servable)
            self._put(servable, model)
        except BaseException as error:  # noqa: BLE001 (waiting threads must hear of it, whatever it is)
            pending.set_exception(error)
        else:
            pending.set_result(model)
        finally:
            del self._loading[servable.id]

    def _try(self, servable: Servable) -> _Loaded:
        until, refused = self._failed.get(servable.id, (0.0, None))
        if refused and until > time.monotonic():
            raise ServiceError(refused.code, str(refused), status=refused.status)
        try:
            model = self._loaded(servable)
        except DahliaError as error:
            _logger.error("Iteration %d (%s) cannot be loaded: %s", servable.number, servable.id, error)
            refused = _as_refusal(servable, error)
            self._failed[servable.id] = time.monotonic() + _RETRY_SECONDS, refused
            if refused is error:
                raise
            raise refused from error
        self._failed.pop(servable.id, None)
        return model

    def _loaded(self, servable: Servable) -> _Loaded:
        try:
            return self._load(servable)
        except (DahliaError, MemoryError):
            raise
        except Exception as error:  # of files that are not ours, in a runtime that is not
            _logger.exception("Loading iteration %d (%s) failed.", servable.number, servable.id)
            raise ServiceError(
                "ErrorPredictionModelNotFound",
                f"Its files are not those of a model: {type(error).__name__}. Publish another iteration, or "
                "record this one again with `dvc repro`.",
                status=500,
            ) from error

    def _put(self, servable: Servable, model: _Loaded) -> None:
        given_up = 0
        with self._lock:
            self._models[servable.id] = model
            total = self._total
            while total > self._budget and len(self._models) > 1:
                _, oldest = self._models.popitem(last=False)
                total -= oldest.memory
                given_up += 1
                del oldest
            self._changed(len(self._models), total)
        _logger.info("Loaded iteration %d (%s), %d MB.", servable.number, servable.id, model.memory >> 20)
        if given_up:
            _logger.info("Gave up %d of the models, the least recently used.", given_up)
        return_freed_memory()


def _as_refusal(servable: Servable, error: DahliaError) -> ServiceError:
    if isinstance(error, ServiceError) and error.status < 500:
        return error
    # The error names files of this machine, which are no client's business.
    return ServiceError(
        "ErrorPredictionModelNotFound",
        f"The model of iteration {servable.number} cannot be loaded; the service's log says why. Ask for "
        "another iteration, or publish one.",
    )


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
