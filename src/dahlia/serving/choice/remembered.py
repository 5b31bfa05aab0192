"""What was chosen for a model on this machine: kept in the user's cache, made again where it is missing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dahlia import layout
from dahlia.files import sha256_of, write_text
from dahlia.processes import usable_cores
from dahlia.processor import processor_features, processor_name
from dahlia.settings.values import RuntimeName
from dahlia.user_cache import is_own_file, is_own_folder, user_cache

FOLDER = "runtimes"
_FORMAT = 3  # raised when other things are measured or proven
_MOST_BYTES = 64 << 10
_MOST_KEPT = 200  # the oldest are deleted
_MOST_GRAPHS = 20  # of 4 to 30 MB
_MOST_GRAPH_BYTES = 1 << 30
_GRAPH = ".int8.onnx"
_PACKAGES = ("onnxruntime", "openvino", "onnx")


class Tried(BaseModel):
    """A runtime that was measured.

    Attributes:
        runtime: its name.
        milliseconds: of a prediction with one thread, the network alone; None where it cannot compute it.
        photos: on which it was compared with the model; 0 where it was not.
        largest_difference: of a probability, on these; None where it was not compared.
        refused: why it was not taken; None where it could be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    runtime: RuntimeName
    milliseconds: float | None = None
    photos: int = 0
    largest_difference: float | None = None
    refused: str | None = None


class Choice(BaseModel):
    """What computes a model on this machine, and what else was tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: str
    chosen: RuntimeName
    tried: tuple[Tried, ...]


def machine() -> str:
    """What times and answers depend on: processor, cores, and the runtimes' versions."""
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    processor = " ".join([processor_name(), *processor_features()])
    return ", ".join([processor, f"{usable_cores()} cores", *versions])


def key_of(folder: Path) -> str:
    """What a choice is kept under: it follows from the model's files, its photos and the machine."""
    digest = hashlib.sha256(f"{_FORMAT}\0{machine()}".encode())
    for name in ("model.onnx", "model.json", layout.PHOTOS):
        path = folder / name
        digest.update(f"\0{name}\0{sha256_of(path) if path.is_file() else ''}".encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where choices are kept: in the user's cache; where that cannot be written, beside temporary files.

    Raises:
        OSError: somebody else has the folder beside temporary files.
    """
    folder = user_cache(FOLDER)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    user = getattr(os, "geteuid", lambda: 0)()
    folder = Path(tempfile.gettempdir()) / f"dahlia-{FOLDER}-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not is_own_folder(folder):
        raise PermissionError(
            f"Expected {folder} to be yours alone, received one of somebody else. Delete it, or set "
            "XDG_CACHE_HOME to a folder that you can write to."
        )
    return folder


def load_choice(folder: Path, key: str) -> Choice | None:
    """What was chosen; None where nothing was, or what is there is not this user's or cannot be read."""
    path = folder / f"{key}.json"
    if not is_own_file(path, _MOST_BYTES):
        return None
    try:
        return Choice.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def save_choice(folder: Path, key: str, choice: Choice) -> None:
    """Keep a choice.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_text(folder / f"{key}.json", choice.model_dump_json(indent=2) + "\n")
    _delete_oldest(folder, "*.json", _MOST_KEPT)
    _delete_oldest(folder, f"*{_GRAPH}", _MOST_GRAPHS)


def graph_of(folder: Path, key: str) -> Path:
    """Where the graph of 8 bits is kept that was made for a choice."""
    return folder / f"{key}{_GRAPH}"


def has_graph(folder: Path, key: str) -> bool:
    """Whether it is there, and this user's."""
    return is_own_file(graph_of(folder, key), _MOST_GRAPH_BYTES)


def _delete_oldest(folder: Path, pattern: str, most: int) -> None:
    kept = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    for path in kept[:-most]:
        path.unlink(missing_ok=True)


def said_of(folder: Path) -> str | None:
    """What computes a model on this machine, for people; None where it was not measured here.

    Args:
        folder: of `model.onnx`.
    """
    try:
        choice = load_choice(cache_folder(), key_of(folder))
    except OSError:
        return None
    if choice is None:
        return None
    times = [f"{one.runtime} {one.milliseconds:.1f} ms" for one in choice.tried if one.milliseconds]
    refused = [f"{one.runtime} not taken: {one.refused}" for one in choice.tried if one.refused]
    return f"{choice.chosen} computes it on this machine ({'; '.join([', '.join(times), *refused])})"
