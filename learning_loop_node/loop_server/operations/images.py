"""Images: they are received, described and sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ...api.operation import Endpoint
from ...api.replies import json_reply
from ...errors import InvalidImageError, InvalidRequestError, TooLargeError
from ...images import ImageHeader, decode, read_header
from ...runtime.threads import io_bound
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..names import no_such_image
from ..receiving.arrivals import Arrival
from ..receiving.pairs import Pair, pairs_of, read_metadata
from ..receiving.uploads import received_parts
from ..storage import images, projects, records
from ..storage.images import NewImage
from ..wire.images import ImageRecord, Metadata, StoredImages
from .file_reply import file_reply
from .forms import FILES_FORM
from .projects import PROJECT
from .record_reply import record_reply

MAX_BATCH_BYTES = 512 * 2**20
MAX_PARTS = 1000
MAX_METADATA_BYTES = 4 * 2**20
"""Of one image: tens of thousands of detections. Reading more would keep everybody else waiting."""

MAX_METADATA_BYTES_AT_ONCE = 16 * 2**20
"""Of all images of a request. Nobody else can write while they are kept."""

PORTION_BYTES = 32 * 2**20
DECODE_AT_ONCE = 2
TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ImageOperations(loop)
    nodes, users = [Depends(loop.auth.needs(Right.SEND))], [Depends(loop.auth.needs(Right.READ))]
    return [
        Endpoint(
            method="POST",
            path=f"{PROJECT}/images",
            run=operations.receive,
            access=nodes,
            streams=True,
            options={
                "tags": ["images"],
                "summary": "Send images with their detections",
                "response_model": StoredImages,
                "openapi_extra": FILES_FORM,
            },
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/images/{{image_id}}",
            run=operations.record,
            access=users,
            options={
                "tags": ["images"],
                "summary": "What is known about one image",
                "response_model": ImageRecord,
            },
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/images/{{image_id}}/main",
            run=operations.content,
            access=users,
            options={
                "tags": ["images"],
                "summary": "The image itself, byte for byte as it was sent",
                "response_class": FileResponse,
            },
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedImage:
    """An image that can be decoded, with metadata that can be understood."""

    pair: Pair
    key: str | None
    header: ImageHeader
    metadata: Metadata

    @property
    def is_turned(self) -> bool:
        return self.header.orientation in TURNED


class ImageOperations:
    """Answers requests for images."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._decoding = asyncio.Semaphore(DECODE_AT_ONCE)

    async def receive(self, organization: str, project: str, request: Request) -> Response:
        """Store images with their detections, all of the request or, with any error, none.

        The parts are named `files`: for each image a JSON with its detections and the image, paired by their names
        before the dot. If both carry a header `Idempotency-Key`, or the JSON has an `id`, a repetition stores nothing
        and is answered with the same id.
        """
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
        with self._loop.arrivals.of_request() as arrival:
            new = await self._read(request, arrival)
            async with self._loop.database.writing() as session:
                await projects.refuse_gone(session, row)
                stored = await images.add_images(session, row.id, new, caller_of(request).author)
            arrival.kept(new, stored)
        self._loop.changes.tell("images", organization, project, [image.id for image in stored if image.stored])
        return json_reply(StoredImages(images=stored).model_dump())

    async def record(self, organization: str, project: str, image_id: str) -> Response:
        """Everything the loop knows about one image."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            found = await records.records_by_id(session, row.id, [image_id])
        if not found:
            raise no_such_image(organization, project, image_id)
        return await io_bound(record_reply, found[0])

    async def content(self, organization: str, project: str, image_id: str, request: Request) -> Response:
        """The image, byte for byte as it was sent."""
        found = await self._loop.database.look_up(images.file_of_image(organization, project, image_id))
        if found is None:
            async with self._loop.database.reading() as session:
                await projects.project_named(session, organization, project)
            raise no_such_image(organization, project, image_id)
        file = await self._loop.blobs.path(found.sha256)
        return await file_reply(request, file, f"image/{found.format}", found.sha256)

    async def _read(self, request: Request, arrival: Arrival) -> list[NewImage]:
        """The images of a request: all of them checked first, then their content kept.

        What is too large is answered like every other wrong content (422): nodes then send fewer images at once.
        """
        limit = min(self._loop.settings.max_request_bytes, MAX_BATCH_BYTES)
        try:
            async with received_parts(
                request, folder=self._loop.incoming, max_bytes=limit, max_parts=MAX_PARTS
            ) as parts:
                pairs = pairs_of(parts)
                arrival.received(len(pairs))
                _refuse_much_to_say(pairs)
                checked = [await self._check(pair) for pair in pairs]
                return [image for some in _portions(checked) for image in await self._keep(some)]
        except TooLargeError as error:
            raise InvalidRequestError(f"{error}; send fewer images at once") from error

    async def _check(self, pair: Pair) -> CheckedImage:
        key, description = pair.key, await _description_of(pair)
        try:
            async with self._decoding:
                image, limit = await pair.image.read(), self._loop.settings.max_pixels
                metadata, header = await io_bound(_understood, description, image, limit)
        except (InvalidImageError, TooLargeError) as error:
            raise InvalidImageError(f"{pair.label}: {error}") from error
        return CheckedImage(pair=pair, key=key, header=header, metadata=metadata)

    async def _keep(self, some: Sequence[CheckedImage]) -> list[NewImage]:
        blobs = await self._loop.blobs.write_all([await image.pair.image.read() for image in some])
        return [
            NewImage(
                label=image.pair.label,
                key=image.key,
                sha256=blob.sha256,
                size_bytes=blob.size_bytes,
                format=image.header.format,
                width=image.header.height if image.is_turned else image.header.width,
                height=image.header.width if image.is_turned else image.header.height,
                metadata=image.metadata,
            )
            for image, blob in zip(some, blobs, strict=True)
        ]


def _refuse_much_to_say(pairs: Sequence[Pair]) -> None:
    size_bytes = sum(pair.metadata.size_bytes for pair in pairs if pair.metadata is not None)
    if len(pairs) > 1 and size_bytes > MAX_METADATA_BYTES_AT_ONCE:
        raise TooLargeError(
            f"the JSON of these images has {size_bytes} bytes together; the limit is {MAX_METADATA_BYTES_AT_ONCE}"
        )


async def _description_of(pair: Pair) -> tuple[str, bytes] | None:
    """The name and the content of the JSON of an image; None if there is none."""
    part = pair.metadata
    if part is None:
        return None
    if part.size_bytes > MAX_METADATA_BYTES:
        raise InvalidRequestError(f"{part.filename} has {part.size_bytes} bytes; the limit is {MAX_METADATA_BYTES}")
    return part.filename, await part.read()


def _portions(images: Sequence[CheckedImage]) -> Iterator[list[CheckedImage]]:
    """Groups of images that may be in memory together."""
    portion: list[CheckedImage] = []
    size_bytes = 0
    for image in images:
        if portion and size_bytes + image.pair.image.size_bytes > PORTION_BYTES:
            yield portion
            portion, size_bytes = [], 0
        portion.append(image)
        size_bytes += image.pair.image.size_bytes
    if portion:
        yield portion


def _understood(description: tuple[str, bytes] | None, image: bytes, max_pixels: int) -> tuple[Metadata, ImageHeader]:
    """What is said about an image, and the header of the image, which can be decoded to its end."""
    metadata = read_metadata(*description) if description else Metadata()
    header = read_header(image, max_pixels=max_pixels)
    decode(image, max_pixels=max_pixels)
    return metadata, header
