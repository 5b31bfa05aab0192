"""Which parts of a body are images: every file, whatever its field is called, and nothing is passed over.

An image may also come as the body itself, and as base64 or a `data:` URL where the bytes should be.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dahlia.dataset.formats import format_of
from dahlia.errors import ServiceError
from dahlia.http.form_parts import Part, read_parts
from dahlia.http.parameters import names_of, plain_name

FIELD = "imageData"
TO_URL = "To send an address, POST it to the same path with url in place of image."
TO_IMAGE = "To send the image itself, POST it to the same path with image in place of url."
TO_IMAGES = "POST images as a form or as bytes to .../images."
_MAX_TEXT = 8 * 1024  # bytes of a text beside the images
_NUMBERED = r"(\[\w{0,8}\]|[._-]?\d{1,6})?"
_BASE64 = re.compile(
    rb"\s{0,8}(data:[^,]{0,100};base64,)?\s{0,8}"
    rb"(?=/9j/|_9j_|iVBORw0KGgo|R0lGOD|UklGR|Qk|SUkqAA|TU0AKg|AAAA[\w+/-]{2}Z0eX)",
    re.IGNORECASE,
)
_INSTEAD = (
    (re.compile(rb"\s*\[object \w"), "the name of a script's object in place of a file"),
    (re.compile(rb"\s*[\[{]"), "JSON"),
    (re.compile(rb"\s*\"?https?://|\s*url=", re.IGNORECASE), "an address"),
    (re.compile(rb"\s*<(\?xml[^>]*>\s*<)?image(url|file)?\b", re.IGNORECASE), "XML"),
)


@dataclass(frozen=True)
class Form:
    """What a body holds.

    Attributes:
        images: at least one; those that were sent without a byte are empty.
        texts: the other fields, names and values.
        names: of the images' fields; none where the body itself is the image.
        files: names of the images' files; None for an image without one.
    """

    images: tuple[bytes, ...]
    texts: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()
    files: tuple[str | None, ...] = (None,)

    def refuse_texts(self, names: Collection[str]) -> None:
        """Let forms pass that have none of the fields `names`.

        Raises:
            ServiceError: this one has one, which belongs into the query.
        """
        refuse_fields((given for given, _ in self.texts), names, "the form")

    def list_of(self, name: str) -> list[str]:
        """The texts in the fields of a list, such as `tagIds`, `tag_ids[0]` or `tagId`.

        Raises:
            ServiceError: a field was probably mistaken for one of these.
        """
        names = names_of((), (name,))
        found = [text for given, text in self.texts if names.match(given)]
        names.refuse_close((given for given, text in self.texts if text), (name,) if found else (), "field")
        return found

    def only_image(self, most: int, otherwise: str = TO_URL) -> bytes:
        """The one image that there is.

        Args:
            most: bytes that it may have.
            otherwise: where addresses belong.

        Raises:
            ServiceError: there are several, or it is empty, too large, or an address in place of an image.
        """
        if len(self.images) > 1:
            raise ServiceError(
                "BadRequestImageStream",
                f"Expected one image, received {len(self.images)} files, in the fields "
                f"{_listed(self.names)}. Send a request for each.",
            )
        (image,) = self.images
        if not image:
            raise no_image("an empty file")
        _refuse_instead(image, otherwise)
        if len(image) > most:
            raise too_large(most)
        return image


def read_form(
    body: bytes,
    content_type: str,
    field: str = FIELD,
    otherwise: str = TO_URL,
    lists: tuple[str, ...] = (),
) -> Form:
    """The images of a body: those of its form, or else the body itself.

    Args:
        body: the whole of it.
        content_type: the request's header; empty where it has none.
        field: whose parts are images whatever they hold; also numbered, as `imageData1` or `imageData[]`.
        otherwise: where JSON and addresses belong.
        lists: names of fields that hold texts, although scripts may send them as files.

    Raises:
        ServiceError: there is no image in it, or it is a form that cannot be parsed.
    """
    parts = read_parts(body, content_type)
    if parts is None:
        return Form((_whole(body, otherwise),))
    return form_of(parts, field, lists)


def form_of(parts: list[Part], field: str, lists: tuple[str, ...] = ()) -> Form:
    """The images among the parts of a form; see `read_form`.

    Raises:
        ServiceError: there is none.
    """
    named = re.compile(re.escape(field) + _NUMBERED, re.IGNORECASE)
    images: list[Part] = []
    texts: list[tuple[str, str]] = []
    for part in parts:
        data = unwrapped(part.data)
        if names_of((), lists).match(part.name) and not format_of(data) and _is_text(data):
            texts.append((part.name, _short(part).decode("utf-8")))
        elif named.fullmatch(part.name) or part.is_file or format_of(data) or not _is_text(data):
            images.append(Part(part.name, data, part.filename))
        else:
            texts.append((part.name, _short(part).decode("utf-8")))
    chosen = [part for part in images if part.data or part.filename != ""]
    if not chosen:
        raise no_image(_without_images(parts, empty=bool(images)))
    return Form(
        tuple(part.data for part in chosen),
        tuple(texts),
        tuple(part.name for part in chosen),
        tuple(part.filename or None for part in chosen),
    )


def unwrapped(data: bytes) -> bytes:
    """The image in base64 or in a `data:` URL; data that is neither as it is."""
    match = None if format_of(data) else _BASE64.match(data)
    if match is None:
        return data
    text = b"".join(data[match.end() :].split()).translate(bytes.maketrans(b"-_", b"+/"))
    try:
        image = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return data
    return image if format_of(image) else data


def refuse_image(
    body: bytes, content_type: str, otherwise: str, expected: str = "the address of an image"
) -> None:
    """Let bodies pass that hold no image, where an address or JSON is expected.

    Args:
        body: the whole of it.
        content_type: the request's header; empty where it has none.
        otherwise: where images belong.
        expected: in its place.

    Raises:
        ServiceError: it is an image, or a form with a file.
    """
    kind = format_of(body)
    if kind is None:
        parts = read_parts(body, content_type) or []
        if not any(part.is_file or format_of(part.data) for part in parts):
            return
    received = "a form with a file" if kind is None else f"a {kind} image"
    raise ServiceError("BadRequestImageUrl", f"Expected {expected}, received {received}. {otherwise}")


def refuse_fields(given: Iterable[str], parameters: Collection[str], where: str) -> None:
    """Let bodies pass that have no fields which belong into the query.

    Args:
        given: names of fields.
        parameters: names that belong there, or, of `store`, into the path.
        where: the fields are, such as `the form`.

    Raises:
        ServiceError: this one has one.
    """
    fields = {plain_name(name) for name in given}
    for name in parameters:
        if plain_name(name) in fields:
            advice = " For a prediction that is not stored, end the path with /nostore." * (name == "store")
            raise ServiceError(
                "BadRequestInvalid",
                f"Expected {name} in the query, received it as a field of {where}. Put it behind the path: "
                f"?{name}=...{advice}",
            )


def no_image(received: str) -> ServiceError:
    """The refusal of a body without an image.

    Args:
        received: in its place.
    """
    return ServiceError(
        "BadRequestImageStream",
        f"Expected an image as a file in the multipart field {FIELD}, or as the body itself; received "
        f"{received}. Send the bytes of a JPEG, PNG, BMP or GIF file.",
    )


def too_large(most: int, *, unread: bool = False) -> ServiceError:
    """The refusal of an image that has more than `most` bytes.

    Args:
        most: bytes that it may have.
        unread: whether a part of the body was not read.
    """
    return ServiceError(
        "BadRequestImageSizeBytes",
        f"Expected an image of at most {most / 1024 / 1024:g} MB, received a larger one. Scale it down, "
        "or save it with a lower quality.",
        unread=unread,
    )


def _whole(body: bytes, otherwise: str) -> bytes:
    if not body:
        raise no_image("an empty body")
    image = unwrapped(body)
    _refuse_instead(image, otherwise)
    return image


def _refuse_instead(image: bytes, otherwise: str) -> None:
    for pattern, kind in _INSTEAD:
        if pattern.match(image):
            raise ServiceError(
                "BadRequestImageStream", f"Expected the bytes of an image, received {kind}. {otherwise}"
            )


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _short(part: Part) -> bytes:
    if len(part.data) > _MAX_TEXT:
        raise ServiceError(
            "BadRequestImageStream",
            f"Expected files and short texts in the form, received a text of {len(part.data):,} bytes in the "
            f"field {part.name[:40]!r}. Send the image as a file.",
        )
    return part.data


def _without_images(parts: list[Part], *, empty: bool) -> str:
    if empty:
        return "a form in which no file was chosen"
    if not parts:
        return "a form with no field"
    return f"a form without a file, with the fields {_listed([part.name for part in parts])}"


def _listed(names: Collection[str]) -> str:
    shown = [repr(name[:40]) if name else "one without a name" for name in list(names)[:5]]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "")
