"""Enumerations in queries: clients write them in any case."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from pydantic import BeforeValidator


def any_case(choices: type[StrEnum]) -> BeforeValidator:
    """Read a value of an enumeration in any case; an empty one counts as absent."""
    known = {choice.lower(): choice for choice in choices}

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        return known.get(value.lower(), value) if value else None

    reading: Callable[[object], object] = read
    return BeforeValidator(reading)
