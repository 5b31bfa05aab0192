"""The JSON files of a source: each is parsed once, and its content tells which annotation format it is of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from dahlia.dataset.readers.folder import has_tags
from dahlia.dataset.readers.sources import MAX_BYTES
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

Form = Literal["coco", "labelstudio", "createml", "labelme"]
Entry = dict[str, Any]

NAMES: dict[Form, str] = {
    "coco": "COCO",
    "labelstudio": "Label Studio",
    "createml": "Create ML",
    "labelme": "labelme",
}
IMAGE_KEYS = ("image", "imagefilename", "filename", "file_name")  # of Create ML, in lower case

_LABEL_KEYS = {"annotations", "annotation", "label", "labels"}
_COCO_KEYS = {"images", "annotations", "categories"}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON escapes it
_MIN_KEYS = {"annotation_id", "annotator", "lead_time"}
# What tells the form of a file that is no JSON, such as one that was cut off.
_TRACES: tuple[tuple[Form, tuple[bytes, ...]], ...] = (
    ("labelme", (b'"shapes"', b'"points"')),
    ("labelstudio", (b'"data"', b'"result"')),
    ("createml", (b'"label"', b'"coordinates"')),
    ("coco", (b'"images"', b'"file_name"')),
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of looking at a file.

    Attributes:
        form: of which it is; None for any other file.
        meant: of which it may be meant to be, although it is not.
        content: parsed, where there is a form.
        trouble: why it could not be parsed.
    """

    form: Form | None = None
    meant: Form | None = None
    content: Any = None
    trouble: str = ""


def documents_of(tree: Tree, form: Form) -> list[str]:
    """The JSON files of a form.

    Among them are those that seem meant for it and are damaged, if others are whole or nothing else can
    tell the tags: then reading says what is wrong with them.
    """
    seen = {name: _look(tree, name) for name in tree.texts_with(".json")}
    whole = [name for name, one in seen.items() if one.form == form]
    if not whole and tree.document is None and (not seen or has_tags(tree)):
        return []
    return [
        name
        for name, one in seen.items()
        if one.form == form or (one.form is None and one.meant == form and (one.trouble or not whole))
    ]


def none_found(tree: Tree, form: Form, advice: str) -> DatasetError:
    """The error for a source that has no document of a form."""
    others = [
        f"{name} ({NAMES[one.form] if one.form else 'of no known form'})"
        for name in tree.texts_with(".json")[:5]
        for one in [_look(tree, name)]
    ]
    found = f"found {', '.join(others)}" if others else "found none"
    return DatasetError(
        f"Expected a .json file in {tree.root} in the form of {NAMES[form]}, {found}. {advice}"
    )


def content_of(tree: Tree, name: str) -> Any:
    """A JSON file, which then counts as read.

    Raises:
        DatasetError: it is no JSON (with the line), cannot be read, or is too large.
    """
    seen = _look(tree, name)
    tree.read.add(name)
    if seen.trouble:
        raise DatasetError(seen.trouble)
    return seen.content


def entries_of(value: object, where: str, advice: str) -> list[tuple[str, Entry]]:
    """The objects of a list, each with its place for messages.

    Raises:
        DatasetError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise DatasetError(f"{where}: expected a list of objects, received {_kind(value)}. {advice}")
    return [(f"{where}[{index}]", entry) for index, entry in enumerate(value)]


def _kind(value: object) -> str:
    if isinstance(value, list):
        strange = next((entry for entry in value if not isinstance(entry, dict)), None)
        return f"one with {strange!r:.60} in it"
    return f"{value!r:.60}"


def _look(tree: Tree, name: str) -> _Seen:
    seen: _Seen | None = tree.parsed.get(name)
    if seen is None:
        seen = tree.parsed[name] = _seen(tree, name)
    return seen


def _seen(tree: Tree, name: str) -> _Seen:
    path = tree.path(name)
    try:
        data = tree.peek(name, MAX_BYTES)
    except DatasetError as error:
        return _Seen(meant="coco", trouble=str(error))
    try:
        return _recognised(tree, _parsed(data))
    except json.JSONDecodeError as error:
        trouble = f"{path}:{error.lineno}: not JSON ({error.msg}). Export the file again."
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        trouble = f"{path}:{line}: expected UTF-8 text. Save the file again as UTF-8."
    except (RecursionError, ValueError) as error:
        trouble = f"{path}: not JSON that can be read ({error}). Export the file again."
    meant = next((form for form, traces in _TRACES if all(trace in data for trace in traces)), None)
    return _Seen(meant=meant or ("coco" if tree.document else None), trouble=trouble)


def _parsed(data: bytes) -> Any:
    text = data.decode(json.detect_encoding(data))
    content = json.loads(text)
    if _SURROGATE.search(text):
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(error.object[error.start]):04x}"
            raise ValueError(f"{half} is half of a surrogate pair, which is no text") from error
    return content


def _recognised(tree: Tree, content: Any) -> _Seen:
    form = _form(content)
    if form == "labelme":
        content["imageData"] = bool(content.get("imageData"))  # the photo itself, in Base64
    if form:
        return _Seen(form, form, content)
    if isinstance(content, dict) and len(_COCO_KEYS & content.keys()) > 1:
        return _Seen(meant="coco", content=content)
    return _Seen(meant="coco", content=content) if tree.document else _Seen()


def _form(content: Any) -> Form | None:
    if isinstance(content, dict):
        return _form_of_object(content)
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return None
    entries: list[Entry] = [entry for entry in content[:20] if isinstance(entry, dict)]
    if all(is_task(entry) or is_minimal(entry) for entry in entries):
        return "labelstudio"
    lowered = [{str(key).lower() for key in entry} for entry in entries]
    if all(keys & set(IMAGE_KEYS) and keys & _LABEL_KEYS for keys in lowered):
        return "createml"
    return None


def _form_of_object(content: Entry) -> Form | None:
    if content.keys() >= _COCO_KEYS:
        return "coco"
    if isinstance(content.get("shapes"), list) and content.keys() & {"imagePath", "version", "flags"}:
        return "labelme"
    if is_task(content) or (isinstance(content.get("result"), list) and is_task_data(content.get("task"))):
        return "labelstudio"
    return None


def is_task(entry: Entry) -> bool:
    """Whether an object is a task of Label Studio, with what was annotated."""
    return is_task_data(entry) and any(
        isinstance(entry.get(key), list) for key in ("annotations", "completions")
    )


def is_minimal(entry: Entry) -> bool:
    """Whether an object is an annotation as Label Studio exports it as JSON-MIN."""
    return "id" in entry and bool(entry.keys() & _MIN_KEYS)


def is_task_data(entry: object) -> bool:
    """Whether an object has a task's data."""
    return isinstance(entry, dict) and isinstance(entry.get("data"), dict)
