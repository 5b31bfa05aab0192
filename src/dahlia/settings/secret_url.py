"""URLs that may hold a password, which no message, log or `repr` shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dahlia.masking import MASK, masked

_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)(.+)")


class SecretUrl:
    """A URL whose text, `repr` and JSON show `***` for its password; `reveal` gives it whole."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        """The URL with its password, for the library that connects."""
        return self._url

    @property
    def is_masked(self) -> bool:
        """Whether it was copied from a place that showed `***` for the password."""
        return f"{MASK}@" in self._url

    def anchored(self, folder: Path) -> SecretUrl:
        """The same place, whatever the current folder is later.

        Args:
            folder: to which a relative SQLite file, or a path without a scheme, is relative.
        """
        if "://" not in self._url:
            return SecretUrl(str(folder / Path(self._url).expanduser()))
        if file := _SQLITE_FILE.fullmatch(self._url):
            return SecretUrl(f"{file[1]}{folder / file[2]}")
        return self

    def __str__(self) -> str:
        return masked(self._url)

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take a `SecretUrl` or text; pydantic calls this."""
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), text],
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )


class SecretText(SecretUrl):
    """A secret that is no URL: nothing of it is shown."""

    __slots__ = ()

    @property
    def is_masked(self) -> bool:
        """Whether it was copied from a place that showed `***`."""
        return self._url == MASK

    def __str__(self) -> str:
        return MASK
