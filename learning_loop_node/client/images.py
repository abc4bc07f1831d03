"""Images of a project."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import aiohttp

from ..data_classes import codec
from ..data_classes.codec import from_dict
from ..errors import LoopError
from .annotations import Annotation, annotations_in
from .http import read_body
from .place import Place, entries_of, part_of_path

IDS_PER_REQUEST = 100
IMAGES_PER_UPLOAD = 20
BYTES_PER_UPLOAD = 64 * 2**20
CHANGES_PER_REQUEST = 1000
LARGEST_IMAGE_BYTES = 256 * 2**20
UPLOAD_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """What a loop knows about an image.

    Fields that only our own loop has are None or empty elsewhere; `data` is the answer as it came, with detections and
    annotations. `version` counts the changes of the image and of its annotations; who changes it names it.
    """

    id: str
    version: int | None = None
    width: float | None = None
    height: float | None = None
    state: str | None = None
    set: str | None = None
    name: str | None = None
    source: str | None = None
    created: str | None = None
    received: str | None = None
    changed: str | None = None
    changed_by: str | None = None
    deleted: str | None = None
    sha256: str | None = None
    idempotency_key: str | None = None
    tags: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def annotations(self) -> Sequence[Annotation]:
        """What is annotated in it, of all kinds; empty if they were not asked for."""
        return annotations_in(self.id, self.version, self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewImage:
    """An image to send; JPEG, PNG, WebP or BMP.

    `metadata` may be all that the loop takes: `tags`, `state`, `set`, `name`, `source`, `created`, `properties`, `id`,
    detections and annotations. The key lets the loop recognise a repetition, so send the same object again if the
    answer was lost.
    """

    content: bytes = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    key: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """What became of an image that was sent; `stored` is false if it was there already.

    With `deleted` it is there, but nobody sees it until it is restored.
    """

    id: str
    stored: bool = True
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageChange:
    """A change of the image in this version. What is None stays; an empty name takes the name away.

    `tags` replaces all tags, `add_tags` and `remove_tags` some.
    """

    id: str
    version: int
    state: str | None = None
    set: str | None = None
    name: str | None = None
    properties: Mapping[str, Any] | None = None
    tags: Sequence[str] | None = None
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()

    def body(self) -> dict[str, Any]:
        """The same for the loop, without what stays."""
        names = (entry.name for entry in dataclass_fields(self))
        values = {name: value for name in names if (value := getattr(self, name)) not in (None, ())}
        return values | ({"name": None} if self.name == "" else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFilter:
    """Which images are wanted: those for which everything that is given is true.

    Of several states or sets one must be right, of several tags all. `category` is an id or a name, annotated or
    detected; `name` and `id` are beginnings. Ranges include their begin and not their end. `deleted` is `no`, `also` or
    `only`.
    """

    state: Sequence[str] = ()
    set: Sequence[str] = ()
    tag: Sequence[str] = ()
    source: str | None = None
    model: str | None = None
    category: str | None = None
    annotated: bool | None = None
    name: str | None = None
    id: str | None = None
    received_since: datetime | None = None
    received_until: datetime | None = None
    created_since: datetime | None = None
    created_until: datetime | None = None
    changed_since: datetime | None = None
    changed_until: datetime | None = None
    confidence_min: float | None = None
    confidence_max: float | None = None
    deleted: str = "no"

    def parameters(self) -> list[tuple[str, str]]:
        """The same as a query; what is not given is left out."""
        return [(name, text) for name, value in asdict(self).items() for text in _texts(value)]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePage:
    """Some images in their order. `next` is the cursor of the next page, None after the last one."""

    images: Sequence[ImageRecord]
    next: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCounts:
    """How many images have which value; those deleted are not counted. `category` has ids, `annotated` yes and no."""

    total: int
    state: dict[str, int] = field(default_factory=dict)
    set: dict[str, int] = field(default_factory=dict)
    tag: dict[str, int] = field(default_factory=dict)
    source: dict[str, int] = field(default_factory=dict)
    model: dict[str, int] = field(default_factory=dict)
    category: dict[str, int] = field(default_factory=dict)
    annotated: dict[str, int] = field(default_factory=dict)


class Images:
    """The images of a project."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def ids(self, state: str | None = None) -> Sequence[str]:
        """The ids of all images, or of those in a state: `inbox`, `annotate`, `review`, `complete`."""
        parameters = {"state": state} if state else {}
        answer = await self._place.http.json("GET", self._place.path("/data"), params=parameters)
        return [str(entry) for entry in entries_of(answer, "image_ids")]

    async def list(self, state: str | None = None) -> Sequence[ImageRecord]:
        """What is known about all images, or those in a state. Every loop has this; see `find` for filters."""
        return await self.get_many(await self.ids(state))

    async def get_many(self, ids: Sequence[str]) -> Sequence[ImageRecord]:
        """What is known about these images, a hundred per request; unknown ids are missing in the result."""
        records: list[ImageRecord] = []
        for start in range(0, len(ids), IDS_PER_REQUEST):
            chunk = ids[start : start + IDS_PER_REQUEST]
            path = self._place.path("/images?ids=" + ",".join(map(part_of_path, chunk)))
            records += map(_record, entries_of(await self._place.http.json("GET", path), "images"))
        return records

    async def get(self, image_id: str) -> ImageRecord:
        """What is known about one image. Only our own loop has this by itself, and all that follows."""
        return _record(await self._place.http.json("GET", self._path(image_id)))

    async def content(self, image_id: str) -> bytes:
        """The image as it was sent."""
        async with self._place.http.request("GET", self._path(image_id, "/main")) as answer:
            return await read_body(answer, LARGEST_IMAGE_BYTES)

    async def find(
        self,
        wanted: ImageFilter | None = None,
        *,
        sort: str = "arrival",
        fields: str = "all",
        page_size: int = 100,
    ) -> AsyncIterator[ImageRecord]:
        """All images that fit, asked for page by page while they are used.

        `sort` is `arrival`, `changed` or `created`, with a minus the other way round. `fields` says how much of each
        image: `ids`, `image`, `annotations`, or `all` with detections.
        """
        cursor: str | None = None
        while True:
            page = await self.page(wanted, sort=sort, fields=fields, limit=page_size, cursor=cursor)
            for record in page.images:
                yield record
            if page.next is None:
                return
            cursor = page.next

    async def page(
        self,
        wanted: ImageFilter | None = None,
        *,
        sort: str = "arrival",
        fields: str = "all",
        limit: int = 100,
        cursor: str | None = None,
    ) -> ImagePage:
        """One page; it may be shorter than `limit` although there is a next one."""
        parameters = [
            *(wanted or ImageFilter()).parameters(),
            ("sort", sort),
            ("fields", fields),
            ("limit", str(limit)),
        ]
        if cursor is not None:
            parameters.append(("cursor", cursor))
        answer = await self._place.http.json("GET", self._place.path("/images"), params=parameters)
        return ImagePage(images=[_record(entry) for entry in entries_of(answer, "images")], next=answer.get("next"))

    async def counts(self) -> ImageCounts:
        """How many images there are, by state, set, tag, source, model and category."""
        return from_dict(ImageCounts, await self._place.http.json("GET", self._place.path("/images/counts")))

    async def upload(self, images: Iterable[NewImage]) -> Sequence[StoredImage]:
        """Send images, twenty per request; what became of each, in their order.

        With any error, none of the images of its request is stored, but those of the requests before are.
        """
        stored: list[StoredImage] = []
        for some in _portions(images):
            answer = await self._place.http.json(
                "POST", self._place.path("/images"), body=lambda some=some: _form_of(some), timeout_s=UPLOAD_S
            )
            stored += [from_dict(StoredImage, entry) for entry in entries_of(answer, "images")]
        return stored

    async def thumbnail(self, image_id: str, size: int = 256) -> bytes:
        """A JPEG of the upright image; `size` is the longer side: 128, 256, 512 or 1024."""
        path = self._path(image_id, "/thumbnail")
        async with self._place.http.request("GET", path, params={"size": str(size)}) as answer:
            return await read_body(answer, LARGEST_IMAGE_BYTES)

    async def change(self, changes: Sequence[ImageChange]) -> Sequence[ImageRecord]:
        """Change images; as they are then. Up to a thousand happen together or not at all, more in several requests.

        Raises `OutdatedError` with its `conflicts` if somebody else has changed some of them since.
        """
        return await self._many("PATCH", "/images", [change.body() for change in changes])

    async def delete(self, versions: Mapping[str, int]) -> Sequence[ImageRecord]:
        """Delete these images, given by id and version; they can be restored until their grace period ends."""
        return await self._many("POST", "/images/delete", _named(versions))

    async def restore(self, versions: Mapping[str, int]) -> Sequence[ImageRecord]:
        """Restore deleted images with all that belonged to them."""
        return await self._many("POST", "/images/restore", _named(versions))

    async def _many(self, method: str, path: str, entries: Sequence[Mapping[str, Any]]) -> Sequence[ImageRecord]:
        records: list[ImageRecord] = []
        for start in range(0, len(entries), CHANGES_PER_REQUEST):
            body = {"images": entries[start : start + CHANGES_PER_REQUEST]}
            answer = await self._place.http.json(method, self._place.path(path), json=body)
            records += map(_record, entries_of(answer, "images"))
        return records

    def _path(self, image_id: str, rest: str = "") -> str:
        return self._place.path(f"/images/{part_of_path(image_id)}{rest}")


def _record(data: Any) -> ImageRecord:
    if not isinstance(data, dict):
        raise LoopError("the loop described an image by something that is no object")
    return from_dict(ImageRecord, {key: value for key, value in data.items() if value is not None} | {"data": data})


def _named(versions: Mapping[str, int]) -> Sequence[Mapping[str, Any]]:
    return [{"id": image_id, "version": version} for image_id, version in versions.items()]


def _texts(value: Any) -> Iterator[str]:
    match value:
        case None:
            return
        case bool():
            yield str(value).lower()
        case datetime():
            yield value.isoformat()
        case list() | tuple():
            for entry in value:
                yield from _texts(entry)
        case _:
            yield str(value)


def _portions(images: Iterable[NewImage]) -> Iterator[Sequence[NewImage]]:
    """Groups of images for one request each."""
    portion: list[NewImage] = []
    size_bytes = 0
    for image in images:
        if len(portion) == IMAGES_PER_UPLOAD or (portion and size_bytes + len(image.content) > BYTES_PER_UPLOAD):
            yield portion
            portion, size_bytes = [], 0
        portion.append(image)
        size_bytes += len(image.content)
    if portion:
        yield portion


async def _form_of(images: Sequence[NewImage]) -> aiohttp.MultipartWriter:
    form = aiohttp.MultipartWriter("form-data")
    for number, image in enumerate(images):
        parts = (("json", "application/json", codec.to_json(image.metadata)), ("jpg", "image/jpeg", image.content))
        for ending, content_type, content in parts:
            headers = {"Content-Type": content_type, "Idempotency-Key": image.key}
            part = form.append(BytesIO(content), headers)
            part.set_content_disposition("form-data", name="files", filename=f"image_{number}.{ending}")
    return form
