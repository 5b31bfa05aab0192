"""What computes predictions in the server: models, threads, what is kept, and which iteration is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError, ServiceError
from dahlia.http.admission import Admission
from dahlia.processes import usable_cores
from dahlia.server.contract.enums import IterationStatus, not_found
from dahlia.server.database.changes import project_of
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.server.predictions.journal import Journal, Maintenance
from dahlia.server.predictions.published_models import MODELS, DatabaseSource, ModelFiles
from dahlia.serving.activation import Activation
from dahlia.serving.choice.chooser import Chooser
from dahlia.serving.explanation import Explainer
from dahlia.serving.metrics import Metrics
from dahlia.serving.models.loading import ModelCache, Servable
from dahlia.serving.models.publications import Publications, Published
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.models.runtimes import require_installed
from dahlia.serving.prediction_api import Answered, Predictor, answer
from dahlia.serving.stored.store import PredictionStore
from dahlia.settings.service import THREADS_PER_CORE
from dahlia.tracking.iteration import normalise

if TYPE_CHECKING:
    from starlette.responses import Response

    from dahlia.server.context import Server

JOURNAL = "predictions"

_Opened = TypeVar("_Opened")

_LAST_SECONDS = 5.0  # for what is kept still to be stored when the server ends


class PredictionService:
    """Opened when the server starts, closed when it ends.

    Args:
        server: has the settings and the database.

    Attributes:
        admission: how much is taken on at once.
        registry: what is counted.
        metrics: count it.
        journal: predictions that were kept, on their way into the database.
        suggesting: is held by the batch of images that gets suggestions.
    """

    def __init__(self, server: Server) -> None:
        settings = server.settings.inference
        home = server.settings.server.home
        self.admission = Admission(None, settings.max_concurrency)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.journal = Journal(server, home / JOURNAL)
        self.suggesting = asyncio.Lock()
        self._server = server
        self._threads = settings.model_threads
        require_installed(settings.runtime)
        self._models = ModelCache(self._load, settings.model_memory_mb << 20, self.metrics.loaded)
        self._chooser = Chooser(
            settings.runtime,
            settings.model_threads,
            chosen=self.metrics.chosen,
            models=self._models,
        )
        self._files = ModelFiles(server.storage, home / MODELS)
        self._source = DatabaseSource(server.database, self._files)
        self._publications = Publications(
            [self._source],
            self._models,
            serves_faulty=True,
            unknown_project=lambda project: not_found("Project", project),
        )
        self._workers = settings.threads or THREADS_PER_CORE * usable_cores()
        self._maintenance = Maintenance(server, self.journal)
        self._predictor: Predictor | None = None
        self._activations = ModelCache(self._load_activation, (settings.model_memory_mb << 20) // 4)
        ProcessCollector(registry=self.registry)

    @property
    def predictor(self) -> Predictor:
        """Computes predictions.

        Raises:
            ServiceError: the server is starting, or ending.
        """
        if self._predictor is None:
            raise ServiceError(
                "ErrorPredictionServiceUnavailable",
                "The server is starting. Ask again in a second.",
                status=503,
            )
        return self._predictor

    def open(self) -> None:
        """Follow what is published, and keep what is predicted."""
        kept = self._server.settings.predictions
        folder = self._server.settings.server.home / JOURNAL
        self._forget_models()
        self._publications.start(self._server.settings.jobs.poll_seconds)
        self._server.on_publish.append(self._publications.refresh)
        store = PredictionStore(
            folder, max_bytes=kept.max_mb << 20, keep_days=kept.days, hindrance=self._hindrance
        )
        self._predictor = Predictor(self._publications, self._models, store, self._workers, self.metrics)
        self._maintenance.start()

    def close(self) -> None:
        """Store what is waiting; what takes too long is there for the next start."""
        self._server.on_publish.remove(self._publications.refresh)
        predictor, self._predictor = self.predictor, None
        self._maintenance.stop()
        self._chooser.close()
        predictor.close()
        self._maintenance.turn(_LAST_SECONDS)

    async def predict(
        self,
        project: str,
        iteration: str,
        number: int,
        image: bytes,
        *,
        keep: bool,
        application: str | None = None,
    ) -> dict[str, Any]:
        """Classify an image with an iteration, published or not.

        Args:
            project: the project's id.
            iteration: the iteration's id.
            number: the iteration's number.
            image: an image file.
            keep: whether to keep image and answer.
            application: what the client calls itself, which is kept with them.

        Returns:
            The fields of an `ImagePrediction`.

        Raises:
            ServiceError: the model cannot be loaded, the image cannot be decoded, or there is too much to do.
        """
        published = Published(project, "", self._files.servable(iteration, number))
        with self.admission.prediction():
            answered: Answered = await self.predictor.predict(
                published, image, keep=keep, application=application
            )
        return answered.fields

    async def explain(
        self, project: str, iteration: str, number: int, image: bytes, tag: str | None, accept: str
    ) -> Response:
        """Classify an image, and show which parts of it speak for a tag; nothing is kept.

        Args:
            project: the project's id.
            iteration: the iteration's id, published or not.
            number: the iteration's number.
            image: an image file.
            tag: its name or id; the most probable one where it is None.
            accept: what the client wants, JSON or `image/png`.

        Raises:
            ServiceError: the model cannot be loaded or has no map, the image cannot be decoded, there is no
                such tag, or there is too much to do.
        """
        published = Published(project, "", self._files.servable(iteration, number))
        with self.admission.prediction():
            return await Explainer(self.predictor, self._activations).explain(published, image, tag, accept)

    def classify(self, iteration: str, number: int, image: bytes) -> list[dict[str, Any]]:
        """What an iteration says of an image; in the thread of the caller.

        Raises:
            ServiceError: the model cannot be loaded.
            ImageError: the image cannot be decoded.
        """
        model = self._models.get(self._files.servable(iteration, number))
        predictions: list[dict[str, Any]] = answer(model, model.predict(image))["predictions"]
        return predictions

    def _hindrance(self) -> str:
        return "the server's disk is nearly full" if self._server.space.shortage() else ""

    def _load(self, servable: Servable) -> Model:
        return self._brought(servable, self._open)

    def _load_activation(self, servable: Servable) -> Activation:
        return self._brought(servable, lambda one: Activation(one.folder, self._threads or 1))

    def _brought(self, servable: Servable, open_files: Callable[[Servable], _Opened]) -> _Opened:
        fresh = self._files.bring(servable)
        try:
            return open_files(servable)
        except DahliaError:
            if fresh:
                raise
            self._files.bring(servable, again=True)
            return open_files(servable)

    def _open(self, servable: Servable) -> Model:
        model = load_model(servable.folder, servable.id, servable.number, self._threads)
        # One that is only tried, once or twice, is not worth the seconds of measuring.
        is_published = self._source.has_published(servable.id)
        return self._chooser.consider(model, servable.folder) if is_published else model

    def _forget_models(self) -> None:
        with self._server.database.read() as session:
            known = set(session.scalars(select(IterationRow.id)))
        self._files.forget(known.__contains__)


def published_iteration(session: Session, project_id: str, name: str) -> IterationRow:
    """The iteration that is published under a name.

    Raises:
        ServiceError: there is no such project, or nothing of that name.
    """
    project = project_of(session, project_id)
    named = select(IterationRow).where(
        IterationRow.project_key == project.key, IterationRow.publish_name.is_not(None)
    )
    rows = {normalise(row.publish_name or ""): row for row in session.scalars(named)}
    row = rows.get(normalise(name))
    if row is None:
        raise ServiceError(
            "NotFoundIteration",
            f"Invalid iteration: nothing is published as {name[:80]!r}. Publish an iteration under that "
            "name, or name one with iterationId.",
        )
    return row


def tested_iteration(session: Session, project_id: str, iteration_id: str | None) -> IterationRow:
    """The iteration that is named, or else the one that was trained last.

    Raises:
        ServiceError: there is no such project or iteration, it is not trained, or none is.
    """
    if iteration_id is not None:
        return trained(iteration_of(session, project_id, iteration_id))
    project = project_of(session, project_id)
    completed = (
        select(IterationRow)
        .where(IterationRow.project_key == project.key, IterationRow.status == IterationStatus.COMPLETED)
        .order_by(IterationRow.number.desc())
        .limit(1)
    )
    row = session.scalar(completed)
    if row is None:
        raise ServiceError(
            "NotFoundProjectDefaultIteration",
            "Invalid iteration: expected a project with a trained iteration, received one without. Train it, "
            "and wait until get_iteration says Completed.",
        )
    return row
