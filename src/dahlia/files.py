"""Files and folders that appear whole or not at all, and JSON that is read into its model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dahlia.errors import DahliaError

if TYPE_CHECKING:
    from pydantic import BaseModel

_Model = TypeVar("_Model", bound="BaseModel")
_RANDOM = 8  # characters that tell one temporary name from another


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; flush it to disk and rename it on success.

    Raises:
        DahliaError: the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = _beside(path)
        staged.touch(exist_ok=False)  # with the mode that the umask leaves, as `open` would
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield staged
        flush(staged)
        staged.replace(path)
        flush(path.parent)
    except OSError as error:
        if _is_about(error, staged, path):
            raise _unwritable(path, error) from error
        raise
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def staged_directory(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; it takes the place of `path` on success.

    Raises:
        DahliaError: the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = _beside(path)
        staged.mkdir()
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield staged
        for part in sorted(staged.rglob("*")):
            if part.is_file():
                flush(part)
        _take_place(staged, path)
        flush(path.parent)
    except OSError as error:
        if _is_about(error, staged, path):
            raise _unwritable(path, error) from error
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with staged_file(path) as staged:
        staged.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write indented JSON with keys in their given order, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def load_json(path: Path, model: type[_Model], *, what: str, stage: str, error: type[DahliaError]) -> _Model:
    """Read JSON into its model.

    Args:
        path: of the file.
        model: what it must fit.
        what: for the message: the file `is not ... of this version`.
        stage: of the pipeline, that makes the file.
        error: to raise.

    Raises:
        DahliaError: `error`: the file is missing or does not fit.
    """
    from pydantic import ValidationError as PydanticError

    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise error(f"{path} was expected and is not there. Run `dvc repro {stage}` to make it.") from None
    except PydanticError as problem:
        first = problem.errors()[0]
        raise error(
            f"{path} is not {what} of this version ({problem.error_count()} problems, the first: "
            f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'its top'}). "
            f"Run `dvc repro {stage}` again."
        ) from problem


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unfinished(path: Path) -> list[Path]:
    """What processes that were killed left beside `path`: files that were to take its place."""
    return list(path.parent.glob(f".{escape(path.name)}.{'[0-9a-f]' * _RANDOM}{escape(path.suffix)}"))


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:_RANDOM]}{path.suffix}")


def _take_place(staged: Path, path: Path) -> None:
    if not path.exists():
        staged.rename(path)
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(retired / path.name)
        try:
            staged.rename(path)
        except OSError:
            (retired / path.name).rename(path)
            raise
    finally:
        if path.exists():
            shutil.rmtree(retired, ignore_errors=True)


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk.

    Raises:
        OSError: the disk reports an error.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_about(error: OSError, *ours: Path) -> bool:
    # A full disk names no file; an error that names another file is its reader's own.
    return error.filename is None or any(Path(error.filename).is_relative_to(place) for place in ours)


def _unwritable(path: Path, error: OSError) -> DahliaError:
    return DahliaError(
        f"{path} could not be written: {error.strerror or error}. "
        "Free some space or choose a folder that you may write to, then run again; "
        "what was there before is unchanged."
    )
