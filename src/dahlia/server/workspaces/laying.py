"""Laying out a workspace: its pipeline and configuration, its photos, and the table of their tags.

The pipeline and `conf/` are those that Dahlia ships, with the snapshot's settings.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import yaml

from dahlia import layout
from dahlia.composition import CONF, template, write_params
from dahlia.config import load_params
from dahlia.dataset.readers import table
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.dataset.readers.sources import tags_of
from dahlia.dataset.records import Annotation
from dahlia.errors import DatasetError
from dahlia.files import flush, unfinished, write_text
from dahlia.kinds import Kind

# `dahlia init` and the server lay out the same project.
from dahlia.project import IGNORED, SHARED
from dahlia.server.workspaces.snapshot import Photo, Snapshot
from dahlia.server.workspaces.workspace import (
    ANNOTATIONS,
    ARRIVING,
    FOLDS,
    IMAGES,
    PipelineError,
    occupied,
    recall_folds,
    start,
)

Fetch = Callable[[Photo, Path], None]

_THREADS = 8  # a photo from a storage far away is mostly waiting
_BATCH = 256
_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z]+)")
_HEADING = "# What the server chose for this project; the groups are those that Dahlia ships.\n"
_BUDGETED = "advanced_within_budget"
# Reports show photos, and photos are not kept in Git.
_NOT_IN_GIT = IGNORED + "/reports/*.html\n"


def lay_out(folder: Path, snapshot: Snapshot, fetch: Fetch, *, graphs: Path | None = None) -> None:
    """Make the folder the project folder of this snapshot.

    Only what differs is touched: a workspace that is kept gets ten files after ten more photos. Killed at any
    moment, the next call ends what was begun.

    Args:
        folder: the workspace; made if it is not there.
        snapshot: what it is to hold. Photos without tags are skipped, unless they are `empty`.
        fetch: puts a photo at a path that does not exist yet, by a hard link or a download; called in several
            threads at once.
        graphs: a folder for converted backbones, which all workspaces on this machine can share: a project's
            first export is then as quick as later ones.

    Raises:
        ConfigError: the domain or the project's name is not known, or a value is out of its range.
        DatasetError: a photo's name cannot be a file's.
        PipelineError: a photo could not be fetched, another process has the workspace, or Git failed.
        DahliaError: the disk is full, or the folder cannot be written. What else `fetch` raises passes.
    """
    photos = annotated(snapshot.photos)
    with occupied(folder):
        start(folder)
        for name in (layout.PARAMS, ANNOTATIONS, FOLDS):
            for path in unfinished(folder / name):
                path.unlink()
        configure(folder, snapshot)
        bring(folder, photos, fetch)
        annotate(folder, photos)
        recall_folds(folder)
        if graphs is not None:
            _share(folder / layout.GRAPH_CACHE, graphs)


def annotated(photos: Iterable[Photo]) -> dict[str, Photo]:
    """The photos with tags, and the empty ones, by the name of their file, sorted.

    Raises:
        DatasetError: a name that cannot be the file's, or two photos of one name.
    """
    chosen: dict[str, Photo] = {}
    for photo in photos:
        match = _NAME.fullmatch(photo.name)
        if match is None or match[1] not in IMAGE_SUFFIXES or photo.name in chosen:
            raise DatasetError(
                f"Expected photos with 64 hexadecimal digits and a suffix such as .jpg, each once, received "
                f"{photo.name!r}. Name it by its SHA-256 and its format."
            )
        if photo.empty or tags_of(photo.tags, photo.regions):
            chosen[photo.name] = photo
    return dict(sorted(chosen.items()))


def bring(folder: Path, photos: Mapping[str, Photo], fetch: Fetch) -> None:
    """Fetch the photos that are not there, and remove those that have left.

    A file that has its name is whole and on the disk.

    Args:
        folder: the workspace.
        photos: see `annotated`.
        fetch: puts a photo at a path that does not exist yet, in a folder that does; called in threads.

    Raises:
        PipelineError: a photo could not be fetched, or the disk is full or cannot be written. What `fetch`
            raises passes through unless it is an OSError.
    """
    try:
        _bring(folder, photos, fetch)
    except OSError as error:
        raise PipelineError(
            f"The photos could not be brought together ({error.strerror or error}). Free some space on the "
            "worker's disk, see that the storage can be reached, then train again."
        ) from error


def annotate(folder: Path, photos: Mapping[str, Photo]) -> None:
    """Write the table of tags, regions and groups; the same photos give the same bytes.

    Raises:
        DahliaError: the disk is full, or cannot be written.
    """
    images = (folder / IMAGES).resolve()
    annotations = [
        Annotation(images / name, tags_of(photo.tags, photo.regions), photo.regions, group=photo.group)
        for name, photo in photos.items()
    ]
    table.save(annotations, folder / ANNOTATIONS)


def configure(folder: Path, snapshot: Snapshot) -> None:
    """Bring pipeline, `conf/` and `params.yaml` up to date; what is right already is not touched.

    Killed at any moment, the next call ends what was begun.

    Raises:
        ConfigError: the domain or the project's name is not known, or a value is out of its range.
        DahliaError: the folder cannot be written.
    """
    expected = _expected(snapshot)
    present = {path.relative_to(folder).as_posix() for path in _shared_files(folder)}
    wrong = [name for name, text in expected.items() if _text(folder / name) != text]
    params = folder / layout.PARAMS
    if wrong or present != expected.keys():
        params.unlink(missing_ok=True)  # gone until all that it is composed from is there
        for name in present - expected.keys():
            (folder / name).unlink()
        for name in wrong:
            write_text(folder / name, expected[name])
    if not params.exists():
        write_params(folder)
    from dahlia.stages.environment import link_environment  # what it imports, workers have alone

    link_environment(folder, load_params(params).domain.backbone)


def _share(link: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.readlink() == target.resolve():
        return
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)


def _bring(folder: Path, photos: Mapping[str, Photo], fetch: Fetch) -> None:
    images = folder / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    present = {entry.name: entry.is_dir(follow_symlinks=False) for entry in os.scandir(images)}
    for name in present.keys() - photos.keys():
        if present[name]:
            shutil.rmtree(images / name)
        else:
            (images / name).unlink()
    missing = [name for name in photos if name not in present]
    if missing:
        _fetch_all(folder / ARRIVING, images, {name: photos[name] for name in missing}, fetch)


def _fetch_all(arriving: Path, images: Path, photos: Mapping[str, Photo], fetch: Fetch) -> None:
    shutil.rmtree(arriving, ignore_errors=True)  # of a run that was killed
    arriving.mkdir(parents=True)
    with ThreadPoolExecutor(_THREADS) as threads:
        for names in _batches(list(photos)):
            for _ in threads.map(lambda name: fetch(photos[name], arriving / name), names):
                pass
            for name in names:
                flush(arriving / name)
                (arriving / name).rename(images / name)
            flush(images)
    arriving.rmdir()


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), _BATCH):
        yield names[first : first + _BATCH]


def _expected(snapshot: Snapshot) -> dict[str, str]:
    texts = dict(_shipped())
    name = (CONF / "config.yaml").as_posix()
    texts[name] = _root_config(yaml.safe_load(texts[name])["defaults"], snapshot)
    if _budgeted(snapshot):
        limit = {"budget_minutes": float(snapshot.budget_minutes or 0)}
        content = {"defaults": [snapshot.recipe], "fine_tuning": limit}
        texts[(CONF / "training" / f"{_BUDGETED}.yaml").as_posix()] = _written(content)
    texts[".gitignore"] = _NOT_IN_GIT
    return texts


@cache
def _shipped() -> Mapping[str, str]:
    origin = template()
    return {path.relative_to(origin).as_posix(): path.read_text("utf-8") for path in _shared_files(origin)}


def _shared_files(root: Path) -> Iterator[Path]:
    for part in (*SHARED, ".gitignore"):
        place = root / part
        yield from (path for path in [place, *place.rglob("*"), *unfinished(place)] if path.is_file())


def _root_config(defaults: list[str | dict[str, str]], snapshot: Snapshot) -> str:
    """What the server chose, above the groups that are shipped: Hydra lets `_self_`, the last, win."""
    chosen = {
        "domain": snapshot.domain,
        "training": _BUDGETED if _budgeted(snapshot) else snapshot.recipe,
        "validate": "skip",
    }
    groups = [
        {group: chosen.get(group, choice) for group, choice in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in defaults
    ]
    values = {
        "project": {
            "name": _text_of(snapshot.project),
            "negative_tag": _text_of(snapshot.negative_tag),
            **_OWN_OF_KIND[snapshot.kind](snapshot),
        },
        "ingest": {"format": "csv", "source": ANNOTATIONS.as_posix()},
        # The API takes images with several tags in every project.
        "validate": {"several_tags": "warning"},
        "export": {"formats": ["onnx"]},
    }
    return _HEADING + _written({"defaults": groups} | values)


def _of_classifier(snapshot: Snapshot) -> dict[str, object]:
    negatives = "builtin" if snapshot.use_negative_set else "none"
    return {"classification": snapshot.kind, "negatives": negatives}


# What `project` says besides; a detector's domain says its kind, and outside of its boxes all is negative.
_OWN_OF_KIND: dict[Kind, Callable[[Snapshot], dict[str, object]]] = {
    "multiclass": _of_classifier,
    "multilabel": _of_classifier,
    "detection": lambda snapshot: {},
}


def _budgeted(snapshot: Snapshot) -> bool:
    return snapshot.recipe == "advanced" and snapshot.budget_minutes is not None


class _Quoted(str):
    """A text from a user: readers of YAML differ in what they take for a number, such as `1e3`."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)


def _written(content: object) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def _text_of(value: str | None) -> _Quoted | None:
    return None if value is None else _Quoted(_uninterpolated(value))


def _uninterpolated(value: str) -> str:
    # OmegaConf reads `${...}` as a reference to another key; a backslash before it says that it is text.
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
