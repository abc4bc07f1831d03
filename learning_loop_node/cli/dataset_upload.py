"""Puts a data set into a project of the loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ..client.images import BYTES_PER_UPLOAD, IDS_PER_REQUEST, IMAGES_PER_UPLOAD, NewImage
from ..datasets.files import read
from ..datasets.loop_records import is_public_id, key_of, metadata_of
from ..errors import DatasetError, InvalidRequestError, LoopRefusedError, NotFoundError
from ..runtime.threads import io_bound
from .category_match import as_new, match_categories

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..datasets import Dataset, DatasetImage, Images

AT_ONCE = 3
"""Requests on their way at a time."""

COMPLETE, INBOX = "complete", "inbox"


@dataclass(kw_only=True, slots=True)
class Imported:
    """What became of a data set. `annotations` are those of the images that were sent now."""

    images: int = 0
    sent: int = 0
    there_already: int = 0
    annotations: Counter[str] = field(default_factory=Counter)
    categories_created: int = 0
    categories_matched: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class DatasetUpload:
    """`create` allows to make the project and categories; `new_ids` lets the loop choose the ids of images and
    annotations; `state` is for images that have none of their own. `result` grows while it runs."""

    loop: LoopClient
    create: bool = False
    new_ids: bool = False
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
            self.on_checked()
        return used

    async def _categories(self, dataset: Dataset, used: set[str]) -> dict[str, tuple[str, str]]:
        context = self.loop.context
        try:
            there = list((await self.loop.projects.get(context)).categories)
        except NotFoundError as error:
            if not self.create:
                raise NotFoundError(f"{error}; --create makes it") from error
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
            state = self.state or (COMPLETE if image.annotations else INBOX)
            metadata = metadata_of(image, categories, keep_ids=not self.new_ids, state=state, tags=self.tags)
            new.append(NewImage(content=content, metadata=metadata, key=key))
            images.append(image)
        for image, stored in zip(images, await self._upload(new, images), strict=True):
            self.result.sent += stored
            self.result.there_already += not stored
            if stored:
                self.result.annotations.update(str(annotation.type) for annotation in image.annotations)
            self.on_image()

    async def _there_already(self, images: Sequence[DatasetImage]) -> set[str | None]:
        """The keys of images that an earlier import has brought; the rest is recognised when it is sent."""
        ids = [image.id for image in images if is_public_id(image.id)]
        if self.new_ids or not ids:
            return set()
        return {record.idempotency_key for record in await self.loop.images.get_many(ids[:IDS_PER_REQUEST])}

    async def _upload(self, new: Sequence[NewImage], images: Sequence[DatasetImage]) -> Sequence[bool]:
        if not new:
            return []
        try:
            return [stored.stored for stored in await self.loop.images.upload(new)]
        except (InvalidRequestError, LoopRefusedError) as error:
            names = ", ".join(f"image_{number} is {image.id!r}" for number, image in enumerate(images))
            hint = "; --new-ids lets the loop choose ids" if "belong" in str(error) else ""
            raise DatasetError(f"the loop refused: {error}{hint} ({names})") from error


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
