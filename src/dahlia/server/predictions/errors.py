"""Refusals of the prediction service as the training API words them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dahlia.errors import ServingError
from dahlia.server.contract.errors import GatewayError, ServiceError


@contextmanager
def translated_refusals() -> Iterator[None]:
    """Raise ServiceError where the prediction service refuses."""
    try:
        yield
    except ServingError as error:
        if error.status == 429:
            raise GatewayError(429, str(error), retry_after=1) from error
        raise ServiceError(error.code, str(error), status=error.status) from error
