"""What must hold for every data set, whatever the format: ids are unique, categories known, numbers finite."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ..data_classes import codec
from ..enums import ImageState
from ..errors import DatasetError, InvalidDataError, InvalidImageError, TooLargeError
from ..images import LARGEST_PIXELS, ImageHeader, read_header
from .dataset import SETS, Box, DatasetAnnotation, DatasetCategory, DatasetImage, Number, Outline, Point

_TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""


def check_categories(categories: Sequence[DatasetCategory]) -> None:
    """Raise `DatasetError` for ids that are not unique, and for empty names."""
    for id_, count in Counter(category.id for category in categories).items():
        if count > 1:
            raise DatasetError(f"{count} categories have the id {id_!r}; ids must be unique")
    for category in categories:
        if not category.id or not category.name:
            raise DatasetError(f"category {category.id!r} ({category.name!r}) needs an id and a name")
        check_json(f"category {category.id!r}", category)


def check_image(image: DatasetImage, categories: Mapping[str, DatasetCategory]) -> None:
    """Raise `DatasetError` for what no format could hold."""
    where = f"image {image.id!r}"
    if not image.id:
        raise DatasetError(f"image {image.name!r} has no id")
    if image.width < 1 or image.height < 1:
        raise DatasetError(f"{where} has no size ({image.width}×{image.height})")
    if image.set is not None and image.set not in SETS:
        raise DatasetError(f"{where}: set is {image.set!r}; it must be one of {', '.join(SETS)}")
    if image.state is not None and image.state not in list(ImageState):
        raise DatasetError(f"{where}: state is {image.state!r}; it must be one of {', '.join(ImageState)}")
    seen: set[str] = set()
    for annotation in image.annotations:
        inside = f"{where}, annotation {annotation.id!r}"
        category = categories.get(annotation.category_id)
        if category is None:
            raise DatasetError(f"{inside}: there is no category {annotation.category_id!r}")
        if category.type != annotation.type:
            raise DatasetError(f"{inside} is a {annotation.type}; its category {category.name!r} is of {category.type}")
        if annotation.id in seen:
            raise DatasetError(f"{inside}: another annotation has the same id")
        seen.add(annotation.id)
        check_geometry(inside, annotation)
    check_json(where, image)


def check_geometry(where: str, annotation: DatasetAnnotation) -> None:
    """Raise `DatasetError` for numbers that are not finite, and for sizes below zero."""
    match annotation.geometry:
        case Box(x=x, y=y, width=width, height=height):
            check_numbers(where, [x, y, width, height])
            if width < 0 or height < 0:
                raise DatasetError(f"{where}: a box cannot have the size {width}×{height}")
        case Point(x=x, y=y):
            check_numbers(where, [x, y])
        case Outline(points=points):
            check_numbers(where, [value for point in points for value in point])


def check_numbers(where: str, values: Sequence[Number]) -> None:
    for value in values:
        if not math.isfinite(value):
            raise DatasetError(f"{where}: {value} is no coordinate; it must be a finite number")


def check_json(where: str, value: object) -> None:
    try:
        codec.to_json(value)
    except InvalidDataError as error:
        raise DatasetError(f"{where} cannot be written: {error}") from error


def check_content(label: str, content: bytes, width: int | None, height: int | None) -> tuple[ImageHeader, int, int]:
    """What an image says of itself, and its upright size; `DatasetError` if another one is stated."""
    try:
        header = read_header(content, max_pixels=LARGEST_PIXELS)
    except (InvalidImageError, TooLargeError) as error:
        raise DatasetError(f"{label}: {error}") from error
    is_turned = header.orientation in _TURNED
    found = (header.height, header.width) if is_turned else (header.width, header.height)
    stated = (width or found[0], height or found[1])
    if stated != found:
        turned = f", turned upright by its EXIF orientation {header.orientation}" if is_turned else ""
        raise DatasetError(
            f"{label} has {found[0]}×{found[1]} pixels{turned}, but {stated[0]}×{stated[1]} are stated; "
            "correct the one or the other, since coordinates belong to one size"
        )
    return header, *found
