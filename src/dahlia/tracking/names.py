"""Publish names as MLflow aliases, and back.

MLflow allows an alias of letters, digits, `_` and `-`, and reserves `latest` and `v1`, `v2`, ... A publish
name is any printable text of up to 64 characters. The alias keeps ASCII letters, digits and `-`; every other
byte of the UTF-8 text becomes `_` and two hexadecimal digits, and so does the first letter of a reserved
word: `Iteration 1` is `Iteration_201`, `v1` is `_761`, `a_b` is `a_5fb`. Upper and lower case differ, as they
do in MLflow's SQLite and PostgreSQL stores.
"""

from __future__ import annotations

import re
import unicodedata

from dahlia.errors import TrackingError

MAX_NAME = 64
MAX_ALIAS = 255  # MLflow's limit

_PLAIN = re.compile(rb"[A-Za-z0-9-]")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
_ALIAS = re.compile(r"(?:[A-Za-z0-9-]|_[0-9a-f]{2})+")


def normalise(name: str) -> str:
    """The one spelling (Unicode NFC) under which a publish name is stored and looked up."""
    return unicodedata.normalize("NFC", name)


def encode(name: str) -> str:
    """The alias of a publish name.

    Raises:
        TrackingError: the name is empty, longer than 64 characters, not printable, begins or ends with a
            space, or holds so many symbols that its alias would pass MLflow's 255 characters.
    """
    name = normalise(name)
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise TrackingError(
            f"A publish name is 1 to {MAX_NAME} printable characters without spaces at its ends, received "
            f"{name!r}. Choose another, for example `production`."
        )
    alias = _escape(name)
    if len(alias) > MAX_ALIAS:
        raise TrackingError(
            f"The publish name {name!r} takes {len(alias)} characters in MLflow, which allows {MAX_ALIAS}. "
            "Choose one with fewer symbols or letters beyond A to Z."
        )
    return alias


def decode(alias: str) -> str | None:
    """The publish name of an alias; None for an alias that `encode` did not make."""
    if not _ALIAS.fullmatch(alias):
        return None
    pieces = re.split(r"_([0-9a-f]{2})", alias)
    raw = b"".join(
        bytes.fromhex(piece) if index % 2 else piece.encode() for index, piece in enumerate(pieces)
    )
    try:
        name = raw.decode("utf-8")
        return name if encode(name) == alias else None
    except (UnicodeDecodeError, TrackingError):
        return None


def _escape(name: str) -> str:
    data = name.encode("utf-8")
    pieces = [_unit(data[index : index + 1]) for index in range(len(data))]
    if _RESERVED.fullmatch(name):
        pieces[0] = f"_{data[0]:02x}"
    return "".join(pieces)


def _unit(byte: bytes) -> str:
    return byte.decode() if _PLAIN.match(byte) else f"_{byte[0]:02x}"
