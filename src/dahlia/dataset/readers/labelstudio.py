"""Label Studio: a JSON file with a list of tasks, as its exports JSON and JSON-MIN have it.

    [{"data": {"image": "/data/upload/1/1a2b3c4d-cat.jpg"}, "annotations": [{"result": [
      {"type": "choices", "value": {"choices": ["cat"]}},
      {"type": "rectanglelabels", "value": {"x": 5, "y": 10, "width": 50, "height": 20, "rotation": 0,
                                            "rectanglelabels": ["cat"]}}]}]}]

Positions are percent of the image's size. A rectangle is a region; of one that is turned, of a polygon and an
ellipse the upright box around it is taken; key points and brushed masks tag the photo. Choices tag the photo,
or, where they belong to a rectangle without a label, the region. Of several annotations of a task the first
that was not cancelled counts; predictions and drafts are not read. `data` may have a `subset`, `train` or
`test`, and a `group` that the photo is in (see `dahlia.dataset.groups`).

Source: https://labelstud.io/guide/export, "Label Studio JSON format of annotated tasks".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dahlia.dataset.groups import group_name
from dahlia.dataset.photo_files import is_there
from dahlia.dataset.readers.boxes import Size
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.folder import has_tags
from dahlia.dataset.readers.json_documents import (
    Entry,
    content_of,
    documents_of,
    entries_of,
    is_task_data,
    none_found,
)
from dahlia.dataset.readers.labelstudio_photos import TaskPhotos, photo_of
from dahlia.dataset.readers.labelstudio_results import said_in, size_in
from dahlia.dataset.readers.reading import Loaded, Tally
from dahlia.dataset.readers.sources import merge, tags_of, with_splits, without_repeats
from dahlia.dataset.readers.splits import photo_places, split_of, splits_of_documents, subset_of
from dahlia.dataset.readers.targets import image_size, plain_tags, relative_name, source_root
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_json

_ADVICE = "Export the project as JSON."
# What JSON-MIN writes beside what a task's controls say.
_OWN = frozenset(
    {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history"}
)


def found_in(tree: Tree) -> list[str]:
    """The JSON files of Label Studio's forms."""
    return documents_of(tree, "labelstudio")


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read exports.

    Raises:
        DatasetError: one is not JSON (with the line) or not of this form (with the task); or none of the
            photos that it names is there.
    """
    if not documents:
        raise none_found(tree, "labelstudio", _ADVICE)
    finder, tally, splits = PhotoFinder(tree), Tally(), splits_of_documents(tree, documents)
    finished: dict[str, bool] = {}
    parts = [list(_document(tree, name, splits[name], finder, tally, finished)) for name in documents]
    annotations = merge(without_repeats(parts))
    if annotations and not has_tags(tree) and not any(is_there(one.path) for one in annotations):
        raise DatasetError(
            f"{tree.path(documents[0])}: expected the photos that it names in {tree.root}, found none of "
            f"{len(annotations):,}, such as {annotations[0].path.name}. Label Studio exports JSON without "
            "photos: copy them there."
        )
    return Loaded(
        with_splits(tree.root, annotations),
        "Label Studio",
        (*finder.notes, *tally.notes),
        frozenset(photo for photo, done in finished.items() if not done),
    )


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write a file of annotated tasks, which Label Studio imports.

    Raises:
        DatasetError: an image is missing, unreadable, or outside the folder of the file.
    """
    tasks = [_task(index, one, source_root(target)) for index, one in enumerate(annotations, 1)]
    write_json(target, tasks)


def _document(
    tree: Tree,
    document: str,
    split: Split | None,
    finder: PhotoFinder,
    tally: Tally,
    finished: dict[str, bool],
) -> Iterator[Annotation]:
    photos = TaskPhotos(tree, finder, photo_places(tree, document, split))
    for where, data, results in _tasks(content_of(tree, document), str(tree.path(document))):
        name = photo_of(data) or data.get("file_upload")
        if not isinstance(name, str):
            raise DatasetError(
                f"{where}: expected the photo as `image`, received {', '.join(map(str, data)) or 'nothing'}. "
                "Export a project of photos."
            )
        path, hint = photos.find(name, data.get("file_upload"), where)
        readings = [
            list(said_in(result, where, path, tree.name(path), Tally() if index else tally))
            for index, result in enumerate(results)
        ]
        if any(reading != readings[0] for reading in readings):
            tally.add("several-annotators", tree.name(path))
        finished[tree.name(path)] = bool(readings) or finished.get(tree.name(path), False)
        own = _own_split(data, split)
        said = readings[0] if readings else []
        yield Annotation(
            path=path,
            tags=tags_of(tag for tag, _ in said),
            regions=tuple(region for _, region in said if region),
            subset=subset_of(own),
            source=document,
            split=own,
            hint=hint,
            group=group_name(data.get("group"), f"{where}, `group`"),
            stated=size_in(results[0]) if results else None,
        )


def _own_split(data: Entry, split: Split | None) -> Split | None:
    said = data.get("subset")
    return (split_of(said) if isinstance(said, str) else None) or split


def _tasks(content: Any, path: str) -> Iterator[tuple[str, Entry, list[list[Entry]]]]:
    """Each task: its place, its data, and the results of each annotation that counts."""
    minimal: dict[object, tuple[str, Entry, list[list[Entry]]]] = {}
    for where, entry in entries_of(content if isinstance(content, list) else [content], path, _ADVICE):
        place = f"{where}, task {entry['id']}" if "id" in entry else where
        if is_task_data(entry):
            upload = {"file_upload": entry.get("file_upload")}
            yield place, {**entry["data"], **upload}, _finished(entry, place)
        elif is_task_data(entry.get("task")):  # as storage keeps it: an annotation, with its task in it
            yield place, entry["task"]["data"], _finished({"annotations": [entry]}, place)
        else:
            data, results = _minimal(entry)
            key = str(entry.get("id", where))
            minimal.setdefault(key, (place, data, []))[2].append(results)
    yield from minimal.values()


def _finished(task: Entry, where: str) -> list[list[Entry]]:
    """The results of annotations that were not cancelled."""
    found = []
    for key in ("annotations", "completions"):
        for place, one in entries_of(task.get(key) or [], f"{where}, `{key}`", _ADVICE):
            if not one.get("was_cancelled") and not one.get("skipped"):
                results = entries_of(one.get("result") or [], f"{place}, `result`", _ADVICE)
                found.append([result for _, result in results])
    return found


def _minimal(entry: Entry) -> tuple[Entry, list[Entry]]:
    """Data and results of an entry of JSON-MIN, which has them side by side: data, id, results, the rest."""
    keys = list(entry)
    first = keys.index("id") + 1
    last = keys.index("annotator") if "annotator" in keys[first:] else len(keys)
    data = {key: entry[key] for key in keys[:first] if key != "id"}
    results: list[Entry] = []
    for key in keys[first:last]:
        value = entry[key]
        if key in ("image", "file_upload"):
            data.setdefault(key, value)
        elif key not in _OWN:
            results += [_result(one) for one in (value if isinstance(value, list) else [value])]
    return data, results


def _result(value: object) -> Entry:
    """What JSON-MIN says of a control, as a result: a single choice is text."""
    if isinstance(value, str):
        return {"type": "choices", "value": {"choices": [value]}}
    if not isinstance(value, dict):
        return {}
    return {"type": "rectangle" if "x" in value else next(iter(value), ""), "value": value}


def _task(index: int, annotation: Annotation, root: Path) -> Entry:
    size = image_size(annotation.path)
    data: Entry = {"image": relative_name(annotation.path, root)}
    if annotation.subset == "test":
        data["subset"] = "test"
    if annotation.group:
        data["group"] = annotation.group
    results: list[Entry] = []
    if plain := plain_tags(annotation):
        results.append({"from_name": "tag", "type": "choices", "value": {"choices": plain}})
    results += [_rectangle(region, size) for region in annotation.regions]
    named = [{"id": f"{index}-{at}", "to_name": "image", **result} for at, result in enumerate(results, 1)]
    return {"id": index, "data": data, "annotations": [{"result": named}]}


def _rectangle(region: Region, size: Size) -> Entry:
    position = {
        "x": region.left * 100,
        "y": region.top * 100,
        "width": region.width * 100,
        "height": region.height * 100,
        "rotation": 0,
    }
    return {
        "from_name": "label",
        "type": "rectanglelabels",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {**position, "rectanglelabels": [region.tag]},
    }
