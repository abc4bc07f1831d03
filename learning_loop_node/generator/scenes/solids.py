"""Draws simple bodies by casting a ray through each pixel: cuboids, frustums (cylinders, cones, discs) and balls.

World coordinates: x to the right, y away from the viewer, z upwards. The camera looks down by `pitch` radians and sees
everything in the same size, however far away it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Paint = Callable[[int, Array, Array], Array]
"""Colours `(N, 3)`, 0 to 1, of places on a body, `(N,)` twice, on one of its faces.

Faces of a frustum: 0 is its side (the angle, then the height, both 0 to 1), 1 its top, 2 its bottom (x and y, -1 to 1).
Faces of a cuboid: 0 and 1 look along x, 2 and 3 along y, 4 and 5 along z (both coordinates 0 to 1). A ball has one.
"""

FAR = -1e9
AMBIENT = 0.42
INSIDE = 0.45
"""How much light comes into an open vessel."""

UPRIGHT: Array = np.eye(3)


def turned(yaw: float) -> Array:
    """Turned around the vertical axis, in radians."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def towards(direction: Array) -> Array:
    """Turned so that the own z axis points in this direction."""
    up = direction / np.linalg.norm(direction)
    aside = np.array([1.0, 0, 0]) if abs(up[0]) < 0.9 else np.array([0, 1.0, 0])
    across = np.cross(aside, up)
    across /= np.linalg.norm(across)
    return np.column_stack([np.cross(across, up), across, up])


class View:
    """A square picture of bodies, `side` pixels wide, that shows what is within `reach` of the origin.

    Call `cuboid`, `frustum` and `ball` in any order; then `pixels` and `is_hit` are what is seen.
    """

    def __init__(self, side: int, *, reach: float, pitch: float, light: tuple[float, float, float]) -> None:
        """`light` is where it comes from, as seen by the camera: from the right, from above, from the front."""
        self._side, self._reach = side, reach
        self._camera = np.array(
            [[1, 0, 0], [0, np.sin(pitch), np.cos(pitch)], [0, -np.cos(pitch), np.sin(pitch)]], np.float64
        )
        self._light = np.array(light) / np.linalg.norm(light)
        self._near = np.full((side, side), FAR, np.float32)
        self.pixels = np.zeros((side, side, 3), np.float32)

    @property
    def is_hit(self) -> NDArray[np.bool_]:
        """Where a body is seen, `(side, side)`."""
        return self._near > FAR

    def pixel_of(self, place: tuple[float, float, float]) -> tuple[float, float]:
        """Where a place of the world is in the picture: x and y in pixels from its top-left corner."""
        across, up, _ = self._camera @ place
        return (across / self._reach + 1) * self._side / 2, (1 - up / self._reach) * self._side / 2

    def cuboid(
        self,
        center: tuple[float, float, float],
        size: tuple[float, float, float],
        paint: Paint,
        pose: Array = UPRIGHT,
    ) -> None:
        """A body with six flat faces."""
        half = np.array(size) / 2
        window, starts, direction, to_camera = self._rays(center, float(np.linalg.norm(half)), pose)
        direction = np.where(np.abs(direction) < 1e-6, 1e-6, direction)
        entries = (-np.sign(direction) * half - starts) / direction
        exits = (np.sign(direction) * half - starts) / direction
        axis, entry = entries.argmax(axis=-1), entries.max(axis=-1)
        is_hit = entry < exits.min(axis=-1)
        places = (starts + entry[..., None] * direction) / (2 * half) + 0.5
        for number in range(3):
            normal = np.zeros(3)
            normal[number] = -np.sign(direction[number])
            u, v = (places[..., other] for other in range(3) if other != number)
            face = 2 * number + int(normal[number] > 0)
            self._put(window, is_hit & (axis == number), entry, to_camera @ normal, paint, face, u, v)

    def frustum(
        self,
        center: tuple[float, float, float],
        radii: tuple[float, float],
        height: float,
        paint: Paint,
        pose: Array = UPRIGHT,
        *,
        is_open: bool = False,
    ) -> None:
        """A round body, `radii` at its lower and its upper end; one can be looked into from above if it is open."""
        low, high = radii
        slope = (high - low) / height
        window, starts, direction, to_camera = self._rays(center, float(np.hypot(max(radii), height / 2)), pose)
        x, y, z = np.moveaxis(starts, -1, 0)
        dx, dy, dz = direction
        radius = low + slope * (z + height / 2)
        a = dx * dx + dy * dy - slope * slope * dz * dz
        a = a if abs(a) > 1e-6 else 1e-6
        b = x * dx + y * dy - slope * dz * radius
        root = b * b - a * (x * x + y * y - radius * radius)
        span = np.sqrt(np.maximum(root, 0)) / abs(a)
        for way in (-span, span):
            along = -b / a + way
            px, py, pz = x + along * dx, y + along * dy, z + along * dz
            around = np.hypot(px, py)
            is_hit = (root > 0) & (np.abs(pz) <= height / 2) & (around > 1e-6)
            outwards = np.stack([px, py, -slope * around], axis=-1) / np.maximum(around, 1e-6)[..., None]
            normals = (outwards / np.sqrt(1 + slope * slope)) @ to_camera.T
            angle = np.arctan2(py, px) / (2 * np.pi) + 0.5
            self._put(window, is_hit, along, normals, paint, 0, angle, pz / height + 0.5)
        for end, radius_there, face in ((1, high, 1), (-1, low, 2)):
            if (is_open and end > 0) or abs(dz) < 1e-6 or not radius_there:
                continue
            along = (end * height / 2 - z) / dz
            px, py = (x + along * dx) / radius_there, (y + along * dy) / radius_there
            normal = to_camera @ np.array([0, 0, end])
            self._put(window, px * px + py * py <= 1, along, normal, paint, face, px, py)

    def ball(self, center: tuple[float, float, float], radius: float, paint: Paint) -> None:
        """A ball; its paint gets the angle and the height, both 0 to 1."""
        window, starts, direction, to_camera = self._rays(center, radius, UPRIGHT)
        b = starts @ direction
        root = b * b - (starts**2).sum(axis=-1) + radius * radius
        along = -b - np.sqrt(np.maximum(root, 0))
        normals = (starts + along[..., None] * direction) / radius
        angle = np.arctan2(normals[..., 1], normals[..., 0]) / (2 * np.pi) + 0.5
        self._put(window, root > 0, along, normals @ to_camera.T, paint, 0, angle, normals[..., 2] / 2 + 0.5)

    def _rays(
        self, center: tuple[float, float, float], radius: float, pose: Array
    ) -> tuple[tuple[slice, slice], Array, Array, Array]:
        """The window that a body can be seen in; where the rays start and where they go, as the body sees it."""
        x, y = self.pixel_of(center)
        around = radius / self._reach * self._side / 2 + 1
        rows = slice(max(0, int(y - around)), min(self._side, int(y + around) + 1))
        columns = slice(max(0, int(x - around)), min(self._side, int(x + around) + 1))
        to_camera = self._camera @ pose
        across = ((np.arange(columns.start, columns.stop) + 0.5) * 2 / self._side - 1) * self._reach
        up = (1 - (np.arange(rows.start, rows.stop) + 0.5) * 2 / self._side) * self._reach
        places = np.zeros((len(up), len(across), 3))
        places[..., 0], places[..., 1] = across[None, :], up[:, None]
        starts = (places - self._camera @ center) @ to_camera
        return (rows, columns), starts, to_camera.T @ np.array([0.0, 0, -1]), to_camera

    def _put(
        self,
        window: tuple[slice, slice],
        is_hit: NDArray[np.bool_],
        along: Array,
        normals: Array,
        paint: Paint,
        face: int,
        u: Array,
        v: Array,
    ) -> None:
        """Draw what is nearer than what is there.

        `along` is how far each ray goes until it is hit, from the plane through the origin; `normals` are one for all
        or one each, as the camera sees them; `u` and `v` are what the paint gets.
        """
        nearness = -along
        near = self._near[window]
        chosen = is_hit & (nearness > near)
        if not chosen.any():
            return
        near[chosen] = nearness[chosen]
        if normals.ndim == 1:
            normals = np.broadcast_to(normals, (*chosen.shape, 3))
        facing = normals[chosen]
        is_inside = facing[:, 2] < 0
        facing = np.where(is_inside[:, None], -facing, facing)
        lit = np.maximum(facing @ self._light, 0)
        halfway = self._light + np.array([0, 0, 1])
        shine = np.maximum(facing @ (halfway / np.linalg.norm(halfway)), 0) ** 24
        light = (AMBIENT + 0.72 * lit) * np.where(is_inside, INSIDE, 1)
        self.pixels[window][chosen] = (
            paint(face, u[chosen], v[chosen]) * light[:, None] + (0.16 * shine * ~is_inside)[:, None]
        )
