"""What surrounds BentoML, without importing it: its files, where it listens, and forms that it reads.

BentoML brings files, and a Bento carries others. The first lines of `bentoml serve` say who may ask.
BentoML reads a form by rules of its own: it fetches the address that stands where a file should be,
decodes the names of fields as the client bids it, and takes texts for JSON. So the forms of `/predict` and
`/predict_batch` are read once, and written again for BentoML, which sees only forms that were read and
written here.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import click

import dahlia
from dahlia.errors import ServiceError
from dahlia.http.body import MAX_IMAGE
from dahlia.http.fetch import Reach
from dahlia.http.form_images import Form, form_of
from dahlia.http.form_parts import read_parts
from dahlia.http.origins import Origins

_ADDED = "pydantic-settings"
"""What the code needs, and the `bentofile.yaml` of projects of earlier versions does not list."""

# For training and new projects.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "bundled", "negative_sets", "template")


def static_files() -> Path | None:
    """The folder of Swagger UI's files, found without the seconds that importing BentoML takes.

    A test says when a version moves them.

    Returns:
        None where BentoML is not installed.
    """
    found = importlib.util.find_spec("bentoml")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "_internal" / "server" / "static_content"


def copy_package(target: Path) -> None:
    """Copy the installed package to `target/dahlia`, without weights, negative sets and the project template.

    A Bento must answer where Dahlia is not installed, and a project folder holds no code.
    """
    shutil.copytree(Path(dahlia.__file__).parent, target / "dahlia", ignore=_LEFT_OUT, dirs_exist_ok=True)


def missing_requirements(requirements: str) -> str:
    """What a Bento must install besides what the project's `bentofile.yaml` lists, as lines of requirements.

    Args:
        requirements: those listed, one in a line.
    """
    name = re.compile(rf"^\s*{_ADDED.replace('-', '[-_.]+')}(?![\w.-])", re.IGNORECASE | re.MULTILINE)
    return "" if name.search(requirements) else f"{_ADDED}=={version(_ADDED)}\n"


LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # a container's ports open from outside alone

_logger = logging.getLogger("bentoml.dahlia")


def default_host(environment: Mapping[str, str] = os.environ) -> str:
    """The address where neither `--host` nor `BENTOML_HOST` names one.

    BentoML's own default is every address of the machine. In the images that it makes it sets
    `BENTOML_CONTAINERIZED`; there a port is reached from outside only where it is published.
    """
    return EVERYWHERE if environment.get("BENTOML_CONTAINERIZED") else LOOPBACK


def chosen_host(default: str) -> str:
    """The address that the command under way was given, or the default."""
    context = click.get_current_context(silent=True)
    given = context.params.get("host") if context else None
    return str(given or default)


def say_who_may_ask(host: str, *, has_key: bool) -> None:
    """Warn of a service that is open to other machines; note one that is open to this machine alone."""
    if has_key:
        return
    if _is_loopback(host):
        _logger.info("DAHLIA_PREDICTION_KEY is not set: every program of this machine may predict.")
    else:
        _logger.warning(
            "The service is open: it listens on %s and DAHLIA_PREDICTION_KEY is not set, so anyone who "
            "reaches the port may predict. Set the key, or start with `--host %s`.", host, LOOPBACK,
        )  # fmt: skip


def say_what_is_open(origins: Origins, reach: Reach, *, has_key: bool) -> None:
    """Say whose web pages may ask without a key, and warn if all may or if images of every address are."""
    if not has_key:
        level = logging.WARNING if origins.every else logging.INFO
        _logger.log(level, "Web pages that may request predictions (DAHLIA_ORIGINS): %s.", origins)
    if reach == "any":
        _logger.warning("Images are fetched from all addresses, those of this network included.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_TEXTS = ("name", "project")  # what BentoML is to see besides files


def read_form(body: bytes, content_type: str, field: str, *, several: bool = False) -> Form:
    """The images of a body, and the texts beside them.

    Args:
        body: the whole body.
        content_type: the request's header.
        field: the usual name of the field with the file, in any case.
        several: whether there may be more than one.

    Raises:
        ServiceError: it is no form, there is no image in it, or there are several and one is expected.
    """
    parts = read_parts(body, content_type)
    if parts is None:
        says_form = content_type.strip().lower().startswith("multipart/form-data")
        received = "a body that is no form" if says_form else repr(content_type)
        raise ServiceError(
            "BadRequestImageStream" if says_form else "UnsupportedMediaType",
            f"Expected multipart/form-data with the file in the field {field}, received {received}.",
            status=400 if says_form else 415,
        )
    form = form_of(parts, field)
    if not several:
        form.only_image(MAX_IMAGE, "Send the image itself.")
    return form


def texts_of(form: Form) -> dict[str, str]:
    """The texts of a form, by their names; of several with one name the last."""
    texts = {name: _text(text) for name, text in form.texts}
    return {name: text for name, text in texts.items() if text is not None}


def write_form(form: Form, field: str) -> tuple[bytes, str]:
    """A form with the images in one field, and the texts that BentoML asks for.

    Returns:
        The body and its content type.
    """
    boundary = uuid.uuid4().hex
    texts = texts_of(form)
    pieces = [_head(boundary, name) + json.dumps(texts[name]).encode() for name in _TEXTS if name in texts]
    pieces += [_head(boundary, f'{field}"; filename="{field}') + image for image in form.images]
    end = f"\r\n--{boundary}--\r\n".encode()
    return b"\r\n".join(pieces) + end, f"multipart/form-data; boundary={boundary}"


def _head(boundary: str, name: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()


def _text(text: str) -> str | None:
    """The text; BentoML's own client sends it as JSON, and null for none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return given if given is None or isinstance(given, str) else text
