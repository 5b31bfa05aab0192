"""Gives loaded models the runtime that is fastest for them here, while the usual one serves."""

from __future__ import annotations

import fcntl
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from dahlia.errors import DahliaError, ServiceError
from dahlia.serving.choice.one_process import OneProcess, last_line
from dahlia.serving.choice.quantising import make_graph
from dahlia.serving.choice.remembered import (
    Choice,
    cache_folder,
    graph_of,
    has_graph,
    key_of,
    load_choice,
    save_choice,
)
from dahlia.serving.models.loading import ModelCache
from dahlia.serving.models.runtime import Model
from dahlia.serving.models.runtimes import RUNTIMES, USUAL
from dahlia.settings.values import RuntimeName, RuntimeSetting

_SECONDS = 10.0  # for measuring and comparing
_MOST_SECONDS = 20.0  # with the graph of 8 bits, the start of processes, and opening what is installed
_LAST_SECONDS = 2.0
_LOCK = "measuring.lock"
_MEASURING = "dahlia.serving.choice.measuring"

_logger = logging.getLogger("bentoml.dahlia")


class Chooser:
    """Looks after the models of a process, one at a time, in a thread of its own.

    A choice is kept for this machine, so that a model is measured once, whichever process comes first. What
    cannot be measured or opened stays with ONNX Runtime, and the log says so.

    Args:
        setting: `auto`, or the runtime that serves all models.
        threads: of every run; see `Sessions`.
        at_once: runs at once; see `Sessions`.
        folder: where choices are kept; by default in the user's cache.
        chosen: is told the runtime that a model was given.
        models: those that are loaded. Where they leave no room, ONNX Runtime stays: to load a model again
            costs more than it would gain.
    """

    def __init__(
        self,
        setting: RuntimeSetting,
        threads: int,
        at_once: int = 0,
        folder: Path | None = None,
        chosen: Callable[[str], None] = lambda name: None,
        models: ModelCache[Model] | None = None,
    ) -> None:
        self._setting = setting
        self._threads = threads
        self._at_once = at_once
        self._folder = folder
        self._tell = chosen
        self._models = models
        self._waiting: queue.SimpleQueue[tuple[Model, Path] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process = OneProcess()
        self._ends = threading.Event()

    def consider(self, model: Model, folder: Path) -> Model:
        """Give a model its runtime soon.

        Args:
            model: just loaded.
            folder: of its files.

        Returns:
            The model.
        """
        if self._setting != USUAL and not self._ends.is_set():
            self._waiting.put((model, folder))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="runtimes", daemon=True)
                self._thread.start()
        return model

    def close(self) -> None:
        """Stop, and end a measurement that is under way."""
        self._ends.set()
        self._waiting.put(None)
        self._process.close()
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)  # it may wait for a measurement of another process

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None and not self._ends.is_set():
            model, folder = item
            try:
                self._look_after(model, folder)
            except Exception as error:  # noqa: BLE001  # of a runtime that is not ours; other models wait
                if not self._ends.is_set():
                    kind = "" if isinstance(error, DahliaError | OSError) else f"{type(error).__name__}: "
                    _logger.warning("Iteration %d stays with ONNX Runtime: %s%s", model.number, kind, error)
            del model, item

    def _look_after(self, model: Model, folder: Path) -> None:
        name = self._chosen(model, folder) if self._setting == "auto" else self._setting
        if name is None or name == USUAL:
            return
        runtime = RUNTIMES[name]
        graph = self._quantised(model, folder) if runtime.is_quantised else folder / "model.onnx"
        if graph is None:
            _logger.warning("Iteration %d stays with ONNX Runtime, not %s.", model.number, name)
            return
        size = model.card.input.size
        try:
            engine = runtime.engine(graph, model.reader, size, self._threads, self._at_once)
        except ServiceError:
            if runtime.is_quantised:  # it may be damaged, and is made again the next time
                graph.unlink(missing_ok=True)
            raise
        if self._models is not None and not self._models.has_room(engine.memory - model.memory):
            _logger.info(
                "Iteration %d stays with ONNX Runtime: for %s, inference.model_memory_mb has no %d MB left.",
                model.number,
                runtime.title,
                (engine.memory - model.memory) >> 20,
            )
            return
        model.take(engine, name)
        self._tell(name)
        if self._models is not None:
            self._models.recount()
        _logger.info("Iteration %d is computed by %s from now on.", model.number, runtime.title)

    def _chosen(self, model: Model, folder: Path) -> RuntimeName | None:
        kept, key = self._kept, key_of(folder)
        if known := load_choice(kept, key):
            return known.chosen
        with _alone(kept):
            if known := load_choice(kept, key):  # by another process, meanwhile
                return known.chosen
            until = time.monotonic() + _MOST_SECONDS
            graph = make_graph(self._process, folder, model.reader.outputs, graph_of(kept, key))
            choice = self._measured(folder, graph, until)
            if graph and not (choice and RUNTIMES[choice.chosen].is_quantised):
                graph.unlink(missing_ok=True)
            if choice is None:
                return None
            try:
                save_choice(kept, key, choice)
            except (DahliaError, OSError) as error:  # as on a full disk: it is measured again the next time
                _logger.warning("What was measured for iteration %d is not kept: %s", model.number, error)
        for one in choice.tried:
            _logger.info(
                "Iteration %d, %s: %s ms%s.",
                model.number,
                one.runtime,
                "no" if one.milliseconds is None else f"{one.milliseconds:.1f}",
                f", not taken: {one.refused}" if one.refused else "",
            )
        return choice.chosen

    @property
    def _kept(self) -> Path:
        return self._folder or cache_folder()

    def _quantised(self, model: Model, folder: Path) -> Path | None:
        """The graph of 8 bits; made again where it is missing."""
        kept, key = self._kept, key_of(folder)
        graph = graph_of(kept, key)
        if has_graph(kept, key):
            return graph
        with _alone(kept):
            if has_graph(kept, key):
                return graph
            return make_graph(self._process, folder, model.reader.outputs, graph)

    def _measured(self, folder: Path, graph: Path | None, until: float) -> Choice | None:
        given = [str(folder.resolve()), str(_SECONDS), *([str(graph)] if graph else [])]
        output, errors = self._process.run(_MEASURING, given, until - time.monotonic())
        try:
            return Choice.model_validate_json(output)
        except ValidationError:
            if not self._ends.is_set():
                _logger.warning("The runtimes for %s could not be measured: %s", folder, last_line(errors))
            return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of this user measures."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
