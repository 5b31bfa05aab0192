"""From a mesh in pixels to a lit, antialiased layer with soft shadows, and layers onto a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dahlia_samples.mesh import Array, Mesh, turned

_EMPTY = -1e4


@dataclass(frozen=True, slots=True)
class Light:
    """Light of a scene.

    Attributes:
        direction: unit vector towards the sun (3,).
        sun: RGB, near 1.
        sky: RGB, near 1.
        ambient: the sky's share of the light, 0 to 1.
    """

    direction: Array
    sun: Array
    sky: Array
    ambient: float


@dataclass(frozen=True, slots=True)
class Layer:
    """A patch of a picture.

    Attributes:
        colour: (h, w, 3) RGB, premultiplied by alpha.
        alpha: (h, w), 0 to 1.
        left: column of the patch's first pixel in the picture; may be negative.
        top: row of the patch's first pixel in the picture; may be negative.
    """

    colour: Array
    alpha: Array
    left: int
    top: int


def render(mesh: Mesh, light: Light, frame: tuple[int, int], *, detail: int = 2, reach: float = 20) -> Layer:
    """Draw a mesh, nearest quadrilaterals last.

    Args:
        mesh: in pixels.
        light: where the light comes from.
        frame: height and width of the picture; what lies more than 4 `reach` outside is not drawn.
        detail: samples per pixel and axis.
        reach: pixels over which parts shade one another.
    """
    beyond = int(4 * reach)
    flat = mesh.quads[..., :2]
    low = np.maximum(np.floor(flat.min(axis=(0, 1))).astype(int) - 4, -beyond)
    high = np.minimum(np.ceil(flat.max(axis=(0, 1))).astype(int) + 4, np.array(frame[::-1]) + beyond)
    width, height = (int(edge) for edge in np.maximum(high - low, 1))
    buffer = _paint(mesh, _lit(mesh, light), low, (height * detail, width * detail), detail)
    covered = (buffer[..., 3] > 0).astype(np.float32)
    small = _shrunk(buffer, width, height)
    alpha = _shrunk(covered, width, height)
    depth = np.where(alpha > 0.05, small[..., 3] / np.maximum(alpha, 0.05), _EMPTY).astype(np.float32)
    shade = _shade(depth, light, reach)
    return Layer(_bounce(small[..., :3], shade), alpha, int(low[0]), int(low[1]))


def blur(layer: Layer, sigma: float) -> Layer:
    """The layer out of focus; `sigma` in pixels."""
    if sigma < 0.3:
        return layer
    pad = int(np.ceil(sigma * 2.5))
    stacked = np.dstack([layer.colour, layer.alpha])
    soft = soften(np.pad(stacked, ((pad, pad), (pad, pad), (0, 0))), sigma)
    return Layer(soft[..., :3], soft[..., 3], layer.left - pad, layer.top - pad)


def soften(picture: Array, sigma: float) -> Array:
    """Gaussian blur; wide ones are computed on a smaller picture."""
    if sigma < 0.3:
        return picture
    shrink = max(1, int(sigma / 2.5))
    height, width = picture.shape[:2]
    if shrink == 1 or min(height, width) < 4 * shrink:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
    small = cv2.GaussianBlur(_shrunk(picture, width // shrink, height // shrink), (0, 0), sigma / shrink)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def over(picture: Array, layer: Layer) -> None:
    """Put the layer onto the picture (H, W, 3) in place."""
    inside = _overlap(picture.shape[:2], layer)
    if inside is None:
        return
    rows, columns, patch = inside
    picture[rows, columns] *= (1 - layer.alpha[patch])[..., None]
    picture[rows, columns] += layer.colour[patch]


def cast(picture: Array, layer: Layer, light: Light, distance: float, strength: float) -> None:
    """Darken the picture in place where the layer, `distance` pixels above it, keeps the light off."""
    shadow = blur(Layer(layer.colour, layer.alpha, layer.left, layer.top), 1 + distance * 0.35)
    shift = -light.direction[:2] / max(float(light.direction[2]), 0.3) * distance
    moved = Layer(shadow.colour, shadow.alpha, shadow.left + int(shift[0]), shadow.top + int(shift[1]))
    inside = _overlap(picture.shape[:2], moved)
    if inside is not None:
        rows, columns, patch = inside
        picture[rows, columns] *= 1 - strength * moved.alpha[patch][..., None]


def coverage(layer: Layer, frame: tuple[int, int]) -> Array:
    """The layer's alpha as a picture of (H, W)."""
    full = np.zeros(frame, np.float32)
    inside = _overlap(frame, layer)
    if inside is not None:
        rows, columns, patch = inside
        full[rows, columns] = layer.alpha[patch]
    return full


def _shrunk(picture: Array, width: int, height: int) -> Array:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _overlap(frame: tuple[int, ...], layer: Layer) -> tuple[slice, slice, tuple[slice, slice]] | None:
    height, width = layer.alpha.shape
    top, left = max(layer.top, 0), max(layer.left, 0)
    bottom, right = min(layer.top + height, frame[0]), min(layer.left + width, frame[1])
    if bottom <= top or right <= left:
        return None
    patch = (slice(top - layer.top, bottom - layer.top), slice(left - layer.left, right - layer.left))
    return slice(top, bottom), slice(left, right), patch


def _lit(mesh: Mesh, light: Light) -> Array:
    first = mesh.quads[:, 2] - mesh.quads[:, 0]
    second = mesh.quads[:, 3] - mesh.quads[:, 1]
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    normal *= np.where(normal[:, 2:] < 0, -1, 1)
    facing = turned(normal, light.direction[None])[:, 0]
    # Petals are thin: light wraps around them, and about half of it passes through from behind.
    sun = np.maximum((facing + 0.5) / 1.5, -0.6 * facing)[:, None]
    sky = (0.72 + 0.28 * -normal[:, 1:2]) * light.ambient
    energy = (1 - light.ambient) * 1.3 * (0.1 + 0.9 * sun) * light.sun + sky * light.sky
    return np.asarray(mesh.colours * energy, np.float32)


def _paint(mesh: Mesh, colours: Array, low: np.ndarray, shape: tuple[int, int], detail: int) -> Array:
    buffer = np.zeros((*shape, 4), np.float32)
    depth = mesh.quads[..., 2].mean(axis=1)
    order = np.argsort(mesh.anchors[:, 2], kind="stable")
    corners = np.round((mesh.quads[order, :, :2] - low) * detail * 4).astype(np.int32)
    values = np.column_stack([colours, depth - depth.min() + 1])[order].tolist()
    for corner, value in zip(corners, values, strict=True):
        cv2.fillConvexPoly(buffer, corner, value, cv2.LINE_8, 2)
    return buffer


def _shade(depth: Array, light: Light, reach: float) -> Array:
    floor = np.where(depth > _EMPTY / 2, depth, 0).astype(np.float32)
    occluded = np.zeros_like(depth)
    for share in (0.12, 0.4):
        around = soften(floor, reach * share)
        occluded += np.clip((around - floor) / (reach * share * 2.2), 0, 0.5)
    slope = float(light.direction[2]) / max(float(np.hypot(*light.direction[:2])), 0.2)
    shadow = np.zeros_like(depth)
    for distance in (0.08, 0.18, 0.35, 0.6):
        run = distance * reach
        move = np.array([[1, 0, -light.direction[0] * run], [0, 1, -light.direction[1] * run]], np.float32)
        higher = cv2.warpAffine(floor, move, floor.shape[::-1], flags=cv2.INTER_LINEAR)
        shadow = np.maximum(shadow, np.clip((higher - floor - run * slope * 0.6) / (0.18 * reach), 0, 1))
    shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), max(0.6, reach * 0.03)), np.float32)
    direct = (1 - light.ambient) * 0.75
    return np.asarray((1 - 0.75 * occluded) * (1 - direct * shadow), np.float32)


def _bounce(colour: Array, shade: Array) -> Array:
    # Light between petals takes their colour: Jimenez et al. 2016, "Practical Realtime Strategies
    # for Accurate Indirect Occlusion", in its simplest form.
    dark = cv2.merge([shade, shade, shade])
    albedo = np.minimum(colour, np.float32(1))
    return np.asarray(colour * dark / (1 - 0.78 * albedo * (1 - dark)), np.float32)
