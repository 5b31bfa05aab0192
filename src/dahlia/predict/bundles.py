"""The folder or zip of an exported model."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path

from dahlia.errors import ConfigError
from dahlia.modeling.card import FILE_NAME
from dahlia.tracking.store import MODEL_NAME

MAX_MODEL_BYTES = 2 << 30
_MOST_BYTES = 16 << 20  # of what is text
_LABELS = "labels.txt"
_APP = "app"  # where an export for Docker has its model


@contextmanager
def unpacked(bundle: Path) -> Iterator[Path]:
    """The folder with `model.onnx`: in a folder itself, of a zip a copy that goes afterwards.

    Args:
        bundle: a folder or a zip, with the model in it or in its `app`.

    Raises:
        ConfigError: it has no model, or cannot be read within bounds.
    """
    if bundle.is_dir():
        yield _with_model(bundle, bundle)
        return
    with tempfile.TemporaryDirectory() as name:
        _extract(bundle, Path(name))
        yield _with_model(Path(name), bundle)


def _with_model(folder: Path, bundle: Path) -> Path:
    for place in (folder, folder / _APP):
        if (place / MODEL_NAME).is_file():
            return place
    raise ConfigError(
        f"Expected a folder or zip with {MODEL_NAME}, received {bundle} without. `dahlia export N --format "
        "onnx` writes one."
    )


def _extract(bundle: Path, folder: Path) -> None:
    """Copy model, card and tags out of a zip, to fixed names and within a bound."""
    try:
        with zipfile.ZipFile(bundle) as packed:
            names = set(packed.namelist())
            place = "" if MODEL_NAME in names else f"{_APP}/"
            bounds = {MODEL_NAME: MAX_MODEL_BYTES, FILE_NAME: _MOST_BYTES, _LABELS: _MOST_BYTES}
            for file, most in bounds.items():
                if place + file in names:
                    _copy(packed, place + file, folder / place / file, most)
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, LZMAError) as error:
        raise ConfigError(
            f"Expected a folder or zip with {MODEL_NAME}, received {bundle}, which cannot be read: {error}. "
            "Name another, or export it again."
        ) from error


def _copy(packed: zipfile.ZipFile, name: str, target: Path, most: int) -> None:
    size = packed.getinfo(name).file_size  # zipfile reads no more than this
    if size > most:
        raise ConfigError(
            f"Expected {name} to have at most {most:,} bytes, received {size:,}. Name another zip."
        )
    target.parent.mkdir(exist_ok=True)
    with packed.open(name) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
