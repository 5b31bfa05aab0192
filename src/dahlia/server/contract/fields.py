"""Field types that the models share."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticKnownError

from dahlia.http.parameters import Names, plain_name
from dahlia.http.replies import timestamp

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
    """A model that clients send.

    Names match as `plain_name` has them. Unknown ones are ignored, unless they were probably mistaken for a
    field, or belong into an object that is a field.

    Attributes:
        read_only: names of fields that the server sends in the same place, and clients send back.
    """

    read_only: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True
    )

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        names = _names(cls)
        found = {names.match(str(name)) or str(name): given for name, given in value.items()}
        if len(found) < len(value):
            raise ValueError("expected each name once, received one in several spellings")
        known, ignored = _aliases(cls), {plain_name(name) for name in cls.read_only}
        unknown = [
            name
            for name, given in found.items()
            if name not in known and given not in (None, "", []) and plain_name(name) not in ignored
        ][:_MOST_UNKNOWN]
        for name in unknown:
            for outer, inner in _nested(cls):
                if field := _names(inner).match(name):
                    raise ValueError(f"received {field}, which is a field of {outer}; put it into {outer}")
        if mistaken := names.close(unknown, found):
            raise ValueError(
                f"expected {', '.join(known)}, received {mistaken[0]}; did you mean {mistaken[1]}?"
            )
        return found


@cache
def _aliases(model: type[Body]) -> dict[str, Any]:
    """The names of a model's fields on the wire, and their annotations without None."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = [one for one in get_args(field.annotation) if one is not NoneType]
        optional = NoneType in get_args(field.annotation) and len(kinds) == 1
        found[field.alias or name] = kinds[0] if optional else field.annotation
    return found


@cache
def _names(model: type[Body]) -> Names:
    kinds = _aliases(model)
    lists = [name for name, kind in kinds.items() if get_origin(kind) in (tuple, list)]
    return Names([name for name in kinds if name not in lists], lists)


@cache
def _nested(model: type[Body]) -> tuple[tuple[str, type[Body]], ...]:
    """The fields of a model that are objects."""
    kinds = _aliases(model).items()
    return tuple((name, kind) for name, kind in kinds if isinstance(kind, type) and issubclass(kind, Body))


_MOST_UNKNOWN = 5  # names of an object that are compared; a batch has many objects
_MOST_ITEMS = 10_000  # a hundred times what any operation takes; a million empty ones would cost a gigabyte


def _none_as_empty(value: Any) -> Any:
    if isinstance(value, list) and len(value) > _MOST_ITEMS:
        raise ValueError(f"expected at most {_MOST_ITEMS} items, received {len(value)}")
    return () if value is None else value


Listed = BeforeValidator(_none_as_empty)
"""A list that may be null, which is an empty one; a huge one is refused before its items are looked at."""


def _no_text(value: Any) -> Any:
    if isinstance(value, str | bool):
        raise PydanticKnownError("int_type")
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number that is written as one: a text or a truth value in its place is a client's mistake."""
WholeNumber = Annotated[int, BeforeValidator(_no_text)]
"""Likewise; 5.0 is one, as clients of weakly typed languages write it."""
