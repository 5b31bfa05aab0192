from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fake_project import SIZE, card
from onnx import helper, numpy_helper, parser

from dahlia.errors import ServiceError, TrainingError
from dahlia.modeling.card import save_card
from dahlia.serving.activation import Activation

CELLS = 8
RED, GREEN, BLUE = range(3)
# Each of the map's channels answers to one colour and is silent on grey.
COLOURS = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]], np.float32) / 255
HEAD = np.array([[3, -1, -2], [-2, 4, 0.5], [0, -1.5, 2]], np.float32)
BIAS = np.array([0.5, 0, -0.5], np.float32)
# A second map, computed from the first, as EfficientNets widen theirs.
WIDER = np.array([[1, -2, 0], [0, 1, -1], [-1, 0, 1], [0.5, 1, 1], [2, -1, 0.5]], np.float32)
SHIFT = np.array([0.1, 0, -0.1, 0.2, 0], np.float32)
WIDE_HEAD = np.array([[1, 0, -2, 0.5, 1], [0, -3, 1, 1, 0], [2, 1, 0, -1, 1]], np.float32)
CONSTANTS = {
    "colours": COLOURS[..., None, None],
    "head": HEAD,
    "bias": BIAS,
    "positions": np.array([2, 3]),
    "positions_last": np.array([-1, -2]),
    "middle": np.array([1, 2]),
    "second": np.array([1]),
    "zero": np.array([0]),
    "three": np.array([3]),
    "tokens": np.array([0, 3, -1]),
    "token": np.array(0),
    "half": np.array(0.5, np.float32),
    "strong": np.array(2000, np.float32),
    "green_alone": np.array([0, 1, 0], np.float32)[:, None, None],
    "wider": WIDER[..., None, None],
    "shift": SHIFT,
    "wide_head": WIDE_HEAD,
    "joint_head": np.concatenate([HEAD, WIDE_HEAD], 1),
    "last": np.array([-1]),
    "odd": np.array([63]),
}
SHARE = SIZE // CELLS
MAP = f"""
    seen = Conv(data, colours)
    felt = Relu(seen)
    map = AveragePool<kernel_shape=[{SHARE}, {SHARE}], strides=[{SHARE}, {SHARE}]>(felt)
"""
LINEAR = "logits = Gemm<transB=1>(mean, head, bias)"
SOFTMAX = "model_output = Softmax<axis=-1>(logits)"
UNIT = """
    length = ReduceL2<keepdims=1>(mean, second)
    unit = Div(mean, length)
    logits = Gemm<transB=1>(unit, head, bias)
"""
THREE = "mean = Slice(row, zero, three, second)"
PLAIN = ["mean = ReduceMean<keepdims=0>(map, positions)", LINEAR, SOFTMAX]


def write(folder: Path, *steps: str, bgr: bool = False) -> Path:
    """A published model, from lines of ONNX's own language after those that make the map."""
    body = "\n".join((MAP, *steps))
    proto = parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 20]> toy (float[n, 3, {SIZE}, {SIZE}] data) '
        f"=> (float[n, 3] model_output) {{ {body} }}"
    )
    proto.graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in CONSTANTS.items())
    helper.set_model_props(proto, {"Image.BitmapPixelFormat": "Bgr8" if bgr else "Rgb8"})
    onnx.checker.check_model(proto)
    folder.mkdir(exist_ok=True)
    onnx.save(proto, folder / "model.onnx")
    save_card(folder, card())
    return folder


def photo(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def map_of(pixels: Any) -> Any:
    """(3, h, w), in NumPy."""
    felt = np.maximum(pixels @ COLOURS.T, 0)
    return felt.reshape(CELLS, SHARE, CELLS, SHARE, 3).mean((1, 3)).transpose(2, 0, 1)


def cam(pixels: Any) -> Any:
    """(K, h, w) by the formula of Zhou et al. (2016)."""
    return np.einsum("kc,chw->khw", HEAD, map_of(pixels))


def wide_map_of(pixels: Any) -> Any:
    """(5, h, w), in NumPy."""
    return np.maximum(np.einsum("dc,chw->dhw", WIDER, map_of(pixels)) + SHIFT[:, None, None], 0)


TAILS = {
    "mean": PLAIN,
    "axes from the end": ["mean = ReduceMean<keepdims=0>(map, positions_last)", LINEAR, SOFTMAX],
    "axes of a node": [
        "axes = Constant<value_ints=[2, 3]>()",
        "mean = ReduceMean<keepdims=0>(map, axes)",
        LINEAR,
        SOFTMAX,
    ],
    "global pool": ["pooled = GlobalAveragePool(map)", "mean = Flatten(pooled)", LINEAR, SOFTMAX],
    "axes kept": [
        "pooled = ReduceMean(map, positions)",
        "mean = Squeeze(pooled, positions)",
        LINEAR,
        SOFTMAX,
    ],
    "channels last": [
        "turned = Transpose<perm=[0, 2, 3, 1]>(map)",
        "mean = ReduceMean<keepdims=0>(turned, middle)",
        LINEAR,
        SOFTMAX,
    ],
    "tokens": [
        "row = Reshape(map, tokens)",
        "turned = Transpose<perm=[0, 2, 1]>(row)",
        "mean = ReduceMean<keepdims=0>(turned, second)",
        LINEAR,
        SOFTMAX,
    ],
    "averaged twice": [
        "one = GlobalAveragePool(map)",
        "flat = Flatten(one)",
        "other = ReduceMean<keepdims=0>(map, positions)",
        "both = Add(flat, other)",
        "mean = Mul(both, half)",
        LINEAR,
        SOFTMAX,
    ],
    "sigmoid": [PLAIN[0], LINEAR, "model_output = Sigmoid(logits)"],
    "behind a gate": [
        PLAIN[0],
        LINEAR,
        "ungated = Softmax<axis=-1>(logits)",
        "narrow = ReduceMax<keepdims=1>(logits, last)",
        "any_tag = Sigmoid(narrow)",
        "model_output = Mul(ungated, any_tag)",
    ],
    "logits alone": [PLAIN[0], "model_output = Gemm<transB=1>(mean, head, bias)"],
}


@pytest.mark.parametrize("steps", TAILS.values(), ids=TAILS.keys())
def test_with_a_linear_tail_it_is_the_class_activation_map(tmp_path: Path, steps: list[str]) -> None:
    maps = Activation(write(tmp_path, *steps)).maps(photo(), [RED, GREEN, BLUE])
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, cam(photo()), atol=1e-3)
    logits = HEAD @ map_of(photo()).mean((1, 2)) + BIAS
    np.testing.assert_allclose(maps.mean((1, 2)), logits - BIAS, atol=1e-3)


def test_tags_in_the_order_asked_for(tmp_path: Path) -> None:
    activation = Activation(write(tmp_path, *PLAIN))
    whole = activation.maps(photo(), [RED, GREEN, BLUE])
    assert np.array_equal(activation.maps(photo(), [BLUE, RED]), whole[[BLUE, RED]])
    assert activation.maps(photo(), []).shape == (0, CELLS, CELLS)


def test_a_graph_that_takes_bgr_gets_it(tmp_path: Path) -> None:
    activation = Activation(write(tmp_path, *PLAIN, bgr=True))
    np.testing.assert_allclose(
        activation.maps(photo(), [RED, GREEN, BLUE]), cam(photo()[..., ::-1]), atol=1e-3
    )


@pytest.mark.parametrize(
    "steps",
    [
        [UNIT],
        [  # as torch's exporter writes it: the number of rows is read from the pixels
            "rows = Shape<start=0, end=1>(data)",
            "length = ReduceL2<keepdims=1>(mean, second)",
            "wanted = Concat<axis=0>(rows, three)",
            "wide = Expand(length, wanted)",
            "unit = Div(mean, wide)",
            "logits = Gemm<transB=1>(unit, head, bias)",
        ],
    ],
    ids=["divided", "expanded"],
)
def test_lengths_are_held_fixed(tmp_path: Path, steps: list[str]) -> None:
    maps = Activation(write(tmp_path, PLAIN[0], *steps, SOFTMAX)).maps(photo(), [RED, GREEN, BLUE])
    length = np.linalg.norm(map_of(photo()).mean((1, 2)))
    np.testing.assert_allclose(maps, cam(photo()) / length, atol=2e-3)


def test_with_a_curved_tail_it_is_the_gradient(tmp_path: Path) -> None:
    import torch

    steps = [PLAIN[0], "bent = Tanh(mean)", "logits = Gemm<transB=1>(bent, head, bias)", SOFTMAX]
    maps = Activation(write(tmp_path, *steps)).maps(photo(), [RED, GREEN, BLUE])
    features = torch.tensor(map_of(photo()), dtype=torch.float64, requires_grad=True)
    logits = torch.from_numpy(HEAD).double() @ torch.tanh(features.mean((1, 2)))
    for tag, found in enumerate(maps):
        (slope,) = torch.autograd.grad(logits[tag], features, retain_graph=True)
        expected = (slope * features).sum(0).detach() * CELLS**2  # Grad-CAM, not rectified
        np.testing.assert_allclose(found, expected, atol=1e-3)


WIDE = ["seen_wide = Conv(map, wider, shift)", "wide = Relu(seen_wide)"]
JOINED = [
    *WIDE,
    "narrow_mean = ReduceMean<keepdims=0>(map, positions)",
    "pooled = GlobalAveragePool(wide)",
    "wide_mean = Flatten(pooled)",
]
JOINT = "logits = Gemm<transB=1>(mean, joint_head, bias)"


@pytest.mark.parametrize(
    "steps",
    [
        [*JOINED, "mean = Concat<axis=1>(narrow_mean, wide_mean)", JOINT],
        [
            *JOINED,
            "one = Gemm<transB=1>(narrow_mean, head, bias)",
            "other = Gemm<transB=1>(wide_mean, wide_head)",
            "logits = Add(one, other)",
        ],
        [
            *WIDE,
            "turned = Transpose<perm=[0, 2, 3, 1]>(wide)",
            "wide_mean = ReduceMean<keepdims=0>(turned, middle)",
            "pooled = GlobalAveragePool(map)",
            "narrow_mean = Flatten(pooled)",
            "mean = Concat<axis=1>(narrow_mean, wide_mean)",
            JOINT,
        ],
    ],
    ids=["joined", "added", "laid out differently"],
)
def test_maps_of_one_grid_are_taken_as_one(tmp_path: Path, steps: list[str]) -> None:
    maps = Activation(write(tmp_path, *steps, SOFTMAX)).maps(photo(), [RED, GREEN, BLUE])
    wide = wide_map_of(photo())
    np.testing.assert_allclose(maps, cam(photo()) + np.einsum("kd,dhw->khw", WIDE_HEAD, wide), atol=2e-3)
    logits = HEAD @ map_of(photo()).mean((1, 2)) + WIDE_HEAD @ wide.mean((1, 2)) + BIAS
    np.testing.assert_allclose(maps.mean((1, 2)), logits - BIAS, atol=2e-3)


def test_each_map_may_have_a_length_of_its_own(tmp_path: Path) -> None:
    steps = [
        *JOINED,
        "narrow_length = ReduceL2<keepdims=1>(narrow_mean, second)",
        "narrow_unit = Div(narrow_mean, narrow_length)",
        "wide_length = ReduceL2<keepdims=1>(wide_mean, second)",
        "wide_unit = Div(wide_mean, wide_length)",
        "mean = Concat<axis=1>(narrow_unit, wide_unit)",
        JOINT,
        SOFTMAX,
    ]
    maps = Activation(write(tmp_path, *steps)).maps(photo(), [RED, GREEN, BLUE])
    wide = wide_map_of(photo())
    expected = cam(photo()) / np.linalg.norm(map_of(photo()).mean((1, 2)))
    expected += np.einsum("kd,dhw->khw", WIDE_HEAD, wide) / np.linalg.norm(wide.mean((1, 2)))
    np.testing.assert_allclose(maps, expected, atol=2e-3)


def test_slopes_are_taken_near_the_average_where_the_map_of_larger_values_is_silent(tmp_path: Path) -> None:
    steps = [
        "green = Mul(map, green_alone)",
        "large = Mul(green, strong)",
        "large_mean = ReduceMean<keepdims=0>(large, positions)",
        "seen_green = Div(large_mean, strong)",
        "narrow_mean = ReduceMean<keepdims=0>(map, positions)",
        "bent = Tanh(narrow_mean)",
        "mean = Add(bent, seen_green)",
        LINEAR,
        SOFTMAX,
    ]
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[:, : SIZE // 2, RED] = 250
    pixels[:, SIZE // 2 :, GREEN] = 250
    maps = Activation(write(tmp_path, *steps)).maps(pixels, [RED, GREEN, BLUE])
    slopes = 1 - np.tanh(map_of(pixels).mean((1, 2))) ** 2 + np.array([0, 1, 0])
    np.testing.assert_allclose(maps, np.einsum("kc,c,chw->khw", HEAD, slopes, map_of(pixels)), atol=5e-3)


def test_nothing_seen_gives_nothing(tmp_path: Path) -> None:
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    assert not Activation(write(tmp_path, *PLAIN)).maps(grey, [RED]).any()


@pytest.mark.parametrize("tag", [RED, GREEN, BLUE])
def test_the_hottest_part_is_what_the_answer_rests_on(tmp_path: Path, tag: int) -> None:
    import onnxruntime

    activation = Activation(write(tmp_path, PLAIN[0], UNIT, SOFTMAX))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    chance = np.random.default_rng(tag)
    falls = {"hottest": [], "other": []}
    for _ in range(20):
        pixels = chance.integers(90, 130, (SIZE, SIZE, 3), np.uint8)
        top, left = chance.integers(0, SIZE - 8, 2)
        pixels[top : top + 8, left : left + 8, tag] = 250
        (heat,) = activation.maps(pixels, [tag])
        hottest = heat >= np.quantile(heat, 0.75)
        other = chance.permutation(hottest.ravel()).reshape(hottest.shape)
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert top - 4 < row * 4 < top + 8
        assert left - 4 < column * 4 < left + 8
        for name, part in (("hottest", hottest), ("other", other)):
            blank = np.where(part.repeat(4, 0).repeat(4, 1)[..., None], 110, pixels)
            data = np.stack([pixels, blank]).transpose(0, 3, 1, 2).astype(np.float32)
            before, after = session.run(["model_output"], {"data": data})[0][:, tag]
            falls[name].append(before - after)
    assert np.mean(falls["hottest"]) > 2 * abs(np.mean(falls["other"])) + 0.1


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["row = Flatten(map)", THREE], "past every"),
        (["top = GlobalMaxPool(map)", "mean = Flatten(top)"], "past every"),
        (
            ["lines = ReduceMean<keepdims=0>(map, three)", "mean = ReduceMax<keepdims=0>(lines, last)"],
            "positions",
        ),
        (
            [
                "rows = Shape<start=0, end=1>(data)",
                "number = Cast<to=1>(rows)",
                "once = ReduceMean<keepdims=0>(map, positions)",
                "mean = Mul(once, number)",
            ],
            "the average alone",
        ),
        (
            [
                "edge = Shape<start=3>(data)",
                "number = Cast<to=1>(edge)",
                "once = ReduceMean<keepdims=0>(map, positions)",
                "mean = Mul(once, number)",
            ],
            "ONNX Runtime refuses",
        ),
        (["flat = ReduceMean(map, second)", "row = Flatten(flat)", THREE], r"\(1, 3, 8, 8\)"),
        (
            [
                "a = ReduceMean<keepdims=0>(map, positions)",
                "b = ReduceMean<keepdims=0>(felt, positions)",
                "mean = Add(a, b)",
            ],
            "maps of 8 x 8 and 32 x 32 cells",
        ),
        (
            [
                "row = Reshape(map, tokens)",
                "turned = Transpose<perm=[0, 2, 1]>(row)",
                "short = Slice(turned, zero, odd, second)",
                "mean = ReduceMean<keepdims=0>(short, second)",
            ],
            r"\(1, 63, 3\)",
        ),
    ],
)
def test_networks_without_a_map_are_refused(tmp_path: Path, steps: list[str], reason: str) -> None:
    with pytest.raises(ServiceError, match=reason) as refused:
        Activation(write(tmp_path, *steps, LINEAR, SOFTMAX))
    assert (refused.value.code, refused.value.status) == ("BadRequestOperationNotSupported", 400)


@pytest.mark.parametrize("content", [None, b"not a graph"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    write(tmp_path, *PLAIN)
    (tmp_path / "model.onnx").unlink()
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ServiceError, match=r"model\.onnx cannot be read") as refused:
        Activation(tmp_path)
    assert refused.value.status == 500


def test_a_model_without_its_card(tmp_path: Path) -> None:
    (write(tmp_path, *PLAIN) / "model.json").unlink()
    with pytest.raises(TrainingError, match=r"model\.json"):
        Activation(tmp_path)


def test_memory_is_stated(tmp_path: Path) -> None:
    assert Activation(write(tmp_path, *PLAIN)).memory > (tmp_path / "model.onnx").stat().st_size
