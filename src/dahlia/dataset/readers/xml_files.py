"""XML annotation files, read safely: bounded, without a DOCTYPE, in the encodings that tools write."""

from __future__ import annotations

import codecs
import re

# Safe here: the size is bounded and a DOCTYPE, without which there are no entities, is refused.
from xml.etree import ElementTree as ET

from dahlia.dataset.readers.sources import decoded
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

_HEAD = 2048  # bytes in which the first element begins
_ENCODING = re.compile(rb"""^[\s\xef\xbb\xbf]*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NOT_FOR_FILES = frozenset({"idna", "punycode"})  # of names on the Internet; decoding takes hours
_BEFORE_ROOT = re.compile(
    r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>\s*)*<", re.DOTALL
)
_NAME = re.compile(r"(?:[^\W\d][\w.-]*:)?([^\W\d][\w.-]*)")


class _DoctypeError(Exception):
    pass


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _DoctypeError


def parse(tree: Tree, name: str, max_bytes: int) -> ET.Element:
    """The first element of a file; names are without namespaces.

    Raises:
        DatasetError: with the file, for XML that is malformed (with the line), too large, in an unknown
            encoding, or has a DOCTYPE.
    """
    path = tree.path(name)
    data = tree.content(name, max_bytes)
    try:
        root = _parsed(data)
    except ET.ParseError as error:
        raise DatasetError(f"{path}:{error.position[0]}: not XML ({error}). Export it again.") from error
    except (LookupError, ValueError) as error:
        raise DatasetError(f"{path}: not XML in a known encoding ({error}). Export it as UTF-8.") from error
    except _DoctypeError:
        raise DatasetError(f"{path}: expected no DOCTYPE, received one. Remove it.") from None
    if root.tag.startswith("{"):
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    return root


def root_name(tree: Tree, name: str) -> str:
    """What the first element of a file is called; empty where that cannot be told."""
    data = tree.head(name, _HEAD)
    text = decoded(data, "replace")
    before = _BEFORE_ROOT.match(text)
    found = _NAME.match(text, before.end()) if before else None
    return found[1] if found else ""


def _parsed(data: bytes) -> ET.Element:
    try:
        return ET.fromstring(data, _parser())  # noqa: S314
    except ValueError:  # the parser knows encodings of one byte a character
        declared = _ENCODING.match(data[:200])
        if declared is None:
            raise
        encoding = codecs.lookup(declared[1].decode()).name
        if encoding in _NOT_FOR_FILES:
            raise
        text = data.decode(encoding)
    return ET.fromstring(text, _parser())  # noqa: S314


def _parser() -> ET.XMLParser:
    return ET.XMLParser(target=_Builder())  # noqa: S314
