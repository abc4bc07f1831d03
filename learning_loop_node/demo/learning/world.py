"""The world of the demo: scenes of which the demo knows the truth, and the loop and its nodes only the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...data_classes import Category
from ...enums import CategoryType
from ...generator.scenes.labelled import LabelledScene, SceneRecipe, labelled_scene
from ...images import encode_jpeg
from .plan import LearningPlan

QUALITY = 92
CAMERAS = 24
"""So many cameras look at the world. A camera does not keep what it has just seen, and each scene is another place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A picture of a scene, as a camera sends it."""

    name: str
    camera: str
    jpeg: bytes
    scene: LabelledScene

    def labels(self) -> dict[CategoryType, list[dict[str, Any]]]:
        """What a human would label in it, by kind, as a loop takes it: the category, and where."""
        boxes: list[dict[str, Any]] = []
        points: list[dict[str, Any]] = []
        for thing in self.scene.things:
            category = {"category_id": thing.category.id, "category_name": thing.category.name}
            if thing.category.type == CategoryType.Point:
                points.append(category | {"x": thing.center[0], "y": thing.center[1]})
            else:
                boxes.append(category | dict(zip(("x", "y", "width", "height"), thing.box, strict=True)))
        return {CategoryType.Box: boxes, CategoryType.Point: points}


class World:
    """All shots of a plan. They are drawn when they are first asked for."""

    def __init__(self, plan: LearningPlan) -> None:
        self._plan = plan
        self.recipe = SceneRecipe(difficulty=plan.difficulty)

    @property
    def categories(self) -> list[Category]:
        return list(self.recipe.categories)

    @cached_property
    def first(self) -> list[Shot]:
        return list(self._shots("first", 0, self._plan.first))

    @cached_property
    def test(self) -> list[Shot]:
        return list(self._shots("test", 1, self._plan.test))

    @cached_property
    def held_out(self) -> list[Shot]:
        return list(self._shots("held_out", 2, self._plan.held_out))

    @cached_property
    def met(self) -> list[Shot]:
        return list(self._shots("met", 3, self._plan.met))

    def _shots(self, name: str, part: int, count: int) -> Iterator[Shot]:
        for number in range(count):
            scene = labelled_scene(self.recipe, seed=(self._plan.seed * 10 + part) * 100_000 + number)
            yield Shot(
                name=f"{name}-{number:04d}",
                camera=f"camera-{number % CAMERAS + 1}",
                jpeg=encode_jpeg(scene.pixels, quality=QUALITY),
                scene=scene,
            )
