"""Long texts of a large body, kept from its parser, which would stop every other request meanwhile."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

from dahlia.server.contract.errors import ServiceError

SMALL = 4 * 1024 * 1024  # bytes of a body that is parsed as it is
LONG = 4 * 1024  # bytes of a text that is kept from the parser
MAX_REST = 16 * 1024 * 1024  # bytes of what is left; 64 images with 300 regions each have 3 MB
MAX_DELIMITERS = 500_000  # quotes, or tags; those regions have 250,000


class LongTexts:
    """Takes the long texts out of a body in JSON or XML; the body itself is not copied.

    Args:
        body: the whole body in UTF-8. One that is small stays as it is.

    Attributes:
        rest: the body, with a placeholder in place of every long text.

    Raises:
        ServiceError: what is left is too large for a parser.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._token = secrets.token_hex(16)
        self._places: dict[str, tuple[int, int]] = {}
        self.rest = body if len(body) <= SMALL else self._without_long_texts()

    def read(self, text: str, most: int) -> str | None:
        """The text that a placeholder stands for, without escapes; any other text as it is.

        Args:
            text: from `rest`, parsed.
            most: bytes that a long text may have.

        Returns:
            None where the long text has more bytes.
        """
        start, end = self._places.get(text, (0, 0))
        if not end:
            return text
        if end - start > most:
            return None
        raw = self._body[start:end].decode("utf-8", "replace")
        if "\\" not in raw:
            return raw
        try:
            return str(json.loads(f'"{raw}"', strict=False))
        except ValueError:
            return raw  # the backslash is no base64 either

    def refuse_in(self, texts: str) -> None:
        """Let texts pass that hold no placeholder.

        Raises:
            ServiceError: they do; a text is long where none may be.
        """
        if self._token in texts:
            raise ServiceError(
                "BadRequestInvalid",
                f"Expected texts of at most {LONG:,} bytes beside the contents of images, received a longer "
                "one. Shorten it.",
            )

    def _without_long_texts(self) -> bytes:
        body, kept, size = memoryview(self._body), 0, 0
        pieces: list[bytes | memoryview] = []
        is_xml = self._body[:LONG].lstrip()[:1] == b"<"
        for start, end in _between_tags(self._body) if is_xml else _between_quotes(self._body):
            name = f"text {len(self._places)} {self._token}"
            self._places[name] = (start, end)
            pieces += [body[kept:start], name.encode()]
            size += start - kept
            kept = end
        if size + len(body) - kept > MAX_REST:
            raise _too_much(f"{MAX_REST // 1024 // 1024} MB beside the contents of images")
        return b"".join([*pieces, body[kept:]])


def _between_quotes(body: bytes) -> Iterator[tuple[int, int]]:
    start, at = 0, -1
    for _ in range(MAX_DELIMITERS):
        at = body.find(b'"', at + 1)
        if at < 0:
            return
        if not start:
            start = at + 1
        elif not _is_escaped(body, start, at):
            if at - start >= LONG:
                yield start, at
            start = 0
    raise _too_much(f"{MAX_DELIMITERS:,} quotes")


def _is_escaped(body: bytes, start: int, at: int) -> bool:
    """Whether an odd number of backslashes stands before a place."""
    run = 0
    while block := body[max(start, at - run - LONG) : at - run]:
        others = len(block.rstrip(b"\\"))
        run += len(block) - others
        if others:
            break
    return run % 2 == 1


def _between_tags(body: bytes) -> Iterator[tuple[int, int]]:
    tag = body.find(b"<")
    for _ in range(MAX_DELIMITERS):
        if tag < 0:
            return
        start, end = body.find(b">", tag, tag + LONG) + 1, body.find(b"<", tag + 1)
        if start and end - start >= LONG and body.find(b"&", start, end) < 0:
            yield start, end
        tag = end
    raise _too_much(f"{MAX_DELIMITERS:,} tags")


def _too_much(most: str) -> ServiceError:
    return ServiceError(
        "BadRequestExceededBatchSize",
        f"Expected a body with at most {most}, received more. Send it in several calls.",
    )
