"""`published/`: the published models as plain files, which is what a Bento carries.

published.json        publish name -> folder
iteration-3/          model.onnx, model.json, iteration.json
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from dahlia.files import staged_directory, write_json
from dahlia.tracking.iteration import Iteration

INDEX = "published.json"
ITERATION = "iteration.json"


def write_snapshot(
    folder: Path, published: Mapping[str, Iteration], locate: Callable[[Iteration], Path]
) -> Path:
    """Rewrite the folder, whole or not at all.

    Args:
        folder: what to write.
        published: publish names and their iterations.
        locate: gives the folder of an iteration's `model.onnx` and `model.json`.
    """
    with staged_directory(folder) as staged:
        for iteration in {iteration.number: iteration for iteration in published.values()}.values():
            target = staged / _folder_name(iteration)
            target.mkdir()
            source = locate(iteration)
            for name in ("model.onnx", "model.json"):
                shutil.copyfile(source / name, target / name)
            write_json(target / ITERATION, {"number": iteration.number, "id": iteration.id})
        write_json(staged / INDEX, {name: _folder_name(published[name]) for name in sorted(published)})
    return folder


def _folder_name(iteration: Iteration) -> str:
    return f"iteration-{iteration.number}"
