"""The model as MLflow loads it: a table of image files in, a table of probabilities or of boxes out.

MLflow imports this module by name, from the copy of the code that lies beside the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.errors import ImageError
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard
from dahlia.serving.models.readers import Scored
from dahlia.serving.models.runtime import Model, load_model

if TYPE_CHECKING:
    import pandas as pd

IMAGE = "image"


BOXES = "boxes"


class AnswerTable:
    """Answers a table of images with a table of what a model says of them.

    Args:
        model: answers one image.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, images: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """What the model says; probabilities are calibrated, 0 to 1.

        Args:
            images: (N, 1), with the bytes of an image file in each row of the column `image`.
            params: not used; MLflow passes them.

        Returns:
            Of a classifier (N, K) float64, a column for each tag in the model's order. Of a detector (N, 1),
            in each row of the column `boxes` a list of what is found, the most probable first: `tagName`,
            `probability`, and `left`, `top`, `width` and `height` as fractions of the image.

        Raises:
            MlflowException: a row is not an image that can be decoded.
        """
        import pandas as pd

        said = [self._said(number, image) for number, image in enumerate(images[IMAGE])]
        columns, rows, kind = _TABLES[self._model.card.kind](self._model.card, said)
        return pd.DataFrame(rows, columns=columns, dtype=kind)

    def _said(self, number: int, image: object) -> list[Scored]:
        if not isinstance(image, bytes | bytearray):
            raise _refusal(
                f"Row {number} of `{IMAGE}`: expected the bytes of an image file (Base64 in JSON), received "
                f"{type(image).__name__}. Send the whole file."
            )
        try:
            return self._model.predict(bytes(image))
        except ImageError as error:
            raise _refusal(f"Row {number} of `{IMAGE}`: {error}") from error
        except DecodingBusy as error:
            raise _refusal(str(error), "RESOURCE_EXHAUSTED") from error


def _probabilities(
    card: ModelCard, said: Sequence[Sequence[Scored]]
) -> tuple[list[str], list[dict[str, Any]], str]:
    rows = [{one.tag.name: one.probability for one in scored} for scored in said]
    return [tag.name for tag in card.tags], rows, "float64"


def _boxes(_: ModelCard, said: Sequence[Sequence[Scored]]) -> tuple[list[str], list[dict[str, Any]], str]:
    return [BOXES], [{BOXES: [_box(one) for one in _ranked(scored)]} for scored in said], "object"


def _ranked(scored: Sequence[Scored]) -> list[Scored]:
    return sorted(scored, key=lambda one: -one.probability)


def _box(one: Scored) -> dict[str, Any]:
    place = one.place._asdict() if one.place else {}
    return {"tagName": one.tag.name, "probability": one.probability} | place


_TABLES: dict[
    Kind,
    Callable[[ModelCard, Sequence[Sequence[Scored]]], tuple[list[str], list[dict[str, Any]], str]],
] = {"multiclass": _probabilities, "multilabel": _probabilities, "detection": _boxes}
"""Names of columns, rows, and the type of cells."""


def _load_pyfunc(data_path: str) -> AnswerTable:
    """What MLflow calls; `data_path` is the folder with `model.onnx` and `model.json`."""
    return AnswerTable(load_model(Path(data_path), iteration="", number=0))


def _refusal(message: str, code: str = "INVALID_PARAMETER_VALUE") -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    return MlflowException(message, error_code=ErrorCode.Value(code))
