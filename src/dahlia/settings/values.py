"""The kinds of values that settings have, each checked when it is read.

No message, log or `repr` shows the password that a URL may hold.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dahlia.errors import ConfigError
from dahlia.http.allow_list import AllowList, read_allow_list
from dahlia.http.connections import read_proxies
from dahlia.http.origins import Origins
from dahlia.masking import MASK, masked

RuntimeName: TypeAlias = Literal[
    "onnxruntime", "openvino", "openvino-bfloat16", "onnxruntime-int8", "openvino-int8"
]
RuntimeSetting: TypeAlias = Literal["auto", RuntimeName]

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


_SECRET_LENGTH = 32
_DATABASE = re.compile(r"(sqlite|postgres|postgresql)(\+\w+)?://.*")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class Section(BaseModel):
    """A part of the settings; unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        hide_input_in_errors=True,
    )


@dataclass(frozen=True)
class InService:
    """Marks a setting that the prediction service reads.

    Attributes:
        name: of the variable that the service's page names. The server takes it as well, so that nobody who
            sets `DAHLIA_URL_FETCH=off` is fetched for.
    """

    name: str


@dataclass(frozen=True)
class Protects:
    """Marks a setting that protects: spaces are a value of its variables, almost its name is refused."""


def number(default: float, meaning: str, least: int = 1) -> Any:
    """A field for a number of at least `least`."""
    return Field(default=default, ge=least, description=meaning)


def listed(names: str) -> list[str]:
    """The names of a comma-joined text, in lower case."""
    return [name.strip().lower().removesuffix(".") for name in names.split(",") if name.strip()]


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _folders(value: object) -> object:
    """Folders in a text as in a `PATH`, or in a list as a file may have it."""
    parts = value.split(os.pathsep) if isinstance(value, str) else value
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        return tuple(Path(part) for part in parts if part)
    return parts


def _whole(url: SecretUrl) -> SecretUrl:
    if not url.reveal():
        raise PydanticCustomError("url", "expected a URL, received an empty text")
    if url.is_masked:
        raise PydanticCustomError("url", f"its password is masked as {MASK}; write the password itself")
    return url.anchored(Path.cwd())


def _database(url: SecretUrl) -> SecretUrl:
    if not _DATABASE.fullmatch(url.reveal()):
        raise PydanticCustomError(
            "url", "expected sqlite:///dahlia.db or postgresql://user:password@host/name, or the like"
        )
    return url


def _tracking(url: SecretUrl) -> SecretUrl:
    if "://" not in url.reveal():
        raise PydanticCustomError(
            "url", "expected sqlite:///mlflow.db or https://mlflow.example, or the like"
        )
    return url


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise PydanticCustomError("url", "expected an address such as https://dahlia.example, without a user")
    if parts.query or parts.fragment:
        raise PydanticCustomError("url", "expected an address that ends with its path, without ? and #")
    return url.rstrip("/")


def _joined(names: object) -> object:
    """A list of names, as a file may have it, as the one text that a variable has."""
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return ", ".join(cast(list[str], names)) if is_list else names


def _hosts(names: str) -> str:
    for name in listed(names):
        if not (name == "*" or _is_address(name) or _NAME.fullmatch(name.removeprefix("*."))):
            raise PydanticCustomError(
                "hosts",
                "expected names without scheme and port, comma-joined, such as dahlia.example, *.example.com",
            )
    return names


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """Refuses a text for the reason for which `read` does."""

    def check(text: str) -> str:
        try:
            read(text)
        except ConfigError as error:
            reason = str(error).removesuffix(".")
            raise PydanticCustomError("text", "{reason}", {"reason": reason}) from None
        return text

    return AfterValidator(check)


def _page_origins(text: str) -> Origins:
    if text.isspace():
        raise ConfigError("Expected origins of web pages, received spaces. Write `none`, or unset it.")
    return Origins.read(text)


def _fetched_hosts(text: str) -> AllowList:
    return read_allow_list(text, "security.url_fetch_allow")


def _secret(text: SecretText) -> SecretText:
    if text.is_masked:
        raise PydanticCustomError("secret", f"it is masked as {MASK}; write the secret itself")
    if len(text.reveal()) < _SECRET_LENGTH:
        raise PydanticCustomError(
            "secret",
            f"expected {_SECRET_LENGTH} characters or more, received fewer; `openssl rand -hex 32` makes one",
        )
    return text


def _key(text: SecretText) -> SecretText:
    if text.is_masked:
        raise PydanticCustomError("key", f"it is masked as {MASK}; write the key itself")
    if not text.reveal().strip():
        raise PydanticCustomError("key", "expected a key, received no characters but spaces")
    return text


File: TypeAlias = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
Folders: TypeAlias = Annotated[tuple[Path, ...], Field(strict=False), BeforeValidator(_folders)]
DatabaseUrl: TypeAlias = Annotated[SecretUrl, AfterValidator(_database), AfterValidator(_whole)]
StorageUrl: TypeAlias = Annotated[SecretUrl, AfterValidator(_whole)]
TrackingUri: TypeAlias = Annotated[SecretUrl, AfterValidator(_tracking), AfterValidator(_whole)]
PublicUrl: TypeAlias = Annotated[str, AfterValidator(_origin)]
Proxies: TypeAlias = Annotated[str, _readable(read_proxies)]
HostPatterns: TypeAlias = Annotated[str, BeforeValidator(_joined), AfterValidator(_hosts)]
PageOrigins: TypeAlias = Annotated[str, BeforeValidator(_joined), _readable(_page_origins)]
FetchedHosts: TypeAlias = Annotated[str, BeforeValidator(_joined), _readable(_fetched_hosts)]
Secret: TypeAlias = Annotated[SecretText, AfterValidator(_secret)]
Key: TypeAlias = Annotated[SecretText, AfterValidator(_key)]
