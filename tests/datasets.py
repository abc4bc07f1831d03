"""Data sets for tests: tiny pictures, random data sets, and how two of them are compared."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from learning_loop_node.datasets import Box, Dataset, DatasetAnnotation, DatasetCategory, DatasetImage, Outline, Whole
from learning_loop_node.datasets.dataset import Geometry, Point
from learning_loop_node.enums import CategoryType

Type = CategoryType


@cache
def png(width: int, height: int) -> bytes:
    """A black picture."""
    rows = zlib.compress((b"\0" + bytes((width + 7) // 8)) * height)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )


@contextmanager
def empty_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def put(folder: Path, files: dict[str, bytes | str]) -> Path:
    """Write these files, by their paths."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def comparable(dataset: Dataset) -> dict[str, Any]:
    """All of a data set, in an order that formats need not keep."""
    images = sorted(dataset.images, key=lambda image: image.id)
    for image in images:
        image.annotations = sorted(image.annotations, key=lambda annotation: annotation.id)
    return {"categories": dataset.categories, "properties": dataset.properties, "images": images}


# Random data sets

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_ID = st.one_of(st.uuids().map(str), st.integers(0, 2**40).map(str), _NAME, st.sampled_from(["1", "2", "3"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=4,
)
_FREE = st.dictionaries(_TEXT, _JSON, max_size=2)
_FOREIGN = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.integers(0, 5), st.integers(0, 2**53 - 1), _JSON),
        "fields": st.one_of(st.dictionaries(st.sampled_from(["id", "bbox", "iscrowd", "score", "name"]), _JSON), _JSON),
        "kept": _JSON,
        "license": st.one_of(st.fixed_dictionaries({"id": st.integers(1, 2), "name": st.sampled_from("ab")}), _JSON),
    },
)
_OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "object": st.one_of(st.sampled_from(["1", "2"]), _JSON),
        "ring": st.one_of(st.integers(0, 2), _JSON),
        "visible": st.one_of(st.sampled_from([1, 2]), _JSON),
        "coco": st.one_of(_FOREIGN, _JSON),
        "yolo": st.one_of(st.fixed_dictionaries({"geometry": _TEXT, "unlabelled": _JSON}), _JSON),
    },
)
_PROPERTIES = st.builds(lambda free, known: free | known, _FREE, _OBJECT)
_FILE_NAMES = st.one_of(
    st.none(),
    _TEXT,
    st.sampled_from(["a.jpg", "A.png", "a.png", "b/a.png", "../a.png", "images/a.png", "/a", "\0.png"]),
)


def coordinates(size: int, *, exact: bool) -> st.SearchStrategy[int | float]:
    """Inside of an image and, if `exact`, with no more decimals than YOLO keeps; else anything that JSON knows."""
    if not exact:
        return st.integers(-size, 2 * size) | st.floats(-1e6, 1e6) | st.floats(0, size)
    return st.integers(0, size) | st.integers(0, size * 10**6).map(lambda value: value / 10**6)


@st.composite
def datasets(draw: st.DrawFn, types: Iterable[CategoryType] = tuple(Type), *, exact: bool = False) -> Dataset:
    """Random data sets; what is `exact` fits into YOLO, too, if there is a task for `types`."""
    categories = draw(_categories(list(types), exact))
    ids = draw(st.lists(_ID, max_size=4, unique=True))
    return Dataset(
        categories=categories,
        images=[draw(_images(id_, categories, exact)) for id_ in ids],
        properties=draw(_PROPERTIES),
    )


@st.composite
def _categories(draw: st.DrawFn, types: list[CategoryType], exact: bool) -> list[DatasetCategory]:
    found: list[DatasetCategory] = []
    names = _NAME.filter(str.isalnum) if exact and types == [Type.Classification] else _NAME
    given = draw(st.lists(names, max_size=4, unique_by=str.casefold))
    for id_, name in zip(draw(st.lists(_ID, min_size=4, max_size=4, unique=True)), given, strict=False):
        category = DatasetCategory(
            id=id_,
            name=name,
            type=draw(st.sampled_from(types)),
            description=draw(st.none() | _TEXT),
            hotkey=draw(st.none() | st.sampled_from("abc")),
            color=draw(st.none() | st.just("#FF00FF")),
            point_size=draw(st.none() | st.integers(1, 50)),
            properties=draw(_PROPERTIES),
        )
        owners = [owner for owner in found if owner.type in (Type.Box, Type.Segmentation)]
        if category.type == Type.Point and owners and draw(st.booleans()):
            owner = draw(st.sampled_from(owners))
            owner.properties.setdefault("keypoints", ["nose", "tail"])
            category.properties |= {"keypoint_of": owner.id, "keypoint": draw(st.integers(0, 2))}
        found.append(category)
    return found


@st.composite
def _images(draw: st.DrawFn, id_: str, categories: list[DatasetCategory], exact: bool) -> DatasetImage:
    image = DatasetImage(
        id=id_,
        width=draw(st.integers(1, 300)),
        height=draw(st.integers(1, 300)),
        name=draw(_FILE_NAMES),
        set=draw(st.sampled_from(["train", "val", "test", None])),
        state=draw(st.sampled_from([None, "inbox", "complete"])),
        tags=draw(st.lists(_TEXT, max_size=2)),
        source=draw(st.none() | _TEXT),
        created=draw(st.none() | _TEXT),
        properties=draw(_PROPERTIES),
    )
    one = exact and any(category.type == Type.Classification for category in categories)
    for annotation_id in draw(st.lists(_ID, min_size=one, max_size=1 if one else 5, unique=True)) if categories else []:
        category = draw(st.sampled_from(categories))
        image.annotations.append(
            DatasetAnnotation(
                id=annotation_id,
                category_id=category.id,
                geometry=draw(_geometries(CategoryType(category.type), image, exact)),
                properties=draw(_PROPERTIES),
            )
        )
    return image


@st.composite
def _geometries(draw: st.DrawFn, type_: CategoryType, image: DatasetImage, exact: bool) -> Geometry:
    xs, ys = (coordinates(size, exact=exact) for size in (image.width, image.height))
    match type_:
        case Type.Box:
            if not exact:
                return Box(x=draw(xs), y=draw(ys), width=abs(draw(xs)), height=abs(draw(ys)))
            (left, right), (top, bottom) = (sorted([draw(values), draw(values)]) for values in (xs, ys))
            return Box(x=left, y=top, width=round(right - left, 6), height=round(bottom - top, 6))
        case Type.Point:
            return Point(x=draw(xs), y=draw(ys))
        case Type.Segmentation:
            return Outline(points=draw(st.lists(st.tuples(xs, ys), min_size=3 if exact else 1, max_size=6)))
        case _:
            return Whole()


def content_of(image: DatasetImage) -> bytes:
    return png(image.width, image.height)
