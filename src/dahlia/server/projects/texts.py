"""Names and descriptions: what both databases and every log line can hold."""

from __future__ import annotations

import unicodedata

from dahlia.server.contract.errors import ServiceError

MAX_NAME = 128
MAX_DESCRIPTION = 2000

_BREAKS = ("Cc", "Cs", "Zl", "Zp")
_LAYOUT = "\n\r\t"


def one_line(text: str, what: str, code: str) -> str:
    """A name without spaces around it: one line of 1 to `MAX_NAME` characters.

    Args:
        text: as it was sent.
        what: whose name, for the message, such as `project`.
        code: of the refusal.

    Raises:
        ServiceError: it is empty, too long, or holds a control character or half of a surrogate pair.
    """
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise ServiceError(
            code,
            f"Expected the name of a {what} with 1 to {MAX_NAME} characters, received {len(name)}. "
            "Choose another one.",
        )
    _check(name, f"the name of a {what}", code, allowed="")
    return name


def description_of(text: str | None, what: str, code: str) -> str:
    """A description, which may have several lines; empty where there is none.

    Raises:
        ServiceError: it is longer than `MAX_DESCRIPTION` characters, or holds a control character.
    """
    if text is None:
        return ""
    if len(text) > MAX_DESCRIPTION:
        raise ServiceError(
            code,
            f"Expected the description of a {what} with at most {MAX_DESCRIPTION} characters, received "
            f"{len(text)}. Shorten it.",
        )
    _check(text, f"the description of a {what}", code, allowed=_LAYOUT)
    return text


def _check(text: str, place: str, code: str, allowed: str) -> None:
    for letter in text:
        if letter not in allowed and unicodedata.category(letter) in _BREAKS:
            raise ServiceError(
                code,
                f"Expected plain text as {place}, received the character U+{ord(letter):04X}. Take it out.",
            )
