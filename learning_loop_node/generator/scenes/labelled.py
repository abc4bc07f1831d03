"""Labelled scenes to learn from: things that a robot meets, on floors and photographs, with labels exact to the pixel.

`labelled_scene(SceneRecipe(difficulty=0.3), seed=7)` is always the same picture. Needs OpenCV, and scikit-image for the
photographs; without the latter, things stand in drawn landscapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data_classes import (
    BoxAnnotation,
    Category,
    Point,
    PointAnnotation,
    SegmentationAnnotation,
    Shape,
)
from ...enums import CategoryType
from ...geometry.polygons import outlines, signed_area
from .drawing import Drawn, draw
from .exposure import exposed
from .places import ground
from .recipe import SceneRecipe
from .staging import in_front, staged

__all__ = ["Annotation", "LabelledScene", "LabelledThing", "SceneRecipe", "labelled_scene", "labelled_scenes"]

Pixels = NDArray[np.uint8]
Owners = NDArray[np.uint16]
Mask = NDArray[np.bool_]

FEWEST_PIXELS = 12
"""What shows less of itself has no label."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledThing:
    """A thing in a scene, as far as it is visible; all in pixels.

    `x`, `y`, `width` and `height` are the bounds of its visible pixels, which `mask` (`height` × `width`) shows.
    `center` is the middle of the box; for point categories it is the point, which then is visible. `visible` is the
    share of the thing that neither others nor the picture's edges hide.
    """

    category: Category
    x: int
    y: int
    width: int
    height: int
    center: tuple[float, float]
    visible: float
    mask: Mask

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width and height."""
        return self.x, self.y, self.width, self.height

    def polygons(self) -> list[NDArray[np.float64]]:
        """Outlines of the visible parts, clockwise, and of holes in them; filled one over the other: the mask."""
        return [corners + np.array([self.x, self.y]) for corners in outlines(self.mask)]

    def polygon(self) -> NDArray[np.float64]:
        """The outline of the largest visible part, `(N, 2)`, without holes."""
        return max(self.polygons(), key=signed_area)


Annotation = BoxAnnotation | PointAnnotation | SegmentationAnnotation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledScene:
    """A picture, `pixels` as height × width × 3 RGB bytes, and the things in it, the farthest first."""

    recipe: SceneRecipe
    seed: int
    pixels: Pixels
    things: tuple[LabelledThing, ...]

    def to_annotations(self, image_id: str = "") -> list[Annotation]:
        """What a person would label, as the loop takes it; outlines get ids made of the image's and a number."""
        return [_annotation(thing, image_id, number) for number, thing in enumerate(self.things)]


def labelled_scenes(recipe: SceneRecipe, count: int, *, first_seed: int = 0) -> Iterator[LabelledScene]:
    """Scenes with consecutive seeds."""
    return (labelled_scene(recipe, seed) for seed in range(first_seed, first_seed + count))


def labelled_scene(recipe: SceneRecipe, seed: int) -> LabelledScene:
    """The scene of this number; always the same for the same recipe."""
    for_ground, for_stage, for_camera = np.random.default_rng([seed, 6]).spawn(3)
    canvas, horizon = ground(for_ground, recipe.size, has_photographs=recipe.has_photographs)
    props = staged(for_stage, recipe, horizon)
    owners = np.zeros(canvas.shape[:2], np.uint16)  # 0: nobody; otherwise whose pixel it is
    drawn = [draw(canvas, owners, prop, number) for number, prop in enumerate(props, 1)]
    for number, prop in enumerate(in_front(for_stage, recipe, props), len(props) + 1):
        draw(canvas, owners, prop, number)
    pixels = exposed(for_camera, canvas, recipe.difficulty)
    by_name = {category.name: category for category in recipe.categories}
    found = (
        _labelled(recipe, by_name[prop.name], owners, number, there)
        for number, (prop, there) in enumerate(zip(props, drawn, strict=True), 1)
        if prop.name in by_name
    )
    return LabelledScene(recipe=recipe, seed=seed, pixels=pixels, things=tuple(thing for thing in found if thing))


def _labelled(
    recipe: SceneRecipe, category: Category, owners: Owners, number: int, drawn: Drawn
) -> LabelledThing | None:
    """The label of a thing, if enough of it is visible."""
    x0, y0, x1, y1 = drawn.window
    mask = owners[y0:y1, x0:x1] == number
    pixel_count = int(np.count_nonzero(mask))
    if pixel_count < FEWEST_PIXELS or pixel_count < recipe.least_visible * drawn.pixel_count:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    center = (x0 + (left + right) / 2, y0 + (top + bottom) / 2)
    if category.type == CategoryType.Point:
        center = drawn.middle
        across, down = math.floor(center[0]), math.floor(center[1])
        if not (0 <= down < owners.shape[0] and 0 <= across < owners.shape[1] and owners[down, across] == number):
            return None
    return LabelledThing(
        category=category,
        x=x0 + left,
        y=y0 + top,
        width=right - left,
        height=bottom - top,
        center=center,
        visible=pixel_count / drawn.pixel_count,
        mask=mask[top:bottom, left:right],
    )


def _annotation(thing: LabelledThing, image_id: str, number: int) -> Annotation:
    name, category_id = thing.category.name, thing.category.id
    match thing.category.type:
        case CategoryType.Point:
            x, y = thing.center
            return PointAnnotation(category_name=name, category_id=category_id, x=round(x, 2), y=round(y, 2))
        case CategoryType.Segmentation:
            points = [Point(x=x, y=y) for x, y in thing.polygon().astype(int).tolist()]
            return SegmentationAnnotation(
                id=f"{image_id}/{number}", shape=Shape(points=points), image_id=image_id, category_id=category_id
            )
        case _:
            return BoxAnnotation(
                category_name=name,
                category_id=category_id,
                x=thing.x,
                y=thing.y,
                width=thing.width,
                height=thing.height,
            )
