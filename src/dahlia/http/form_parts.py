"""The parts of a multipart body, as clients write it: RFC 7578, and what is unmistakable beyond it.

A form is known by its content type or by its first lines, and what begins like an image is never one. A part
may lack its name, its file name and its headers; lines may end with LF alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote

from python_multipart.multipart import parse_options_header

from dahlia.dataset.formats import foreign_kind, format_of
from dahlia.errors import ServiceError

MAX_PARTS = 1000  # looking at one takes some 25 µs, on the loop that serves everybody
_MAX_HEADER = 8 * 1024  # bytes of the headers of one part
_MAX_PREAMBLE = 1024  # bytes before the first part
_MAX_BOUNDARY = 256
_MAX_VALUE = 1024  # bytes of a header's value
_MAX_PARAMETERS = 32  # of a header; reading each takes a look at all of it
_OPENING = re.compile(
    rb"\s{0,8}--([^\r\n]{1,256}?)[ \t]{0,8}\r?\n"
    rb"(?=content-(?:disposition|type|transfer-encoding|length)[ \t]{0,8}:)",
    re.IGNORECASE,
)
_LINE = re.compile(rb"\r?\n(?![ \t])")
_EXTENDED = re.compile(r";\s*filename\*\s*=\s*\"?([\w-]*)(?:'[^']*')?([^;\"]*)", re.IGNORECASE)
_FORM = b"multipart/form-data"


@dataclass(frozen=True)
class Part:
    """A part of a form.

    Attributes:
        name: of its field; empty where it has none.
        data: as it was before its transfer encoding; without the empty lines that some clients put before an
            image.
        filename: None where it has none; browsers send an empty one where no file was chosen.
        content_type: in lower case, without parameters; empty where it has none.
    """

    name: str
    data: bytes
    filename: str | None = None
    content_type: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it has a file name, or the type of an image or of bytes."""
        binary = self.content_type.startswith("image/") or self.content_type == "application/octet-stream"
        return self.filename is not None or binary


def read_parts(body: bytes, content_type: str) -> list[Part] | None:
    """The parts of a form; None for a body that is none.

    Args:
        body: the whole of it.
        content_type: the request's header; empty where it has none.

    Raises:
        ServiceError: it is a form that cannot be parsed, or has more than `MAX_PARTS` parts.
    """
    boundary = None if not body or format_of(body) else _boundary(body, content_type)
    return None if boundary is None else _parts(body, boundary)


def _boundary(body: bytes, content_type: str) -> bytes | None:
    kind, options = parse_options_header(content_type[:_MAX_VALUE])
    declared = options.get(b"boundary", b"") if kind == _FORM else b""
    if len(declared) > _MAX_BOUNDARY:
        raise _malformed(f"its boundary is longer than {_MAX_BOUNDARY} characters")
    if declared and b"--" + declared in body:
        return declared
    shown = _OPENING.match(body)
    if shown and not declared:
        return shown[1]
    if kind != _FORM or foreign_kind(body):
        return None
    if declared:
        raise _malformed("the boundary that its content type names does not occur in it")
    raise ServiceError(
        "BadRequestImageStream",
        "Expected a boundary in the content type of a multipart body, received `multipart/form-data` without "
        "one. Do not set the header Content-Type yourself: an HTTP library writes it together with the body.",
    )


def _parts(body: bytes, boundary: bytes) -> list[Part]:
    mark = b"--" + boundary
    position, newline = _first(body, mark)
    parts: list[Part] = []
    while not body.startswith(b"--", position):
        if len(parts) == MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        start = body.index(newline, position)
        end, position = _next(body, mark, start, newline)
        parts.append(_part(body, start, end, newline))
    if body[position + 2 :].strip():
        raise _malformed("something follows its last boundary")
    return parts


def _first(body: bytes, mark: bytes) -> tuple[int, bytes]:
    """Where the first boundary ends, and how lines end."""
    window = body[: _MAX_PREAMBLE + len(mark) + 4]
    match = re.search(rb"(?:\A|\n)" + re.escape(mark) + rb"(?:--|[ \t]*(\r?\n))", window)
    if match is None:
        raise _malformed("it does not begin with its boundary")
    newline = match[1] or b"\r\n"
    return match.end() - len(match[1] or b"--"), newline


def _next(body: bytes, mark: bytes, start: int, newline: bytes) -> tuple[int, int]:
    """Where data end, and the boundary behind them; what only begins like one belongs to the data."""
    delimiter = newline + mark
    at = start
    for _ in range(MAX_PARTS):
        at = body.find(delimiter, at)
        if at < 0:
            return _last(body, mark, start)
        end = at + len(delimiter)
        if body.startswith(b"--", end) or body[end : end + 100].lstrip(b" \t").startswith(newline):
            return at, end
        at = end
    raise _malformed("its boundary occurs within a part")


def _last(body: bytes, mark: bytes, start: int) -> tuple[int, int]:
    """The last boundary where no line begins with it: microcontrollers write it right behind the data."""
    at = body.rfind(mark + b"--", start)
    if at < 0 or body[at + len(mark) + 2 :].strip():
        raise _malformed("it stops before its last boundary")
    return at, at + len(mark)


def _part(body: bytes, start: int, end: int, newline: bytes) -> Part:
    blank = newline * 2
    stop = body.find(blank, start, min(end + len(newline), start + _MAX_HEADER))
    if stop < 0:
        raise _malformed(f"a part has no empty line within {_MAX_HEADER // 1024} KB that ends its headers")
    headers = _headers(body[start:stop].strip())
    disposition = headers.get("content-disposition", "")
    options = {name.lower(): value for name, value in parse_options_header(disposition)[1].items()}
    return Part(
        name=options.get(b"name", b"").decode("utf-8", "replace"),
        data=_decoded(body[stop + len(blank) : end], headers.get("content-transfer-encoding", "")),
        filename=_filename(disposition, options.get(b"filename")),
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
    )


def _filename(disposition: str, plain: bytes | None) -> str | None:
    """The file name; `filename*` wins, which holds what `filename` cannot (RFC 6266)."""
    if extended := _EXTENDED.search(disposition):
        charset = "utf-8" if extended[1].lower() == "utf-8" else "latin-1"
        return unquote(extended[2].strip(), charset, "replace")
    return None if plain is None else plain.decode("utf-8", "replace")


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in _LINE.split(block) if block else []:
        name, colon, value = line.partition(b":")
        if not colon:
            raise _malformed("a part has a header without a colon")
        if len(value) > _MAX_VALUE or value.count(b";") > _MAX_PARAMETERS:
            raise _malformed(f"a part has a header of more than {_MAX_VALUE} bytes, or with many parameters")
        headers.setdefault(name.strip().lower().decode("latin-1"), value.strip().decode("latin-1"))
    return headers


def _decoded(data: bytes, encoding: str) -> bytes:
    match encoding.lower():
        case "" | "7bit" | "8bit" | "binary":
            rest = data.lstrip(b"\r\n")
            return rest if format_of(rest) else data
        case "base64":
            try:
                return base64.b64decode(b"".join(data.split()), validate=True)
            except binascii.Error as error:
                raise _malformed(f"a part is not base64, as it says ({error})") from error
        case "quoted-printable":
            return binascii.a2b_qp(data)
        case _:
            raise _malformed(f"a part has the unknown transfer encoding {encoding[:40]!r}")


def _malformed(reason: str) -> ServiceError:
    return ServiceError(
        "BadRequestImageStream",
        f"Expected a multipart body, received one that cannot be parsed: {reason}. Let an HTTP library write "
        "it, as `curl --form` does.",
    )
