"""Texts in which passwords do not show: what messages quote may hold one."""

from __future__ import annotations

import re

MASK = "***"

_DEEPEST = 8

# A password may hold `@` and `/` where nobody encoded them: it ends at the last `@`.
_PASSWORD = re.compile(r"(://[^:@\s]*):.*@", re.S)
_TOKEN = re.compile(r"(https?://)[^:@/\s]+@")
_SECRET_PARAMETER = re.compile(r"([?&;][^=&;\s]*(?:pass|secret|token|key|sig)[^=&;\s]*=)[^&;\s'\"]*", re.I)
_SECRET_KEY = re.compile(r"passw|passphrase|secret|token|credential|(api|access|private)[-_ ]?key", re.I)


def masked(text: str) -> str:
    """The text with `***` for the passwords in its URLs, before the `@` and among the parameters."""
    text = _TOKEN.sub(rf"\1{MASK}@", _PASSWORD.sub(rf"\1:{MASK}@", text))
    return _SECRET_PARAMETER.sub(rf"\1{MASK}", text)


def shown(value: object, key: str = "") -> str:
    """A value as a message quotes it: the `repr` of what `without_secrets` leaves."""
    return repr(without_secrets(value, key))


def without_secrets(value: object, key: object = "", depth: int = _DEEPEST) -> object:
    """A value with `***` for its secrets.

    Args:
        value: may hold URLs, lists and mappings.
        key: under which it stands; of what is named like a secret, here or in a mapping, nothing is left.
        depth: of lists and mappings; deeper ones, as of a list that holds itself, are `...`.
    """
    if value is not None and _SECRET_KEY.search(str(key)):
        return MASK
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list | tuple | set | dict) and not depth:
        return ...
    if isinstance(value, dict):
        return {
            without_secrets(name): without_secrets(inner, name, depth - 1) for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set):
        return type(value)(without_secrets(inner, depth=depth - 1) for inner in value)
    return value
