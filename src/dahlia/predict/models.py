"""Which model answers, by a published name, an iteration or an exported file, and its answers to photos."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dahlia import layout
from dahlia.config import load_params, nearest
from dahlia.dataset.imaging import SERVED_PIXELS, load, to_tensor_layout
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import ConfigError, DahliaError, DatasetError, TrackingError, VerificationError
from dahlia.modeling.card import FILE_NAME
from dahlia.predict.bundles import unpacked
from dahlia.processes import usable_cores
from dahlia.serving.models.readers import Place
from dahlia.serving.models.runtime import Model, load_model
from dahlia.tracking.iteration import normalise
from dahlia.tracking.registry import Registry

_MOST_BOXES = 200  # of a photo


class Said(NamedTuple):
    """A tag, its probability, 0 to 1, and where it is, which only detectors say."""

    tag: str
    probability: float
    place: Place | None = None


@dataclass(frozen=True)
class Answer:
    """What a model says of one photo.

    Attributes:
        scored: all tags, or all boxes with their tags, the most probable first.
        none_of_these: the probability that no tag applies; None where the model does not tell its kind.
    """

    scored: Sequence[Said]
    none_of_these: float | None = None


Predict = Callable[[bytes], Answer]


@dataclass(frozen=True)
class Answering:
    """A loaded model.

    Attributes:
        name: what it is, such as `iteration 3 (fruit)`.
        predict: answers an image file; safe to call from several threads; raises ImageError.
        finds: whether it says where tags are.
    """

    name: str
    predict: Predict
    finds: bool


@contextmanager
def open_model(
    root: Path, published: str | None = None, iteration: int | None = None, bundle: Path | None = None
) -> Iterator[Answering]:
    """Load a model.

    Args:
        root: the project folder; not read where `bundle` is given.
        published: a publish name.
        iteration: a number.
        bundle: a folder or zip with `model.onnx`. Of the three at most one; without any, the only published
            name, else the last iteration.

    Raises:
        DahliaError: there is no such model, or it cannot be loaded.
    """
    if bundle:
        with unpacked(bundle) as folder:
            with _fault_of_file(bundle):
                answering = _exported(folder, bundle)
            yield answering
    else:
        yield _recorded(root, published, iteration)


def _recorded(root: Path, published: str | None, iteration: int | None) -> Answering:
    if not (root / layout.PARAMS).exists():
        raise ConfigError(
            f"Expected a project folder, which has {layout.PARAMS}; received {root.resolve()}. Call this in "
            "a project folder, or name an exported model with --bundle."
        )
    registry = Registry.of(root, load_params(root / layout.PARAMS))
    number, name = _chosen(registry, published, iteration)
    found = registry.get(number)
    model = load_model(registry.servable(found), found.id, number)
    return _answering(f"iteration {number} ({name})" if name else f"iteration {number}", model)


def _answering(name: str, model: Model) -> Answering:
    def predict(data: bytes) -> Answer:
        found = model.predict(data)
        scored = [Said(one.tag.name, one.probability, one.place) for one in found]
        return Answer(sorted(scored, key=lambda one: -one.probability), model.reader.none(found))

    return Answering(name, predict, model.reader.task == "detect")


def _chosen(registry: Registry, published: str | None, iteration: int | None) -> tuple[int, str | None]:
    if iteration is not None:
        return iteration, None
    names = registry.published_versions()
    if published is not None:
        name = normalise(published)
        if name not in names:
            hint = nearest(name, list(names)) if names else "; nothing is published."
            raise TrackingError(f"No iteration is published as {name!r}{hint} See `dahlia iterations`.")
        return names[name], name
    if len(names) == 1:
        name, number = next(iter(names.items()))
        return number, name
    known = registry.iterations()
    if not known:
        raise TrackingError("The project has no iteration yet. Train one with `dvc repro`.")
    return known[-1].number, None


@contextmanager
def _fault_of_file(bundle: Path) -> Iterator[None]:
    """Say what is wrong with a file that Dahlia may not have written, and to name another."""
    from dahlia.export.port import REPORT

    try:
        yield
    except VerificationError as error:
        reason = str(error)
        again = f"{reason.removesuffix(REPORT)}Export again, or name another file."
        raise ConfigError(f"{bundle}: {again if reason.endswith(REPORT) else reason}") from error


def _exported(folder: Path, bundle: Path) -> Answering:
    if _has_card(folder):
        return _answering(str(bundle), load_model(folder, "", 0))
    from dahlia.export.onnx.port import detects, input_size, opened

    if detects(folder):
        return _exported_detector(folder, bundle)
    with opened(folder) as export:  # what it yields goes on working afterwards
        run, labels, size = export.run, export.labels, input_size(folder)

    def predict(data: bytes) -> Answer:
        row = run(to_tensor_layout([load(data, size, max_decoded=SERVED_PIXELS)]))[0]
        scored = [Said(label, float(str(value))) for label, value in zip(labels, row, strict=True)]
        return Answer(sorted(scored, key=lambda one: -one.probability))

    return Answering(str(bundle), predict, finds=False)


def _exported_detector(folder: Path, bundle: Path) -> Answering:
    from dahlia.export.onnx.port import opened_detector

    with opened_detector(folder) as export:  # what it yields goes on working afterwards
        find, labels, size = export.find, export.labels, export.size

    def predict(data: bytes) -> Answer:
        pixels = to_tensor_layout([load(data, size, max_decoded=SERVED_PIXELS)])
        with _fault_of_file(bundle):
            found = find(pixels)
        found = found.where(np.argsort(-found.scores, kind="stable")[:_MOST_BOXES])
        start = found.places[:, :2].clip(0, 1)
        end = (found.places[:, :2] + found.places[:, 2:]).clip(start, 1)
        places = np.concatenate([start, end - start], 1).tolist()
        scored = [
            Said(labels[tag], float(str(score)), Place(*place))
            for tag, score, place in zip(found.tags.tolist(), found.scores, places, strict=True)
        ]
        return Answer(scored, 1 - max((one.probability for one in scored), default=0.0))

    return Answering(str(bundle), predict, finds=True)


def _has_card(folder: Path) -> bool:
    """Whether its `model.json` is a model's card: an export for Docker has other facts in one.

    Raises:
        ConfigError: it is nested too deeply to be either.
    """
    try:
        content = json.loads((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return False
    except RecursionError as error:
        raise ConfigError(
            f"Expected {FILE_NAME} with the facts of a model, received one nested too deeply to be read. "
            "Export again, or name another file."
        ) from error
    except (OSError, ValueError):
        return True  # loading it tells what is wrong with it
    return not (isinstance(content, dict) and isinstance(content.get("project"), dict))


MAX_BYTES = 256 << 20  # of a photo: more is read by mistake


@dataclass(frozen=True)
class Predicted:
    """What came of one photo.

    Attributes:
        photo: its path, as it was named or found.
        answer: what the model says; of no tags where there is a problem.
        problem: why there is no answer.
    """

    photo: Path
    answer: Answer = Answer(())
    problem: str | None = None


def find_photos(named: Iterable[Path]) -> list[Path]:
    """The photos to look at: files as they are named, and the images below folders, sorted by path.

    A folder without images stands for itself, so that it is reported like a file that is no image.
    """
    return [photo for path in named for photo in _below(path) or [path]]


def _below(path: Path) -> list[Path]:
    # `Path.is_dir` raises for a name that is too long.
    return [path / name for name in Tree(path).images] if os.path.isdir(path) else []  # noqa: PTH112


def predict_photos(photos: Sequence[Path], predict: Predict) -> Generator[Predicted, None, None]:
    """Ask about every photo, on all cores; the answers come in the order of the photos."""
    pool = ThreadPoolExecutor(usable_cores())
    try:
        yield from pool.map(lambda photo: _ask(photo, predict), photos)
    finally:
        pool.shutdown(cancel_futures=True)


def _ask(photo: Path, predict: Predict) -> Predicted:
    try:
        return Predicted(photo, predict(_read(photo)))
    except OSError as error:
        reason = f"Expected a photo, received a file that cannot be read: {error.strerror or error}."
        return Predicted(photo, problem=f"{reason} Name another.")
    except DahliaError as error:
        return Predicted(photo, problem=str(error))


def _read(photo: Path) -> bytes:
    facts = photo.stat()
    if not stat.S_ISREG(facts.st_mode):  # reading a pipe would wait for who writes
        raise DatasetError(f"Expected a photo, received {_kind(facts.st_mode)}. Name another.")
    if facts.st_size > MAX_BYTES:
        raise DatasetError(
            f"Expected at most {MAX_BYTES >> 20} MB, received {facts.st_size >> 20}. Scale the photo down."
        )
    with photo.open("rb") as file:
        return file.read(MAX_BYTES)


def _kind(mode: int) -> str:
    return "a folder without photos" if stat.S_ISDIR(mode) else "no file"
