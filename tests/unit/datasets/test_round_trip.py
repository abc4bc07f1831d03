"""What a format holds comes back as it was; what it cannot hold is refused. Never anything else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_loop_node.datasets import Box, Dataset, Format, Outline, dataset_writer, find_format, read_dataset
from learning_loop_node.datasets.dataset import Geometry, Point
from learning_loop_node.enums import CategoryType as Type
from learning_loop_node.errors import DatasetError
from tests.datasets import comparable, content_of, datasets, empty_folder

two_hundred = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
ROUNDED = "annotations have coordinates rounded to a millionth of a pixel"
TASKS = st.sampled_from([[Type.Box], [Type.Segmentation], [Type.Point], [Type.Box, Type.Point], [Type.Classification]])


@two_hundred
@given(dataset=datasets(exact=True))
def test_coco_holds_everything(dataset: Dataset):
    assert there_and_back(dataset, Format.Coco) == comparable(dataset)


@two_hundred
@given(dataset=TASKS.flatmap(lambda types: datasets(types, exact=True)))
def test_yolo_holds_one_kind(dataset: Dataset):
    assert there_and_back(dataset, Format.Yolo) == comparable(dataset)


@settings(two_hundred, max_examples=100)
@given(dataset=TASKS.flatmap(lambda types: datasets(types, exact=True)), factor=st.floats(0.1, 1))
def test_yolo_rounds_to_a_millionth_of_a_pixel(dataset: Dataset, factor: float):
    for image in dataset.images:
        for annotation in image.annotations:
            annotation.geometry = smaller(annotation.geometry, factor)
    assert there_and_back(dataset, Format.Yolo) == comparable(dataset)


@pytest.mark.parametrize("format_", list(Format))
@settings(two_hundred, max_examples=100)
@given(dataset=datasets())
def test_anything_comes_back_as_it_was_or_is_refused(format_: Format, dataset: Dataset):
    result = there_and_back(dataset, format_)
    assert result is None or result == comparable(dataset)


@pytest.mark.parametrize(
    ("found", "is_close"),
    [
        pytest.param(Box(x=1, y=2.0000009, width=3, height=4), True, id="within a millionth"),
        pytest.param(Box(x=1, y=2.0000011, width=3, height=4), False, id="farther away"),
        pytest.param(Point(x=1, y=2), False, id="another kind"),
    ],
)
def test_which_geometry_counts_as_rounded(found: Geometry, is_close: bool):
    before = Box(x=1, y=2, width=3, height=4)
    assert almost(found, before) == (before if is_close else found)


def there_and_back(dataset: Dataset, format_: Format) -> dict[str, Any] | None:
    """What is read of what was written, None if it was refused.

    Where it is said that numbers were rounded, coordinates within a millionth of a pixel count as they were.
    """
    with empty_folder() as folder:
        there, said = folder / "there", ""
        try:
            with dataset_writer(there, format_, dataset.categories, dataset.properties) as writer:
                for image in copy.deepcopy(list(dataset.images)):
                    writer.add(image, content_of(image))
                written = writer.finish()
        except DatasetError as error:
            said = str(error)
        if not there.exists():
            assert said
            assert not list(folder.iterdir())
            return None
        assert find_format(there) == format_
        result = read_dataset(there)
        assert written.images == len(result.images) == len(dataset.images)
        images = list(result.images)
        assert all(image.file is not None and image.file.read_bytes() == content_of(image) for image in images)
        assert sum(written.annotations.values()) == sum(len(image.annotations) for image in images)
        assert not written.skipped
        found = comparable(Dataset(categories=result.categories, images=images, properties=result.properties))
        if ROUNDED in written.notes:
            expected = comparable(copy.deepcopy(dataset))
            for image, same in zip(found["images"], expected["images"], strict=True):
                for annotation, before in zip(image.annotations, same.annotations, strict=True):
                    annotation.geometry = almost(annotation.geometry, before.geometry)
        return found


def almost(found: Geometry, before: Geometry) -> Geometry:
    """The one before, if what was found is it within a millionth of a pixel, else what was found."""
    numbers, others = coordinates_of(found), coordinates_of(before)
    is_close = type(found) is type(before) and len(numbers) == len(others)
    return before if is_close and numbers == pytest.approx(others, rel=0, abs=1.000001e-6) else found


def smaller(geometry: Geometry, factor: float) -> Geometry:
    """The same nearer to the top-left corner, with as many decimals as that takes."""
    match geometry:
        case Box(x=x, y=y, width=width, height=height):
            return Box(x=x * factor, y=y * factor, width=width * factor, height=height * factor)
        case Point(x=x, y=y):
            return Point(x=x * factor, y=y * factor)
        case Outline(points=points):
            return Outline(points=[(x * factor, y * factor) for x, y in points])
        case _:
            return geometry


def coordinates_of(geometry: Geometry) -> list[float]:
    match geometry:
        case Box():
            return [geometry.x, geometry.y, geometry.width, geometry.height]
        case Point():
            return [geometry.x, geometry.y]
        case Outline():
            return [value for point in geometry.points for value in point]
        case _:
            return []
