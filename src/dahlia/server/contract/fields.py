"""Field types that the models share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from dahlia.serving.http.replies import timestamp

Moment = Annotated[
    datetime,
    PlainSerializer(timestamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "example": "2019-09-16T15:03:28.52Z"}),
]
"""An aware moment; on the wire UTC with `Z` and at most three fraction digits."""


class Answer(BaseModel):
    """A model that the server sends: names in camelCase on the wire.

    A field that was not given is absent on the wire; one that was given as None is null. Clients depend on
    which is which.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True
    )


class Body(BaseModel):
    """A model that clients send: names match without regard to case, unknown ones are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True
    )

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = {
            (field.alias or name).lower(): field.alias or name for name, field in cls.model_fields.items()
        }
        found = {known.get(str(name).lower(), name): given for name, given in value.items()}
        if len(found) < len(value):
            raise ValueError("expected each name once, received one in several spellings")
        return found


_MOST_ITEMS = 10_000  # a hundred times what any operation takes; a million empty ones would cost a gigabyte


def _none_as_empty(value: Any) -> Any:
    if isinstance(value, list) and len(value) > _MOST_ITEMS:
        raise ValueError(f"expected at most {_MOST_ITEMS} items, received {len(value)}")
    return () if value is None else value


Listed = BeforeValidator(_none_as_empty)
"""A list that may be null, which is an empty one; a huge one is refused before its items are looked at."""
