"""The formats that there are, and which one a folder holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..enums import CategoryType
from ..enums.datasets import Format, Shapes
from ..errors import DatasetError
from .coco.layout import LOOKED_FOR, holds_coco
from .coco.reading import read_coco
from .coco.writing import CocoWriter
from .dataset import Dataset, DatasetCategory, Properties
from .files import appearing, read
from .writer import Writer, Written
from .yolo.reading import holds_yolo, read_yolo
from .yolo.writing import YoloWriter

_WRITERS: dict[Format, type[CocoWriter] | type[YoloWriter]] = {Format.Coco: CocoWriter, Format.Yolo: YoloWriter}


def find_format(folder: Path) -> Format:
    """Which format a folder holds; `DatasetError` if it is none, or cannot be told."""
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    found = [format_ for format_, holds in ((Format.Coco, holds_coco), (Format.Yolo, holds_yolo)) if holds(folder)]
    if len(found) > 1:
        raise DatasetError(f"{folder} could be {' or '.join(found)}; choose with --format")
    if not found:
        raise DatasetError(
            f"{folder} holds no data set: for COCO there should be {LOOKED_FOR}; "
            "for YOLO data.yaml, or <set>/<class>/ with images"
        )
    return found[0]


def read_dataset(folder: Path, format_: Format | None = None, *, shapes: Shapes = Shapes.Auto) -> Dataset:
    """The data set of a folder; `shapes` says what to take where COCO has both boxes and outlines."""
    match format_ or find_format(folder):
        case Format.Coco:
            return read_coco(folder, shapes=shapes)
        case Format.Yolo:
            return read_yolo(folder)


@contextmanager
def dataset_writer(
    folder: Path,
    format_: Format,
    categories: Sequence[DatasetCategory],
    properties: Properties | None = None,
    *,
    skip_unfit: bool = False,
    types: Collection[CategoryType] = tuple(CategoryType),
) -> Iterator[Writer]:
    """A writer for a folder that does not exist yet. It appears when the block ends, which must be after `finish`."""
    with appearing(folder) as aside:
        writer = _WRITERS[format_](aside, categories, properties, skip_unfit=skip_unfit, types=types)
        try:
            yield writer
        finally:
            writer.close()


def write_dataset(dataset: Dataset, folder: Path, format_: Format, *, skip_unfit: bool = False) -> Written:
    """Write a data set whose images are files."""
    with dataset_writer(folder, format_, dataset.categories, dataset.properties, skip_unfit=skip_unfit) as writer:
        for image in dataset.images:
            if image.file is None:
                raise DatasetError(f"image {image.id!r} has no file")
            writer.add(image, read(image.file, str(image.file)))
        return writer.finish()
