"""Ingest and validate at 1,000, 10,000 and 50,000 images: time per image, memory, both cores at work.

    python benchmarks/ingest.py --sizes 1000 10000

The images are JPEGs of 512 pixels: at most `BASES` different pictures, each repeated as files that differ
in a few bytes after the image's end, as the copies and retakes of a real collection do. Each size runs in
a process of its own, on files that have just been written and so are still in the page cache.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image
from rich.console import Console
from rich.table import Table

from dahlia.params import IngestParams, Params, ProjectParams, SplitParams, ValidateParams

BASES = 5000
EDGE = 512
TAGS = 20
TARGET_RATIO = 1.2
TARGET_MEMORY = 1.5e9


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 50_000])
    sizes = parser.parse_args().sizes
    table = Table(
        "images", "ingest s", "validate s", "ms/image", "CPU ms/image", "ratio", "memory MB", "cores busy"
    )
    first = 0.0
    for size in sizes:
        figures = measured(size)
        each = (figures["ingest"] + figures["validate"]) / size
        first = first or each
        table.add_row(
            f"{size:,}",
            f"{figures['ingest']:.1f}",
            f"{figures['validate']:.1f}",
            f"{1000 * each:.2f}",
            f"{1000 * figures['cpu'] / size:.2f}",
            f"{each / first:.2f}",
            f"{figures['memory'] / 1e6:.0f}",
            f"{figures['cores']:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(f"Targets: ratio at most {TARGET_RATIO}, memory below {TARGET_MEMORY / 1e6:.0f} MB.")


def measured(size: int) -> dict[str, float]:
    """Seconds of each stage and of the processor, bytes at the peak, cores busy during ingest."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "photos", size)
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            return pool.submit(run_stages, folder).result()


def write_images(folder: Path, size: int, most: int = BASES) -> None:
    """Write `size` JPEGs, of `most` pictures at most, into a folder per tag."""
    for tag in range(TAGS):
        (folder / f"tag{tag:02}").mkdir(parents=True)
    bases = min(most, size)
    for base in range(bases):
        data = picture(base)
        for copy in range(base, size, bases):
            path = folder / f"tag{base % TAGS:02}" / f"{copy:06}.jpg"
            path.write_bytes(data if copy == base else data + copy.to_bytes(8, "big"))


def picture(seed: int) -> bytes:
    """Coloured clouds, details and photographic grain: about 60 kB of JPEG."""
    rng = np.random.default_rng(seed)
    clouds, details = (
        np.asarray(Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8)).resize((EDGE, EDGE)))
        for cells in (9, 40)
    )
    grain = rng.integers(-5, 6, (EDGE, EDGE, 1))
    pixels = np.clip(0.6 * clouds + 0.4 * details + grain, 0, 255).astype(np.uint8)
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=85)
    return encoded


def run_stages(folder: str) -> dict[str, float]:
    """Run both stages in this process; see `measured`."""
    from dahlia.stages import ingest, validate

    params, root = parameters(), Path(folder)
    started, used = time.perf_counter(), time.process_time()
    ingest.run(params, root)
    between, busy = time.perf_counter(), time.process_time() - used
    validate.run(params, root)
    ended, total = time.perf_counter(), time.process_time() - used
    return {
        "ingest": between - started,
        "validate": ended - between,
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "cpu": total,
        "cores": busy / (between - started),
    }


def parameters() -> Params:
    """The sections that the two stages read."""
    return Params.model_construct(
        project=ProjectParams(name="Benchmark", classification="multiclass", negative_tag=None, seed=0),
        ingest=IngestParams(format="folder", source="photos", workers=0),
        validate_=ValidateParams(
            on_error="stop",
            several_tags="error",
            max_bytes=6 * 2**20,
            max_edge=10240,
            max_aspect_ratio=25.0,
            min_edge=256,
            min_images_per_tag=5,
            advised_images_per_tag=50,
            max_imbalance=3.0,
            near_duplicate_bits=4,
            min_region_edge=0.01,
        ),
        split=SplitParams(folds=5),
    )


if __name__ == "__main__":
    main()
