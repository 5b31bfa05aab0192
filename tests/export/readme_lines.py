"""The lines that the README of an export tells its reader to run."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import pytest

from dahlia.export.port import Batch, Opened
from small_projects import SIZE, photo

TAGS = ("blue", "green", "red")


def lay_photo(folder: Path) -> Batch:
    """Put a photo where the lines look for one.

    Returns:
        its pixels as OpenCV reads and shrinks them, as the lines do: (1, 3, SIZE, SIZE) RGB, 0 to 255.
    """
    path = folder / "photo.jpg"
    path.write_bytes(photo((180, 90, 60), 7))
    image = cv2.imread(str(path))
    assert image is not None
    image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)[..., ::-1]
    return image.transpose(2, 0, 1)[None].astype(np.float32)


def check_printed(printed: str, said: Batch, within: float) -> None:
    """The lines name the most probable tag of `said` (K,), and how probable it is."""
    tag, probability = printed.split()
    assert tag == TAGS[said.argmax()]
    assert float(probability) == pytest.approx(said.max(), abs=within)


def check_python(
    lines: str,
    folder: Path,
    opened: Callable[[Path], AbstractContextManager[Opened]],
    within: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Lines of Python, run beside the export, print what its port answers for the same photo."""
    shown = lay_photo(folder)
    (folder / "lines.py").write_text(lines, encoding="utf-8")
    with opened(folder) as model:
        (said,) = model.run(shown)
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runpy.run_path("lines.py")
    check_printed(capsys.readouterr().out, said, within)
