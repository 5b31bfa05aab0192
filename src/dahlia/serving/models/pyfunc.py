"""The model as MLflow loads it: a table of image files in, a table of probabilities out.

MLflow imports this module by name, from the copy of the code that lies beside the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.errors import ImageError
from dahlia.serving.models.runtime import Model, load_model

if TYPE_CHECKING:
    import pandas as pd

IMAGE = "image"


class ProbabilityTable:
    """Answers a table of images with a table of probabilities.

    Args:
        model: classifies one image.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, images: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Calibrated probabilities, 0 to 1.

        Args:
            images: (N, 1), with the bytes of an image file in each row of the column `image`.
            params: not used; MLflow passes them.

        Returns:
            (N, K) float64, a column for each tag in the model's order.

        Raises:
            MlflowException: a row is not an image that can be decoded.
        """
        import pandas as pd

        tags = [tag.name for tag in self._model.card.tags]
        rows = [self._row(number, image) for number, image in enumerate(images[IMAGE])]
        return pd.DataFrame(rows, columns=tags, dtype="float64")

    def _row(self, number: int, image: object) -> dict[str, float]:
        if not isinstance(image, bytes | bytearray):
            raise _refusal(
                f"Row {number} of `{IMAGE}`: expected the bytes of an image file (Base64 in JSON), received "
                f"{type(image).__name__}. Send the whole file."
            )
        try:
            return {one.tag.name: one.probability for one in self._model.predict(bytes(image))}
        except ImageError as error:
            raise _refusal(f"Row {number} of `{IMAGE}`: {error}") from error
        except DecodingBusy as error:
            raise _refusal(str(error), "RESOURCE_EXHAUSTED") from error


def _load_pyfunc(data_path: str) -> ProbabilityTable:
    """What MLflow calls; `data_path` is the folder with `model.onnx` and `model.json`."""
    return ProbabilityTable(load_model(Path(data_path), iteration="", number=0))


def _refusal(message: str, code: str = "INVALID_PARAMETER_VALUE") -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    return MlflowException(message, error_code=ErrorCode.Value(code))
