"""What labelled scenes are to be like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...data_classes import Category
from ...enums import CategoryType
from ...errors import InvalidDataError
from .looks import LOOKS

CATEGORIES = (
    Category(id="crate", name="crate", type=CategoryType.Box, color="#C98B3A"),
    Category(id="drum", name="drum", type=CategoryType.Box, color="#2F6FDE"),
    Category(id="bucket", name="bucket", type=CategoryType.Box, color="#2FA866"),
    Category(id="cone", name="cone", type=CategoryType.Box, color="#F2661B"),
    Category(id="marker", name="marker", type=CategoryType.Point, color="#D62FB4", point_size=8),
)
"""Four kinds of boxes, of which cones are rare by default, and the middle of survey markers."""

BALANCE = {"cone": 0.3}

SMALLEST_SIDE, LARGEST_SIDE = 32, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRecipe:
    """What scenes are like. With `difficulty` (0 to 1) there is more of everything that makes them hard.

    That is: smaller and more things, seen from higher above, tilted, one in front of the other, cut off by the edge;
    more things that only resemble them; light, blur and noise.

    `categories` are named after the looks `crate`, `drum`, `bucket`, `cone`, `marker`; their types say how they are
    marked. `balance` says how often each appears, by name, in proportion (1 where it says nothing). `things` and
    `resembling` are the fewest and the most in a scene; None leaves that to the difficulty. What is visible by less
    than `least_visible` (0 to 1) has no label, nor has a point that is hidden itself. `size` is width and height.
    Without photographs, things stand in drawn landscapes; so they do where scikit-image is not installed.
    """

    categories: Sequence[Category] = CATEGORIES
    size: tuple[int, int] = (320, 240)
    difficulty: float = 0.5
    balance: Mapping[str, float] = field(default_factory=lambda: dict(BALANCE))
    things: tuple[int, int] | None = None
    resembling: tuple[int, int] | None = None
    least_visible: float = 0.3
    has_photographs: bool = True

    def __post_init__(self) -> None:
        names = [category.name for category in self.categories]
        for category in self.categories:
            if category.name not in LOOKS:
                raise InvalidDataError(f"categories: {category.name!r} has no look; there are {', '.join(LOOKS)}")
            if category.type not in (CategoryType.Box, CategoryType.Point, CategoryType.Segmentation):
                raise InvalidDataError(f"categories: {category.name} must be box, point or segmentation")
        if len(set(names)) < len(names):
            raise InvalidDataError("categories: each may be there once only")
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in self.size):
            raise InvalidDataError(
                f"size: both sides must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, not {self.size}"
            )
        for name, share in (("difficulty", self.difficulty), ("least_visible", self.least_visible)):
            if not 0 <= share <= 1:
                raise InvalidDataError(f"{name}: must be from 0 to 1, not {share}")
        for name, numbers in (("things", self.things), ("resembling", self.resembling)):
            if numbers is not None and not 0 <= numbers[0] <= numbers[1]:
                raise InvalidDataError(f"{name}: must be the fewest and the most, not {numbers}")
        if unknown := set(self.balance) - set(LOOKS):
            raise InvalidDataError(f"balance: {', '.join(sorted(unknown))} are no looks; there are {', '.join(LOOKS)}")
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.balance.values()):
            raise InvalidDataError("balance: must be 0 or more each")
        if self.categories and not sum(self.weights):
            raise InvalidDataError("balance: at least one category must be more than 0")

    @property
    def weights(self) -> list[float]:
        """How often each category appears, in proportion."""
        return [float(self.balance.get(category.name, 1.0)) for category in self.categories]

    @property
    def thing_range(self) -> tuple[int, int]:
        """The fewest and the most things in a scene."""
        if not self.categories:
            return 0, 0
        return self.things or (1 + round(self.difficulty), 3 + round(4 * self.difficulty))

    @property
    def resembling_range(self) -> tuple[int, int]:
        """The fewest and the most things that only resemble them."""
        return self.resembling or (round(self.difficulty), 1 + round(4 * self.difficulty))
