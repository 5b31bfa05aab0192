"""What the consumer's resize does to the answer: the trained model on photos that other programs resized.

    python benchmarks/resizing.py DIR [DIR ...] [--smoothing 0]

A DIR holds `train/<tag>/` and `test/<tag>/`, or `<tag>/` alone, in which case the model is asked about the
photos that it learned from. It is the quick one of `general_compact`. Every photo is decoded in full,
squashed to the input size by a method of Pillow, OpenCV or TensorFlow, and compared with our own area
averaging: the largest change of a probability, the share of photos with the same top tag, and the accuracy.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.imaging import decode, load, squash, to_tensor_layout
from dahlia.params import Params
from dahlia.training.recipes import Trained, train
from packs import divided, survey

Pixels = npt.NDArray[np.uint8]
Resize = Callable[[Pixels, int], Pixels]
REPOSITORY = Path(__file__).parents[1]
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--smoothing", type=float, help="instead of the domain's")
    options = parser.parse_args()
    for pack in options.packs:
        Console().print(report(pack, _params(options.smoothing)))


def report(pack: Path, params: Params) -> Table:
    """The table of one set of photos."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        data = divided(survey(pack, root, params), params, seed=0)
        with contextlib.redirect_stdout(io.StringIO()):
            trained = train(data, params, root)
        tested = ~data.training if (~data.training).any() else data.training
        photos = [(root / record.path).read_bytes() for record in data.where(tested)]
        truth = data.truth[tested].argmax(1)
        size = params.domain.input.size
        decoded = [decode(photo) for photo in photos]
        expected = answers(trained, [squash(photo, size) for photo in decoded])
        ways: dict[str, Callable[[], list[Pixels]]] = {
            "ours, scaled decoding": lambda: [load(photo, size) for photo in photos]
        }
        for way, resize in resizes().items():
            ways[way] = lambda resize=resize: [resize(photo, size) for photo in decoded]  # type: ignore[misc]
        table = Table(
            "resize", "largest change", "same top tag", "accuracy", title=f"{pack.name}, {len(photos)} photos"
        )
        right = (expected.argmax(1) == truth).mean()
        table.add_row("ours", "", "", f"{right:.3f}")
        for way, pixels in ways.items():
            table.add_row(way, *_cells(expected, answers(trained, pixels()), truth))
    return table


def resizes() -> dict[str, Resize]:
    """The ways of other programs, each with its defaults."""
    from dahlia.export.tensorflow._runtime import tf

    def pillow(method: Image.Resampling) -> Resize:
        return lambda photo, size: np.asarray(Image.fromarray(photo).resize((size, size), method))

    def opencv(method: int) -> Resize:
        return lambda photo, size: np.asarray(cv2.resize(photo, (size, size), interpolation=method), np.uint8)

    def tensorflow(method: str, antialias: bool = False) -> Resize:
        def resize(photo: Pixels, size: int) -> Pixels:
            floats = tf.image.resize(photo, (size, size), method=method, antialias=antialias).numpy()
            return np.asarray(np.clip(np.round(floats), 0, 255), np.uint8)

        return resize

    known: dict[str, Resize] = {
        f"Pillow, {way}": pillow(Image.Resampling[way.upper()])
        for way in ("box", "bilinear", "bicubic", "nearest")
    }
    known |= {
        f"OpenCV, {way}": opencv(method)
        for way, method in (
            ("area", cv2.INTER_AREA),
            ("bilinear", cv2.INTER_LINEAR),
            ("bicubic", cv2.INTER_CUBIC),
            ("nearest", cv2.INTER_NEAREST),
        )
    }
    known |= {f"TensorFlow, {way}": tensorflow(way) for way in ("area", "bilinear", "bicubic", "nearest")}
    known["TensorFlow, bilinear, antialias"] = tensorflow("bilinear", True)
    return known


def answers(trained: Trained, photos: list[Pixels]) -> npt.NDArray[np.float32]:
    """The trained module's probabilities: (N, K)."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(photos), BATCH):
            parts.append(
                trained.model(torch.from_numpy(to_tensor_layout(photos[start : start + BATCH]))).numpy()
            )
    return np.concatenate(parts)


def _cells(
    expected: npt.NDArray[np.float32], received: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]
) -> tuple[str, str, str]:
    chosen = received.argmax(1)
    return (
        f"{np.abs(expected - received).max():.3f}",
        f"{(chosen == expected.argmax(1)).mean():.1%}",
        f"{(chosen == truth).mean():.3f}",
    )


def _params(smoothing: float | None) -> Params:
    values = compose(REPOSITORY)
    if smoothing is not None:
        values["domain"]["input"]["smoothing"] = smoothing
    return check_params(values, "conf/")


if __name__ == "__main__":
    main()
