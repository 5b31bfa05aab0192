"""Ids of rows."""

from __future__ import annotations

import uuid


def new_id() -> str:
    """A random UUID of the operating system's generator: ids cannot be guessed from one another."""
    return str(uuid.uuid4())
