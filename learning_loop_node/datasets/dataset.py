"""A data set as plain data: categories, images, and what is marked in them.

Coordinates are pixels from the top-left corner of the upright image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ..enums import CategoryType

Number: TypeAlias = int | float
Properties: TypeAlias = dict[str, Any]

SETS = ("train", "val", "test")


@dataclass(kw_only=True, slots=True)
class DatasetCategory:
    """One kind of thing that is marked. `type` decides the geometry of its annotations; `color` is `#RRGGBB`."""

    id: str
    name: str
    type: CategoryType = CategoryType.Box
    description: str | None = None
    hotkey: str | None = None
    color: str | None = None
    point_size: int | None = None
    properties: Properties = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Box:
    """`x` and `y` are the top-left corner."""

    x: Number
    y: Number
    width: Number
    height: Number


@dataclass(kw_only=True, slots=True)
class Point:
    x: Number
    y: Number


@dataclass(kw_only=True, slots=True)
class Outline:
    """A polygon; its last corner is joined to the first."""

    points: list[tuple[Number, Number]]


@dataclass(kw_only=True, slots=True)
class Whole:
    """The whole image: a classification has no place in it."""


Geometry: TypeAlias = Box | Point | Outline | Whole

_TYPES: dict[type, CategoryType] = {
    Box: CategoryType.Box,
    Point: CategoryType.Point,
    Outline: CategoryType.Segmentation,
    Whole: CategoryType.Classification,
}


@dataclass(kw_only=True, slots=True)
class DatasetAnnotation:
    """Something marked in an image. The `id` is unique in the data set."""

    id: str
    category_id: str
    geometry: Geometry
    properties: Properties = field(default_factory=dict)

    @property
    def type(self) -> CategoryType:
        return _TYPES[type(self.geometry)]


@dataclass(kw_only=True, slots=True)
class DatasetImage:
    """An image. `name` is its original file name, `set` None if it belongs to none of train, val and test.

    `file` is where its content lies, for data sets that were read from a folder.
    """

    id: str
    width: int
    height: int
    name: str | None = None
    set: str | None = None
    state: str | None = None
    tags: list[str] = field(default_factory=list)
    source: str | None = None
    created: str | None = None
    properties: Properties = field(default_factory=dict)
    annotations: list[DatasetAnnotation] = field(default_factory=list)
    file: Path | None = field(default=None, compare=False)


class Images(Protocol):
    """Images that can be counted, and gone through again and again; a list, or a folder that is read as one goes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[DatasetImage]: ...


@dataclass(kw_only=True, slots=True)
class Dataset:
    """Categories in their order, and images. `notes` say what a reader left aside, each as a sentence."""

    categories: list[DatasetCategory]
    images: Images
    properties: Properties = field(default_factory=dict)
    notes: list[str] = field(default_factory=list, compare=False)
