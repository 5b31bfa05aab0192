"""A small document in a request's body: JSON, XML or a form, whichever the client wrote.

The official description of the API names all three. The first character tells which it is, since clients send
JSON under every content type. JSON may be as loose as the original's reader takes it: single quotes, names
without quotes, a comma after the last item. Python's text of a dictionary is read as well.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl
from xml.parsers import expat

from python_multipart.multipart import parse_options_header

from dahlia.errors import ServiceError

MAX_DEPTH = 64  # levels of objects, elements, or names in a form
MAX_ELEMENTS = 200_000  # a batch of 64 images with 300 regions each has 115,000
MAX_FIELDS = 10_000
_PIECE = 1024 * 1024  # bytes that are decoded at once
_WHOLE_DIGITS = 100  # longer numbers are read as fractions, which takes no time that grows with their square
_ADVICE = 'Send JSON in UTF-8, such as {"name": "value"}, as a JSON library writes it.'
_FEWER = "Send it in several requests."
# PowerShell takes the double quotes out of what it hands to curl.
_UNQUOTED_ADDRESS = re.compile(r"\{\s*url\s*:\s*(https?://[^\s\"'<>{}]+)\s*\}", re.IGNORECASE)
_FORM = re.compile(r"[\w.\[\]%]+=")
_BRACKETS = re.compile(r"[\[\].]+")
_CHARSETS = {"iso-8859-1": "cp1252", "latin1": "cp1252", "windows-1252": "cp1252"}
_LOOSE = re.compile(
    # Whatever a quote begins has an end, so that no text is looked at from each of its quotes again.
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
    r"|'(?P<single>(?:[^'\\]|\\.)*+)(?:(?P<end>')|\\?\Z)"
    r"|(?<![\w$])(?P<name>[A-Za-z_$][\w$]*+)(?=\s*:)"
    r"|\b(?P<python>None|True|False)\b"
    r"|,(?=\s*[}\]])",
    re.DOTALL,
)
_IN_SINGLE = re.compile(r'\\.|"', re.DOTALL)
_PYTHON = {"None": "null", "True": "true", "False": "false"}


class MalformedDocument(ServiceError):  # noqa: N818
    """A body that is no document.

    Args:
        expected: what it was to be.
        received: what it is.
        advice: what to send.
    """

    def __init__(self, expected: str, received: str, advice: str = _ADVICE) -> None:
        super().__init__("BadRequestInvalid", f"Expected {expected}, received {received}. {advice}")
        self.received = received


@dataclass(frozen=True)
class Document:
    """What a body holds.

    Attributes:
        content: of JSON its value; of XML and forms dictionaries, lists and texts, None where there is none.
        typed: whether numbers, truth values and lists are told apart, as JSON does.
    """

    content: Any
    typed: bool = True


def read_document(body: bytes, content_type: str = "") -> Document:
    """Read a body; an empty one has the content None.

    Args:
        body: the whole body.
        content_type: the request's header; tells a form, and a character set other than UTF-8 or UTF-16.

    Raises:
        MalformedDocument: it is none of the three.
    """
    text = _decoded(body, content_type).strip()
    if not text:
        return Document(None)
    if text.startswith("<"):
        return Document(_Xml().read(text), typed=False)
    if match := _UNQUOTED_ADDRESS.fullmatch(text):
        return Document({"url": match[1]})
    if text[0] not in "{[\"'" and _FORM.match(text):
        return Document(_form(text), typed=False)
    return Document(_json(text))


def utf8(body: bytes) -> bytes:
    """A body without a byte order mark, and in UTF-8 where it was in UTF-16.

    Raises:
        MalformedDocument: it was not what its first bytes promise.
    """
    encoding = json.detect_encoding(body[:4])
    if encoding == "utf-8":
        return body
    decoder, written = codecs.getincrementaldecoder(encoding)(), io.BytesIO()
    for start in range(0, len(body), _PIECE):  # a large body at once would stop every other request
        piece = body[start : start + _PIECE]
        try:
            written.write(decoder.decode(piece, start + _PIECE >= len(body)).encode())
        except UnicodeDecodeError as error:
            raise _not(encoding, start + error.start) from None
    return written.getvalue()


def _decoded(body: bytes, content_type: str) -> str:
    encoding = json.detect_encoding(body[:4])
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        declared = parse_options_header(content_type)[1].get(b"charset", b"").decode("latin-1").lower()
        if declared in _CHARSETS:
            return body.decode(_CHARSETS[declared], "replace")
        raise _not(encoding, error.start) from None


def _not(encoding: str, position: int) -> MalformedDocument:
    name = codecs.lookup(encoding).name.upper()
    return MalformedDocument("text in UTF-8", f"a body with a byte that is not {name} at position {position}")


def _json(text: str) -> Any:
    try:
        return _loaded(text)
    except json.JSONDecodeError as error:
        strict = error
    if text.startswith("'{") and text.endswith("}'"):
        text = text[1:-1]  # Windows' command line knows no single quotes, and leaves them in the body
    try:
        return _loaded(_LOOSE.sub(_tightened, text))
    except json.JSONDecodeError:
        found = f"{strict.doc[strict.pos]!r}" if strict.pos < len(strict.doc) else "the end"
        raise MalformedDocument(
            "JSON",
            f"a body that is none from line {strict.lineno}, column {strict.colno} on, where {found} stands "
            f"({strict.msg[:1].lower()}{strict.msg[1:]})",
        ) from None


def _loaded(text: str) -> Any:
    try:
        content = json.loads(text, parse_constant=_constant, parse_int=_whole)
        shallow = _is_shallow(content)
    except RecursionError:
        shallow = False
    if not shallow:
        raise MalformedDocument("JSON", f"lists or objects that lie in more than {MAX_DEPTH} others")
    return content


def _is_shallow(content: Any) -> bool:
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False


def _constant(name: str) -> NoReturn:
    raise MalformedDocument("JSON, whose numbers are finite", name, "Send a number, or null.")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _WHOLE_DIGITS else float(digits)


def _tightened(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return f'"{_IN_SINGLE.sub(_quote, match["single"])}' + ('"' if match["end"] else "")
    if match["name"]:
        return f'"{match["name"]}"'
    if match["python"]:
        return _PYTHON[match["python"]]
    return "" if match[0] == "," else match[0]


def _quote(match: re.Match[str]) -> str:
    return {'"': '\\"', "\\'": "'"}.get(match[0], match[0])


class _Xml:
    """Reads elements: those with others in them as dictionaries, others as texts; attributes do not count."""

    def __init__(self) -> None:
        self._elements = 0
        self._open: list[tuple[str, dict[str, Any], list[str]]] = [("", {}, [])]
        self._nil: list[bool] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, text: str) -> Any:
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            raise MalformedDocument(
                "JSON, or XML",
                f"a body that begins with < and is no XML from line {error.lineno}, column "
                f"{error.offset + 1} on ({expat.ErrorString(error.code)})",
            ) from None
        return next(iter(self._open[0][1].values()))

    def _doctype(self, *_: object) -> None:
        raise MalformedDocument("XML without a document type", "<!DOCTYPE", f"Leave it out. {_ADVICE}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            expected = f"XML of at most {MAX_ELEMENTS:,} elements, {MAX_DEPTH} of them within each other"
            raise MalformedDocument(expected, "more", _FEWER)
        self._open.append((name.rpartition(" ")[2], {}, []))
        self._nil.append(any(key.endswith(" nil") and value == "true" for key, value in attributes.items()))

    def _characters(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _end(self, _: str) -> None:
        name, children, texts = self._open.pop()
        nil = self._nil.pop()
        _add(self._open[-1][1], name, children or (None if nil else "".join(texts).strip()))


def _form(text: str) -> dict[str, Any]:
    """Fields; `a[b]`, `a.b` and `a[0]` are fields within others, by their names or numbers."""
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise MalformedDocument(f"a form of at most {MAX_FIELDS:,} fields in UTF-8", "another one") from None
    for name, value in pairs:
        *way, last = [part for part in _BRACKETS.split(name) if part][:MAX_DEPTH] or [""]
        place = found
        for part in way:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise MalformedDocument(
                    "a form", f"one whose field {part[:40]!r} has a value and fields of its own"
                )
        _add(place, last, value)
    return found


def _add(place: dict[str, Any], name: str, value: Any) -> None:
    if name not in place:
        place[name] = value
    elif isinstance(place[name], list):
        place[name].append(value)
    else:
        place[name] = [place[name], value]
