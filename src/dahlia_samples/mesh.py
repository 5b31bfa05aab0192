"""Surfaces in three dimensions: petals, cups and stems as coloured quadrilaterals.

Axes: x to the right, y down, z towards the viewer. A flower grows around its own z axis with a
radius near 1, and is then posed into the picture in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]
Profile = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Quadrilaterals with one colour each.

    Attributes:
        quads: (N, 4, 3) corners.
        colours: (N, 3) unlit RGB, 0 to 1.
        anchors: (N, 3) points whose depth decides what is drawn over what.
    """

    quads: Array
    colours: Array
    anchors: Array


@dataclass(frozen=True, slots=True)
class Petals:
    """The shapes of P petals around an axis; each value is one number or (P,) numbers.

    Lengths are in flower radii, angles in radians. `rise` is the elevation of the base above the
    flower's plane and `bend` what is added to it on the way to the tip; `cup` is the half angle of
    the rolled cross-section; `twist` turns the tip about the petal's own midline; `wave` is the
    height of the ripples of the edge.
    """

    azimuth: Array
    radius: ArrayLike
    height: ArrayLike
    length: ArrayLike
    width: ArrayLike
    rise: ArrayLike
    bend: ArrayLike = 0.0
    cup: ArrayLike = 0.3
    twist: ArrayLike = 0.0
    wave: ArrayLike = 0.0
    sway: ArrayLike = 0.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a flower stands in the picture: a rotation (3, 3), its centre (x, y, z) and scale in pixels."""

    rotation: Array
    centre: Array
    scale: float

    @property
    def axis(self) -> Array:
        """Unit vector (3,) in which the flower faces."""
        return np.asarray(self.rotation[:, 2])


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of all the quadrilaterals."""
    return Mesh(
        np.concatenate([mesh.quads for mesh in meshes]),
        np.concatenate([mesh.colours for mesh in meshes]),
        np.concatenate([mesh.anchors for mesh in meshes]),
    )


def from_grid(points: Array, colours: Array, *, flat_rows: bool = False) -> Mesh:
    """Make quadrilaterals of grids of points.

    Args:
        points: (P, U, V, 3) corners of P surfaces.
        colours: (P, U - 1, V - 1, 3), or what broadcasts to it.
        flat_rows: order each row as one piece, so that touching neighbours do not interlace.
    """
    quads = np.stack([points[:, :-1, :-1], points[:, 1:, :-1], points[:, 1:, 1:], points[:, :-1, 1:]], axis=3)
    wanted = (*quads.shape[:3], 3)
    anchors = quads.mean(axis=3)
    if flat_rows:
        anchors = np.broadcast_to(anchors.mean(axis=2, keepdims=True), wanted)
    painted = np.broadcast_to(colours, wanted).astype(np.float32)
    return Mesh(quads.reshape(-1, 4, 3), painted.reshape(-1, 3), anchors.reshape(-1, 3))


def cells(rows: int, columns: int) -> tuple[Array, Array]:
    """Centres of cells: along a petal (1, U, 1, 1), 0 to 1, and across it (1, 1, V, 1), -1 to 1."""
    along = ((np.arange(rows) + 0.5) / rows).astype(np.float32)
    across = ((np.arange(columns) + 0.5) / columns * 2 - 1).astype(np.float32)
    return along[None, :, None, None], across[None, None, :, None]


def petal_points(petals: Petals, profile: Profile, rows: int, columns: int) -> Array:
    """Corners (P, rows + 1, columns + 1, 3) of petals whose half width along them is `profile`."""
    along = np.linspace(0, 1, rows + 1, dtype=np.float32)[None, :, None]
    across = np.linspace(-1, 1, columns + 1, dtype=np.float32)[None, None, :]
    angle = _each(petals.rise) + _each(petals.bend) * along
    step = _each(petals.length) / rows
    reach = _each(petals.radius) + step * _running(np.cos(angle))
    lift = _each(petals.height) + step * _running(np.sin(angle))
    breadth = _each(petals.width) * profile(along)
    cup = np.maximum(np.abs(_each(petals.cup)), 1e-3) * np.sign(_each(petals.cup) + 1e-6)
    side = breadth * np.sin(cup * across) / cup
    up = breadth * (1 - np.cos(cup * across)) / cup
    azimuth = _each(petals.azimuth)
    ripple = np.sin(9 * along + 5 * azimuth + 1.5 * np.sign(across))
    up = up + _each(petals.wave) * across**2 * breadth * ripple
    turn = _each(petals.twist) * along
    side, up = side * np.cos(turn) - up * np.sin(turn), side * np.sin(turn) + up * np.cos(turn)
    side = side + _each(petals.sway) * along**2
    outward = reach - up * np.sin(angle)
    return np.stack(
        [
            outward * np.cos(azimuth) - side * np.sin(azimuth),
            outward * np.sin(azimuth) + side * np.cos(azimuth),
            np.broadcast_to(lift + up * np.cos(angle), side.shape),
        ],
        axis=3,
    ).astype(np.float32)


def revolve(radius: NDArray[np.floating], height: NDArray[np.floating]) -> Array:
    """Corners (1, U, V, 3) of a surface of revolution, from (U, V) radii and heights per angle."""
    angle = np.linspace(0, 2 * np.pi, radius.shape[1], dtype=np.float32)[None, :]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=2)[None].astype(np.float32)


def beads(centres: Array, radii: Array, colours: Array, sides: int = 5) -> Mesh:
    """Small domes facing +z: (N, 3) centres, (N,) radii and (N, 3) colours."""
    angle = np.linspace(0, 2 * np.pi, sides + 1, dtype=np.float32)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    levels = np.stack([ring * [1, 1, 0], ring * [0.6, 0.6, 0] + [0, 0, 0.7], ring * 0 + [0, 0, 0.95]])
    points = centres[:, None, None, :] + radii[:, None, None, None] * levels[None].astype(np.float32)
    shade = np.array([0.78, 1.08], np.float32)[None, :, None, None]
    return from_grid(points.astype(np.float32), colours[:, None, None, :] * shade)


def ribbon(path: Array, width: Array, colour: Array, strips: int = 5) -> Mesh:
    """A round stem along a path of (U, 3) pixels with (U,) half widths; darker towards its sides."""
    tangent = np.gradient(path[:, :2], axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
    normal = np.stack([-tangent[:, 1], tangent[:, 0], np.zeros(len(path))], axis=1)
    turn = np.linspace(-np.pi / 2, np.pi / 2, strips + 1)
    points = path[:, None] + width[:, None, None] * (
        np.sin(turn)[None, :, None] * normal[:, None] + np.cos(turn)[None, :, None] * np.array([0, 0, 1.0])
    )
    return from_grid(points[None].astype(np.float32), colour)


def rotation_to(axis: Array, roll: float) -> Array:
    """The rotation (3, 3) that turns z into `axis` after a roll about z, radians."""
    x, y, z = (float(value) for value in axis / np.sqrt(np.sum(axis**2)))
    cross = np.array([[0, 0, x], [0, 0, y], [-x, -y, 0]])
    turn = np.eye(3) + cross + turned(cross, cross.T) / (1 + max(z, -0.99))
    cosine, sine = np.cos(roll), np.sin(roll)
    rolled = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    return turned(turn, rolled).astype(np.float32)


def turned(points: Array, rotation: Array) -> Array:
    """The points (..., 3) times the transpose of the rotation (K, 3): (..., K)."""
    # Not a matrix product of BLAS: the order of its sums depends on where arrays lie in memory,
    # and the garden would differ from one environment to another.
    x, y, z = np.moveaxis(points[..., None, :] * rotation, -1, 0)
    return np.asarray(x + y + z)


def place(mesh: Mesh, pose: Pose) -> Mesh:
    """The mesh in pixels, with a mild perspective about the flower's centre."""
    quads = turned(mesh.quads, pose.rotation)
    quads[..., :2] *= 1 + 0.12 * quads[..., 2:]
    scale = np.float32(pose.scale)
    anchors = turned(mesh.anchors, pose.rotation) * scale + pose.centre
    return Mesh(quads * scale + pose.centre, mesh.colours, anchors)


def mix(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Array:
    """Blend from `first` to `second` by `share`, 0 to 1."""
    start, end = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return np.asarray(start + (end - start) * np.asarray(share, np.float32), np.float32)


def _each(value: ArrayLike) -> Array:
    return np.asarray(value, np.float32).reshape(-1, 1, 1)


def _running(steps: Array) -> Array:
    total = np.cumsum(steps, axis=1)
    return np.asarray(total - steps * 0.5 - steps[:, :1] * 0.5, np.float32)
