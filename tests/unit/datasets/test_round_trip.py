"""What a format holds comes back as it was; what it cannot hold is refused. Never anything else."""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_loop_node.datasets import Dataset, Format, dataset_writer, find_format, read_dataset
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


@pytest.mark.parametrize("format_", list(Format))
@settings(two_hundred, max_examples=100)
@given(dataset=datasets())
def test_anything_comes_back_as_it_was_or_is_refused(format_: Format, dataset: Dataset):
    result = there_and_back(dataset, format_)
    assert result is None or result == comparable(dataset)


def there_and_back(dataset: Dataset, format_: Format) -> dict[str, object] | None:
    """What is read of what was written, None if it was refused, or if it was said that numbers were rounded."""
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
        if ROUNDED in written.notes:
            return None
        return comparable(Dataset(categories=result.categories, images=images, properties=result.properties))
