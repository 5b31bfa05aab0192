"""Every export of an iteration: size, time to write, to open and to answer, and how far its answers are.

    python benchmarks/exports.py PROJECT N [--formats onnx coreml ...] [--cold]

PROJECT is a project folder with iteration N. Every format is written to a zip and proven in a process of its
own; graphs that other formats left behind are used, unless `--cold` deletes them before each. `write` counts
imports and the proof, in seconds of the clock and of processors. `load` opens the unpacked files again, `ms`
is the median answer for one photo in the runtime that proved it (for Core ML elsewhere than on a Mac that is
our interpreter). `agreement` is the share of photos with the same top tag, of detectors of boxes that
are not replaced; `points` is what the accuracy, of detectors mAP@50, changes by where there is a test set.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dahlia.export.box_proof import BoxComparison
from dahlia.export.formats import FORMATS, by_name
from dahlia.export.proofs import PROOFS, Compared
from dahlia.export.verify import Comparison


def main() -> None:
    options = _arguments()
    table = Table(
        "format", "zip MB", "write s", "CPU s", "load s", "ms", "difference", "agreement", "points", "MB"
    )
    started = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    for name in options.formats:
        if options.cold:
            shutil.rmtree(options.project / ".dahlia" / "graphs", ignore_errors=True)
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            table.add_row(
                name, *pool.submit(measured, options.project.resolve(), options.number, name).result()
            )
    Console(width=120).print(table)
    print(f"One after the other: {time.perf_counter() - started:.0f} s")


def measured(project: Path, number: int, name: str) -> list[str]:
    """The cells of a row."""
    started = time.perf_counter()
    os.chdir(project)
    from dahlia import layout
    from dahlia.config import load_params
    from dahlia.dataset.manifest import load_manifest
    from dahlia.export.artifacts import export_inputs, write_download
    from dahlia.tracking.registry import Registry

    params = load_params()
    registry = Registry.of(Path(), params)
    iteration = registry.get(number)
    inputs = export_inputs(registry.bundle(iteration), load_manifest(layout.MANIFEST), Path())
    form = by_name(name)
    with tempfile.TemporaryDirectory() as folder:
        path, unpacked = Path(folder) / "export.zip", Path(folder) / "unpacked"
        proof = write_download(form, path, inputs, params.export, iteration.id)
        written, busy = time.perf_counter() - started, _processor_seconds()
        with zipfile.ZipFile(path) as packed:
            packed.extractall(unpacked)
        loading = time.perf_counter()
        with PROOFS[inputs.source.card.kind].opened(form.load_port(), unpacked):
            loaded = time.perf_counter() - loading
        size = path.stat().st_size
    return [
        f"{size / 1e6:.1f}",
        f"{written:.1f}",
        f"{busy:.1f}",
        f"{loaded:.2f}",
        f"{proof.milliseconds_per_image:.1f}",
        *_compared(proof.comparison),
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}",
    ]


def _processor_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _compared(comparison: Compared) -> tuple[str, str, str]:
    if isinstance(comparison, BoxComparison):
        agreement = 1 - comparison.replaced / max(comparison.boxes, 1)
        return f"{comparison.largest:.1e}", f"{agreement:.1%}", _points(comparison)
    assert isinstance(comparison, Comparison), "of a classifier"
    return f"{comparison.largest:.1e}", f"{comparison.agreement:.1%}", _points(comparison)


def _points(comparison: Comparison | BoxComparison) -> str:
    if comparison.judged_on != "test photos":
        return "-"
    return f"{100 * (comparison.after - comparison.before):+.1f} of {comparison.judged}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("number", type=int)
    parser.add_argument("--formats", nargs="+", default=[form.name for form in FORMATS])
    parser.add_argument("--cold", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
