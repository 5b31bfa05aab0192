"""Every error that Dahlia raises on purpose.

    DahliaError
    ├── ConfigError           a parameter or option that cannot be used
    ├── DatasetError          images or annotations that cannot be read
    │   ├── ImageError        one image that cannot be decoded; has its `code` and the text's parts
    │   └── ValidationError   findings of severity "error" in a dataset
    ├── TrainingError         training cannot start, or cannot go on
    │   └── WeightsError      backbone weights that are not available or do not fit
    ├── EvaluationError       predictions that cannot be evaluated
    ├── ExportError           an artifact that cannot be written
    │   └── VerificationError an artifact that computes something else
    ├── TrackingError         iterations and publishing
    └── ServiceError          a request that is refused; has a `code` and an HTTP `status`
        └── GatewayError      before it is looked at: no key, too many calls

The text of each says what was expected, what was received, and what to do next. The command line
prints the text without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

_STATUS = {
    "BadRequest": 400,
    "UnsupportedMediaType": 415,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "Error": 500,
}


class DahliaError(Exception):
    """Base of the tree."""

    exit_code = 1


class ConfigError(DahliaError):
    """A parameter, option or name that cannot be used."""

    exit_code = 2


class DatasetError(DahliaError):
    """Images or annotations that cannot be read."""

    exit_code = 2


class ImageError(DatasetError):
    """One image that cannot be decoded.

    Args:
        expected: what the text says after "Expected", for example "a whole JPEG file".
        received: what the file is instead.
        next: what to do, as a sentence.
        code: the finding's code, for example `truncated` (see `dahlia.dataset.findings`).
    """

    def __init__(self, *, expected: str, received: str, next: str, code: str) -> None:
        super().__init__(f"Expected {expected}, received {received}. {next}")
        self.expected = expected
        self.received = received
        self.next = next
        self.code = code


class ValidationError(DatasetError):
    """A dataset with findings that stop the pipeline."""


class TrainingError(DahliaError):
    """Training cannot start, or cannot go on."""


class WeightsError(TrainingError):
    """Backbone weights that are not available, or do not fit the architecture."""


class EvaluationError(DahliaError):
    """Predictions that cannot be evaluated."""


class ExportError(DahliaError):
    """An artifact that cannot be written."""


class VerificationError(ExportError):
    """An artifact that computes something other than the trained model."""


class TrackingError(DahliaError):
    """An iteration that does not exist, or a publication that is refused."""


class ServiceError(DahliaError):
    """A request that is refused, by the prediction service, the server or an exported container.

    Args:
        code: an error code of the Custom Vision API, for example `BadRequestImageFormat`.
        message: what the client reads.
        status: the HTTP status; that of the code's first word if it is omitted.
        retry_after: seconds after which it makes sense to ask again.
        unread: whether a part of the body was not read, so that the connection can serve no other request.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        unread: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or status_of(code)
        self.retry_after = retry_after
        self.unread = unread


class GatewayError(ServiceError):
    """A request refused before it is looked at: no key, too many calls. The body of its answer is nested."""

    def __init__(
        self, status: int, message: str, *, retry_after: int | None = None, unread: bool = False
    ) -> None:
        super().__init__(str(status), message, status=status, retry_after=retry_after, unread=unread)


def status_of(code: str) -> int:
    """The HTTP status that goes with an error code of the Custom Vision API, by its first word."""
    return next(status for word, status in _STATUS.items() if code.startswith(word))


def runtime_errors() -> tuple[type[Exception], ...]:
    """Every kind of error of ONNX Runtime; its own share no base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (getattr(state, name) for name in dir(state))
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    return (OSError, ValueError, RuntimeError, *errors)
