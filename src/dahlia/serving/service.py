"""The BentoML service: `bentoml serve` in a project folder serves everything that is published there.

Within the folder of a project it follows the registry. In a Bento it serves the models that the Bento
carries. `POST /predict` is the documented door; `/customvision/...` speaks the Custom Vision API.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import bentoml
from starlette.responses import Response

import dahlia
from dahlia.errors import ServingError
from dahlia.serving.answers import ImagePrediction
from dahlia.serving.catalogue import Catalogue
from dahlia.serving.door import Desk, Door
from dahlia.serving.packing import copy_package
from dahlia.serving.predictor import Predictor
from dahlia.serving.replies import REQUEST, refusal
from dahlia.serving.runtime import Model, load_model
from dahlia.serving.settings import read_settings
from dahlia.serving.sources import Servable, Source, open_source
from dahlia.serving.store import PredictionStore

_SETTINGS = read_settings()
_DESK = Desk(_SETTINGS)
_TIMEOUT = 120  # more than a body and a fetched image may take, whose own errors say more
_ROOT = Path.cwd()  # BentoML imports this module in the project's folder, or in the Bento's

_logger = logging.getLogger("bentoml.dahlia")


class _CodeCarrier(bentoml.images.Image):  # type: ignore[misc]
    def freeze(self, bento_fs: Path, *rest: Any, **options: Any) -> Any:
        # BentoML calls this once for each Bento, which lies in `bento_fs` and is imported from its `src`.
        copy_package(Path(bento_fs) / "src")
        return super().freeze(bento_fs, *rest, **options)


@bentoml.service(
    name="dahlia", workers=_SETTINGS.workers, traffic={"timeout": _TIMEOUT}, image=_CodeCarrier()
)
class PredictionService:
    """Classify images with the iterations that are published."""

    def __init__(self) -> None:
        source = open_source(_ROOT)
        _logger.info("Dahlia %s from %s serves %s.", dahlia.__version__, Path(__file__).parent, _ROOT)
        if _SETTINGS.key is None:
            _logger.warning("DAHLIA_PREDICTION_KEY is not set: whoever reaches the port may predict.")
        catalogue = Catalogue(source, _load)
        catalogue.start(_SETTINGS.poll_seconds)
        folder = _predictions_folder(source)
        store = PredictionStore(folder) if folder else None
        self._predictor = Predictor(catalogue, store, _SETTINGS.threads)
        _DESK.predictor = self._predictor

    def __is_ready__(self) -> bool:
        return bool(self._predictor.catalogue.names)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what is waiting to be kept."""
        self._predictor.close()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, image: Path, name: str | None = None) -> ImagePrediction:
        """Classify an image.

        Args:
            image: a JPEG, PNG, BMP or GIF file of at most 4 MB.
            name: the publish name; may be left out where exactly one is published.
        """
        try:
            return await self._predictor.predict(name, image.read_bytes(), keep=False)
        except ServingError as error:
            _logger.info("Request %s to /predict: %d, %s. %s", REQUEST.get(), error.status, error.code, error)
            return _raw(refusal(error))


def _raw(response: Response) -> ImagePrediction:
    return response  # type: ignore[return-value]  # BentoML passes a response through as it is


def _load(servable: Servable) -> Model:
    return load_model(servable.folder, servable.id, servable.number, _SETTINGS.model_threads)


def _predictions_folder(source: Source) -> Path | None:
    if _SETTINGS.predictions or not source.changes:
        return _SETTINGS.predictions
    return _ROOT / ".dahlia" / "predictions"


PredictionService.add_asgi_middleware(Door, desk=_DESK)  # type: ignore[attr-defined]
