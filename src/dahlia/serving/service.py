"""The BentoML service: `bentoml serve` in a project folder serves everything that is published there.

Within the folder of a project it follows the registry; in a Bento it serves the models that the Bento
carries; `DAHLIA_PROJECTS` names other folders, or several. `POST /predict` and `POST /predict_batch` are the
documented routes; `/customvision/...` speaks the Custom Vision API.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from time import perf_counter
from typing import Any

import bentoml
from pydantic import BaseModel, Field
from starlette.responses import Response

import dahlia
from dahlia import layout
from dahlia.dataset.decoding_memory import MEMORY, PATIENCE
from dahlia.errors import ServiceError
from dahlia.http.replies import REQUEST, refusal
from dahlia.serving.activation import Activation
from dahlia.serving.bentoml_service import STATE, RoutedService
from dahlia.serving.bentoml_support import (
    chosen_host,
    copy_package,
    default_host,
    missing_requirements,
    say_what_is_open,
    say_who_may_ask,
)
from dahlia.serving.choice.chooser import Chooser
from dahlia.serving.explanation import Explainer
from dahlia.serving.models.loading import ModelCache, Servable, open_source
from dahlia.serving.models.publications import NOTHING_YET, Publications
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.prediction_api import OwnPrediction, Predictor
from dahlia.serving.stored.store import PredictionStore
from dahlia.serving.under_way import UnderWay

_SETTINGS = STATE.settings
_HOST = default_host()
_ROOT = Path.cwd()  # BentoML imports this module in the project's folder, or in the Bento's

_logger = logging.getLogger("bentoml.dahlia")


class Refusal(BaseModel):
    """Why one image of several has no prediction."""

    code: str = Field(description="an error code of the Custom Vision API")
    message: str


class _CodeCarrier(bentoml.images.Image):  # type: ignore[misc]
    python_requirements: str

    def freeze(self, bento_fs: Path, *rest: Any, **options: Any) -> Any:
        # BentoML calls this once for each Bento, which lies in `bento_fs` and is imported from its `src`.
        copy_package(Path(bento_fs) / "src")
        if added := missing_requirements(self.python_requirements):
            _logger.warning("bentofile.yaml does not list %s, which the Bento needs: added.", added.strip())
            self.python_requirements = f"{self.python_requirements.rstrip()}\n{added}"
        return super().freeze(bento_fs, *rest, **options)


@bentoml.service(
    name="dahlia",
    workers=_SETTINGS.workers,
    http={"host": _HOST},
    logging={"access": {"enabled": False}},  # its lines name no request of ours, and only those of two routes
    image=_CodeCarrier(),
    service_class=RoutedService,
)
class PredictionService:
    """Say what is in images with the iterations that are published."""

    def __init__(self) -> None:
        # Its counters are shared with the other processes only if it is imported after BentoML said where.
        from dahlia.serving.metrics import Metrics

        folders = _SETTINGS.projects or (_ROOT,)
        sources = [open_source(folder) for folder in folders]
        served = ", ".join(map(str, folders))
        _logger.info("Dahlia %s from %s serves %s.", dahlia.__version__, Path(__file__).parent, served)
        MEMORY.limit(_SETTINGS.decode_memory // _SETTINGS.workers, PATIENCE)
        metrics = Metrics()
        models = ModelCache(self._load, _SETTINGS.model_memory, metrics.loaded)
        self._chooser = Chooser(
            _SETTINGS.runtime,
            _SETTINGS.model_threads,
            _SETTINGS.at_once,
            chosen=metrics.chosen,
            models=models,
        )
        publications = Publications(sources, models, while_empty=NOTHING_YET)
        publications.start(_SETTINGS.poll_seconds)
        folder = _predictions_folder(changes=any(source.changes for source in sources))
        store = _open_store(folder) if folder else None
        under_way = UnderWay.of_service(_SETTINGS.workers)
        self._predictor = Predictor(publications, models, store, _SETTINGS.threads, metrics, under_way)
        STATE.predictor = self._predictor
        activations = ModelCache(_load_activation, _SETTINGS.model_memory // 4)
        STATE.explainer = Explainer(self._predictor, activations)

    def __is_ready__(self) -> bool:
        return self._predictor.publications.ready

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def begin() -> None:
        """Say who may ask, and what is passed over; once, before the processes start."""
        has_key = _SETTINGS.key is not None
        say_who_may_ask(chosen_host(_HOST), has_key=has_key)
        say_what_is_open(_SETTINGS.origins, _SETTINGS.url_fetch, has_key=has_key)
        for warning in _SETTINGS.warnings:
            _logger.warning("%s", warning)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what is waiting to be kept."""
        self._chooser.close()
        self._predictor.close()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(
        self, image: Path, name: str | None = None, project: str | None = None
    ) -> OwnPrediction:
        """Say what is in an image: its tags, or tags and boxes.

        Args:
            image: a JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF file of at most 4 MB.
            name: the publish name; may be left out where exactly one is published.
            project: the project's id; may be left out where the name is in one project alone.
        """
        try:
            return await self._answer(project, name, image)
        except ServiceError as error:
            self._predictor.metrics.refused(error.code)
            _logger.info("Request %s to /predict: %d, %s. %s", REQUEST.get(), error.status, error.code, error)
            return _raw(refusal(error))

    @bentoml.api(  # type: ignore[untyped-decorator]
        route="/predict_batch", batchable=True, max_batch_size=32, max_latency_ms=10_000
    )
    async def predict_batch(self, images: list[Path]) -> list[OwnPrediction | Refusal]:
        """Say what is in several images, where exactly one name is published.

        Args:
            images: JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF files, of at most 4 MB together.
        """
        return list(await asyncio.gather(*(self._one(image) for image in images)))

    def _load(self, servable: Servable) -> Model:
        threads, at_once = _SETTINGS.model_threads, _SETTINGS.at_once
        model = load_model(servable.folder, servable.id, servable.number, threads, at_once)
        return self._chooser.consider(model, servable.folder)

    async def _one(self, image: Path) -> OwnPrediction | Refusal:
        try:
            return await self._answer(None, None, image)
        except ServiceError as error:
            self._predictor.metrics.refused(error.code)
            return Refusal(code=error.code, message=str(error))

    async def _answer(self, project: str | None, name: str | None, image: Path) -> OwnPrediction:
        started = perf_counter()
        published = self._predictor.publications.any(project, name)
        answered = await self._predictor.predict(published, image.read_bytes(), keep=False)
        self._predictor.metrics.answered(published, perf_counter() - started)
        return OwnPrediction.model_validate(answered.own)


def _raw(response: Response) -> OwnPrediction:
    return response  # type: ignore[return-value]  # BentoML passes a response through as it is


def _load_activation(servable: Servable) -> Activation:
    return Activation(servable.folder, _SETTINGS.model_threads or 1)


def _open_store(folder: Path) -> PredictionStore:
    days, size = _SETTINGS.predictions_days, _SETTINGS.predictions_bytes
    return PredictionStore(folder, max_bytes=size, keep_days=days)


def _predictions_folder(*, changes: bool) -> Path | None:
    if _SETTINGS.predictions or not changes:
        return _SETTINGS.predictions
    return _ROOT / layout.STORED
