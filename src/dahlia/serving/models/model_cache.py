"""The models in memory: loaded when they are first asked for, the least recently used given up first."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from dahlia.dataset.decoding_memory import return_freed_memory
from dahlia.errors import DahliaError, ServiceError
from dahlia.serving.models.sources import Servable

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
            model = self._load(servable)
        except DahliaError as error:
            _logger.error("Iteration %d (%s) cannot be loaded: %s", servable.number, servable.id, error)
            refused = _as_refusal(servable, error)
            self._failed[servable.id] = time.monotonic() + _RETRY_SECONDS, refused
            if refused is error:
                raise
            raise refused from error
        self._failed.pop(servable.id, None)
        return model

    def _put(self, servable: Servable, model: _Loaded) -> None:
        given_up = 0
        with self._lock:
            self._models[servable.id] = model
            total = sum(one.memory for one in self._models.values())
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
