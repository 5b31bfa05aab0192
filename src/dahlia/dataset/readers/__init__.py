"""Annotations in the formats that people have, in and out.

Every format is a module with `load(source) -> list[Annotation]` and `save(annotations, target)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from dahlia.config import nearest
from dahlia.dataset.readers import coco, folder, table, voc, yolo
from dahlia.dataset.records import Annotation
from dahlia.errors import DatasetError

FORMATS: dict[str, ModuleType] = {"folder": folder, "csv": table, "coco": coco, "voc": voc, "yolo": yolo}


def read(source: Path, format: str = "auto") -> list[Annotation]:
    """Read what a source says of its images, without opening them.

    Args:
        source: a folder, or the annotation file itself.
        format: `folder`, `csv`, `coco`, `voc`, `yolo`, or `auto` (see `detect`).

    Returns:
        One annotation per file, sorted by path. A file that is missing, and a region that lies outside
        its image, are there too: validation reports them.

    Raises:
        DatasetError: the source is not there, cannot be parsed (the message names file and line),
            names a file outside itself, or holds no images.
    """
    if not source.exists():
        raise DatasetError(
            f"Expected images at {source}, which is not there. Put photos in {source}/<tag>/, or set "
            "`ingest.source` to the folder or file that you have."
        )
    chosen = detect(source) if format == "auto" else format
    annotations: list[Annotation] = _module(chosen).load(source)
    if not annotations:
        raise DatasetError(
            f"Expected images in {source}, read as `{chosen}`, found none. Add some, or set "
            "`ingest.format` to the format that it has."
        )
    return annotations


def write(annotations: Sequence[Annotation], target: Path, format: str) -> None:
    """Write annotations in a format; `target` is a new folder (folder, voc, yolo) or a file (csv, coco).

    Raises:
        DatasetError: the format cannot hold them, or an image is missing.
    """
    _module(format).save(annotations, target)


def detect(source: Path) -> str:
    """The format of a source; the first rule that holds decides.

    1. A file: `.csv` and `.tsv` are csv, `.json` is coco.
    2. A folder with `data.yaml`, or with a class list beside label files: yolo.
    3. With `.xml` files, in it or in its `Annotations/`: voc.
    4. With a `.csv` or `.tsv` file in it: csv.
    5. With a `.json` file of the COCO form, in it or in its `annotations/`: coco.
    6. Any other folder: folder.

    Raises:
        DatasetError: a file of another kind.
    """
    if source.is_dir():
        return next(
            (name for name in ("yolo", "voc", "csv", "coco") if FORMATS[name].found_in(source)), "folder"
        )
    by_suffix = {".csv": "csv", ".tsv": "csv", ".json": "coco"}
    if source.suffix.lower() not in by_suffix:
        raise DatasetError(
            f"Expected a folder, a .csv or a .json file, received {source}. Set `ingest.source` to one of "
            "these, or name its format with `ingest.format`."
        )
    return by_suffix[source.suffix.lower()]


def _module(format: str) -> ModuleType:
    if format not in FORMATS:
        raise DatasetError(f"There is no annotation format `{format}`{nearest(format, ['auto', *FORMATS])}")
    return FORMATS[format]
