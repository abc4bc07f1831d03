"""Puts a data set into a project of the loop."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ..datasets.files import read
from ..datasets.loop_records import (
    LARGEST_PROPERTIES_BYTES,
    are_small,
    is_public_id,
    key_of,
    metadata_of,
    with_small_properties,
)
from ..enums import ImageState
from ..errors import DatasetError, InvalidRequestError, LoopRefusedError, NotFoundError, RefusedError
from ..runtime.threads import io_bound
from .category_match import as_new, match_categories
from .images import BYTES_PER_UPLOAD, IMAGES_PER_UPLOAD, NewImage, StoredImage

if TYPE_CHECKING:
    from ..datasets import Dataset, DatasetImage, Images
    from .loop import LoopClient

AT_ONCE = 3
"""Requests on their way at a time."""

TOO_LARGE = f"properties larger than a loop keeps ({LARGEST_PROPERTIES_BYTES // 1024} KiB of JSON)"


@dataclass(kw_only=True, slots=True)
class Imported:
    """What became of a data set. `annotations` are those of the images that were sent now; images that were there
    already stay as they are, also the `deleted` ones, of which these are the ids. `skipped` says what was left out, by
    reason, and `notes` what a reader left aside.
    """

    images: int = 0
    sent: int = 0
    there_already: int = 0
    deleted: list[str] = field(default_factory=list)
    annotations: Counter[str] = field(default_factory=Counter)
    categories_created: int = 0
    categories_matched: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class DatasetUpload:
    """`create` allows to make the project and categories; `new_ids` lets the loop choose the ids of images and
    annotations; `skip_unfit` leaves out what the loop cannot hold; `state` is for images that have none of their own.

        await DatasetUpload(loop=LoopClient(http), create=True).run(read_dataset(folder))

    `result` grows while it runs.
    """

    loop: LoopClient
    create: bool = False
    new_ids: bool = False
    skip_unfit: bool = False
    state: str | None = None
    tags: Sequence[str] = ()
    on_checked: Callable[[], None] = lambda: None
    on_image: Callable[[], None] = lambda: None
    result: Imported = field(default_factory=Imported)

    async def run(self, dataset: Dataset) -> Imported:
        """Check all of it first, then send it. Doing it again sends what is missing."""
        self.result = Imported(notes=list(dataset.notes))
        used = await io_bound(self._check, dataset)
        categories = await self._categories(dataset, used)
        batches = _batches(dataset.images)
        while some := await io_bound(lambda: list(islice(batches, AT_ONCE))):
            outcomes = await asyncio.gather(*(self._send(batch, categories) for batch in some), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        return self.result

    def _check(self, dataset: Dataset) -> set[str]:
        """Go through everything once, so that a mistake at the end is found before the beginning is sent."""
        used: set[str] = set()
        for image in dataset.images:
            used.update(annotation.category_id for annotation in image.annotations)
            self._check_properties(image)
            self.on_checked()
        return used

    def _check_properties(self, image: DatasetImage) -> None:
        where = f"image {image.id!r}"
        things = {where: image} | {f"{where}, annotation {entry.id!r}": entry for entry in image.annotations}
        for place, thing in things.items():
            if are_small(thing.properties):
                continue
            if not self.skip_unfit:
                raise DatasetError(f"{place} has {TOO_LARGE}; make them smaller, or leave them out (--skip-unfit)")
            self.result.skipped[TOO_LARGE] += 1

    async def _categories(self, dataset: Dataset, used: set[str]) -> dict[str, tuple[str, str]]:
        context = self.loop.context
        try:
            there = list((await self.loop.projects.get(context)).categories)
        except NotFoundError as error:
            if not self.create:
                place = f"{context.organization}/{context.project}"
                raise NotFoundError(f"there is no project {place}; --create makes it") from error
            there = list((await self.loop.projects.create(context)).categories)
        matches = match_categories(dataset.categories, there, used)
        self.result.notes += matches.notes
        self.result.categories_matched = len(matches.known)
        known = dict(matches.known)
        if matches.missing and not self.create:
            names = ", ".join(f"{category.name} ({category.type})" for category in matches.missing[:10])
            more = f" and {len(matches.missing) - 10} more" if len(matches.missing) > 10 else ""
            raise DatasetError(
                f"{context.organization}/{context.project} lacks the categories {names}{more}; --create makes them"
            )
        taken = {category.id for category in there}
        for category in matches.missing:  # one after the other, since a keypoint names the id of what it belongs to
            ids = {key: id_ for key, (id_, _) in known.items()}
            (made,) = await self.loop.categories.add(as_new(category, ids, taken))
            known[category.id] = made.id, made.name
            taken.add(made.id)
        self.result.categories_created = len(matches.missing)
        return known

    async def _send(self, batch: Sequence[tuple[DatasetImage, bytes]], categories: dict[str, tuple[str, str]]) -> None:
        keys = [key_of(image, content) for image, content in batch]
        there = await self._there_already([image for image, _ in batch])
        new: list[NewImage] = []
        images: list[DatasetImage] = []
        for (image, content), key in zip(batch, keys, strict=True):
            self.result.images += 1
            if key in there:
                self.result.there_already += 1
                self.on_image()
                continue
            state = self.state or (ImageState.Complete if image.annotations else ImageState.Inbox)
            fitting = with_small_properties(image)
            metadata = metadata_of(fitting, categories, keep_ids=not self.new_ids, state=state, tags=self.tags)
            new.append(NewImage(content=content, metadata=metadata, key=key))
            images.append(image)
        for image, stored in zip(images, await self._upload(new, images), strict=True):
            self.result.sent += stored.stored
            self.result.there_already += not stored.stored and not stored.deleted
            if stored.deleted:
                self.result.deleted.append(stored.id)
            if stored.stored:
                self.result.annotations.update(str(annotation.type) for annotation in image.annotations)
            self.on_image()

    async def _there_already(self, images: Sequence[DatasetImage]) -> set[str | None]:
        """The keys of images that an earlier import has brought; the rest is recognised when it is sent."""
        ids = [image.id for image in images if is_public_id(image.id)]
        if self.new_ids or not ids:
            return set()
        return {record.idempotency_key for record in await self.loop.images.get_many(ids)}

    async def _upload(self, new: Sequence[NewImage], images: Sequence[DatasetImage]) -> Sequence[StoredImage]:
        if not new:
            return []
        try:
            return await self.loop.images.upload(new)
        except (InvalidRequestError, LoopRefusedError) as error:
            text = re.sub(r"\bimage_(\d+)(\.\w+)?\b", lambda found: f"image {images[int(found[1])].id!r}", str(error))
            hint = "; --new-ids lets the loop choose ids" if "belong" in text else ""
            raise RefusedError(f"the loop refused: {text}{hint}") from error


def _batches(images: Images) -> Iterator[list[tuple[DatasetImage, bytes]]]:
    """As many images with their contents as are sent together."""
    batch: list[tuple[DatasetImage, bytes]] = []
    size_bytes = 0
    for image in images:
        if image.file is None:
            raise DatasetError(f"image {image.id!r} has no file")
        content = read(image.file, str(image.file))
        if len(batch) == IMAGES_PER_UPLOAD or (batch and size_bytes + len(content) > BYTES_PER_UPLOAD):
            yield batch
            batch, size_bytes = [], 0
        batch.append((image, content))
        size_bytes += len(content)
    if batch:
        yield batch
