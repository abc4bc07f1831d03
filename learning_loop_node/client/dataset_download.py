"""Fetches a project of the loop as a data set."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets import DatasetAnnotation, DatasetCategory, DatasetImage, Format, dataset_writer
from ..datasets.loop_records import annotation_of, image_of
from ..enums import CategoryType
from ..errors import DatasetError, NotFoundError
from ..runtime.threads import io_bound

if TYPE_CHECKING:
    from ..datasets import Writer, Written
    from .categories import StoredCategory
    from .images import ImageFilter, ImageRecord
    from .loop import LoopClient

AT_ONCE = 8
"""Images that are fetched at a time."""

DELETED_MEANWHILE = "images that were deleted meanwhile"
WITHOUT_CATEGORY = "annotations whose category is no longer in the project"


@dataclass(kw_only=True, slots=True)
class DatasetDownload:
    """Fetches the images that are `wanted`, in the order of their arrival, and of what is marked in them these `types`.

        await DatasetDownload(loop=LoopClient(http)).run(folder, Format.Coco)

    What the format cannot hold raises `DatasetError`, or with `skip_unfit` is left out and counted.
    """

    loop: LoopClient
    wanted: ImageFilter | None = None
    types: Collection[CategoryType] = tuple(CategoryType)
    skip_unfit: bool = False
    on_image: Callable[[], None] = lambda: None

    async def run(self, folder: Path, format_: Format) -> Written:
        """Write them into a folder that does not exist yet; it appears when it is complete."""
        project = await self.loop.projects.get(self.loop.context)
        categories = [_category(category) for category in project.categories]
        with dataset_writer(folder, format_, categories, skip_unfit=self.skip_unfit, types=self.types) as writer:
            return await self._write(categories, writer)

    async def _write(self, categories: Sequence[DatasetCategory], writer: Writer) -> Written:
        """Hand all images to the writer, one after the other."""
        skipped: Counter[str] = Counter()
        by_id = {category.id: category for category in categories}
        by_name = {category.name: category for category in categories}
        async for some in self._in_portions():
            contents = await asyncio.gather(*(self._content(record.id) for record in some))
            for record, content in zip(some, contents, strict=True):
                if content is None:
                    skipped[DELETED_MEANWHILE] += 1
                else:
                    await io_bound(writer.add, self._image(record, by_id, by_name, skipped), content)
                self.on_image()
        written = await io_bound(writer.finish)
        written.skipped += skipped
        return written

    async def _in_portions(self) -> AsyncIterator[list[ImageRecord]]:
        portion: list[ImageRecord] = []
        async for record in self.loop.images.find(self.wanted, fields="annotations"):
            portion.append(record)
            if len(portion) == AT_ONCE:
                yield portion
                portion = []
        if portion:
            yield portion

    async def _content(self, image_id: str) -> bytes | None:
        try:
            return await self.loop.images.content(image_id)
        except NotFoundError:
            return None

    def _image(
        self,
        record: ImageRecord,
        by_id: dict[str, DatasetCategory],
        by_name: dict[str, DatasetCategory],
        skipped: Counter[str],
    ) -> DatasetImage:
        annotations: list[DatasetAnnotation] = []
        for annotation in record.annotations:
            category = by_id.get(annotation.category_id or "") or by_name.get(annotation.category_name or "")
            if category is not None and category.type == annotation.kind:
                entry = annotation_of(annotation.id, category, annotation.geometry, annotation.properties)
                annotations.append(entry)
                continue
            if not self.skip_unfit:
                raise DatasetError(
                    f"image {record.id!r}: annotation {annotation.id!r} is a {annotation.kind} of the category "
                    f"{annotation.category_name!r}, which the project does not have; add it, or leave the annotation "
                    "out (--skip-unfit)"
                )
            skipped[WITHOUT_CATEGORY] += 1
        return image_of(record.data, annotations, width=int(record.width or 0), height=int(record.height or 0))


def _category(category: StoredCategory) -> DatasetCategory:
    return DatasetCategory(
        id=category.id,
        name=category.name,
        type=CategoryType(category.type or CategoryType.Box),
        description=category.description,
        hotkey=category.hotkey,
        color=category.color,
        point_size=category.point_size,
        properties=category.properties,
    )
