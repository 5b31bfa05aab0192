"""Class-activation maps of a published model: which parts of a photo speak for a tag, and how much.

A cell's value is the slope of the tag's logit along the cell's own features, taken at the photo's average
features. For a network that averages a map F and ends in a linear layer w, that is w . F(cell): the
class-activation map of Zhou et al. (2016). A nonlinear tail makes w its gradient, as in Grad-CAM (Selvaraju
et al. 2017). The lengths by which features are scaled to unit length are held fixed, as Ali et al. (2022) do
for the norms of transformers: with their own gradient every map averages to about zero, whatever the photo
shows. Several maps of one grid, each with an average of its own, count as one with the channels of all.

On 240 test photos of grocery shelves, with a head fitted on 394, a quarter of the photo was filled with its
mean colour. The probability of the most probable tag fell by (standard errors are 0.02):

- EfficientNet-Lite0, two maps, 0.97 on average: 0.19 for the hottest quarter, 0.05 for others of its shape;
- MobileNetV4, one map averaged twice, 0.95: 0.41 and 0.15.

Where lengths were not held fixed, the hottest quarter took 0.01 less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dahlia.dataset.decoding_memory import return_freed_memory
from dahlia.dataset.imaging import Pixels, to_tensor_layout
from dahlia.errors import ServiceError, runtime_errors
from dahlia.modeling.card import load_card
from dahlia.serving.activation_graph import Halves, halve, unsupported
from dahlia.serving.models.readers import INPUT, OUTPUT

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]

_STEP = 0.003  # of the length of the average features: float32 and kinks of the tail then cost below 1 %
_MEMORY = 2.5  # bytes for each of the graphs': measured 2.1 to 2.6


class Activation:
    """What explains the predictions of one published model; safe to use from several threads.

    It holds the graph a second time: build one for a model that is asked to explain, and keep it.

    Args:
        folder: where `model.onnx` and `model.json` are.
        threads: threads of one explanation.

    Attributes:
        memory: bytes that it takes, about.

    Raises:
        ServiceError: the network has no map to show, or its files cannot be read.
        TrainingError: `model.json` is missing or does not fit.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._halves, body, tail = _split(folder)
        self.memory = int(_MEMORY * (len(body) + len(tail)))
        size = load_card(folder).input.size
        try:
            self._body = _session(body, threads)
            self._tail = _session(tail, threads)
            metadata = self._body.get_modelmeta().custom_metadata_map
            self._bgr = metadata.get("Image.BitmapPixelFormat") == "Bgr8"
            self._check(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))
        except runtime_errors() as error:
            raise unsupported(f"ONNX Runtime refuses a half: {str(error).splitlines()[0]}") from error
        del body, tail
        return_freed_memory()

    def maps(self, pixels: Pixels, tags: Sequence[int]) -> Floats:
        """How much each part of a photo speaks for tags.

        Args:
            pixels: (S, S, 3) RGB, as `dahlia.dataset.imaging.load` gives them.
            tags: columns of the model's output, 0 to K - 1.

        Returns:
            (len(tags), h, w), in logits, negative where a part speaks against the tag. The mean of a map is
            the tag's logit less what does not depend on the photo, exactly so where the tail is linear.
        """
        middle = self._see(pixels)
        grid, parts = self._parts(middle)
        # A map's values are small or large as a whole, and its own average says which.
        shares = [np.linalg.norm(cells, axis=1) / (np.linalg.norm(mean) or 1) for cells, mean in parts]
        lengths = np.linalg.norm(shares, axis=0)[:, None]
        steps = _STEP / np.where(lengths > 0, lengths, 1)
        around = [np.concatenate([mean + steps * cells, mean - steps * cells]) for cells, mean in parts]
        ahead, behind = np.split(self._logits(around, middle), 2)
        slopes = ((ahead - behind) / (2 * steps)).T[list(tags)]
        return np.ascontiguousarray(slopes.reshape(len(tags), *grid), np.float32)

    def _see(self, pixels: Pixels) -> dict[str, Floats]:
        names = self._halves.names
        batch = to_tensor_layout([pixels[..., ::-1] if self._bgr else pixels])
        return dict(zip(names, self._body.run(names, {INPUT: batch}), strict=True))

    def _parts(self, middle: Mapping[str, Floats]) -> tuple[tuple[int, int], list[tuple[Floats, Floats]]]:
        """Height and width of all maps, and of each the features of its cells, (h * w, C), and their mean."""
        grids, parts = [], []
        for one in self._halves.averaged:
            grid, cells = _cells(middle[one.map], one.axes)
            grids.append(grid)
            parts.append((cells, middle[one.means[0]].ravel()))
        if len(set(grids)) > 1:
            sizes = " and ".join(f"{height} x {width}" for height, width in dict.fromkeys(grids))
            raise unsupported(f"maps of {sizes} cells are averaged, and not of one grid")
        return grids[0], parts

    def _logits(self, means: Sequence[Floats], middle: Mapping[str, Floats]) -> Floats:
        """(N, C) averages of each map to (N, K)."""
        feeds = {
            name: rows.reshape(-1, *middle[name].shape[1:])
            for one, rows in zip(self._halves.averaged, means, strict=True)
            for name in one.means
        }
        feeds |= {name: np.repeat(middle[name], len(means[0]), axis=0) for name in self._halves.lengths}
        return np.asarray(self._tail.run([self._halves.logits], feeds)[0])

    def _check(self, pixels: Pixels) -> None:
        middle = self._see(pixels)
        _, parts = self._parts(middle)
        same = all(
            mean.shape == cells.shape[1:] and np.allclose(cells.mean(axis=0), mean, 1e-3, 1e-4)
            for cells, mean in parts
        )
        # Two rows: what was made for one photo need not hold for more.
        twice = [np.stack([mean, mean]) for _, mean in parts]
        expected = middle[self._halves.logits]
        if not same or not np.allclose(self._logits(twice, middle), expected, 1e-3, 1e-3):
            raise unsupported("what follows the average does not depend on the average alone")


def _cells(found: Floats, axes: tuple[int, ...]) -> tuple[tuple[int, int], Floats]:
    """Height and width of a map, and its features, (h * w, C)."""
    shape = found.shape[1:]
    if axes == (2, 3) and len(shape) == 3:
        return (shape[1], shape[2]), found[0].reshape(shape[0], -1).T
    if axes == (1, 2) and len(shape) == 3:
        return (shape[0], shape[1]), found[0].reshape(-1, shape[2])
    edge = math.isqrt(shape[0])
    if axes == (1,) and len(shape) == 2 and edge**2 == shape[0]:
        return (edge, edge), found[0]
    raise unsupported(f"what is averaged has the shape {found.shape}")


def _split(folder: Path) -> tuple[Halves, bytes, bytes]:
    from google.protobuf.message import DecodeError

    path = folder / "model.onnx"
    try:
        return halve(path.read_bytes(), INPUT, OUTPUT)
    except (OSError, DecodeError) as error:
        raise ServiceError(
            "ErrorPredictionModelNotFound",
            f"{path} cannot be read: {error}. Publish another iteration, or record this one again with "
            "`dvc repro`.",
        ) from error


def _session(graph: bytes, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False  # 20 MB less, at the same speed
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
