"""Images of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from ..errors import LoopError
from .http import read_body
from .place import Place, entries_of, part_of_path

IDS_PER_REQUEST = 100
LARGEST_IMAGE_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """What a loop knows about an image.

    Fields that only our own loop has are None or empty elsewhere; `data` is the answer as it came, with detections and
    annotations.
    """

    id: str
    width: float | None = None
    height: float | None = None
    state: str | None = None
    set: str | None = None
    source: str | None = None
    created: str | None = None
    sha256: str | None = None
    idempotency_key: str | None = None
    tags: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


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
        """What is known about all images, or those in a state."""
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
        """What is known about one image. Only our own loop has this by itself."""
        return _record(await self._place.http.json("GET", self._place.path(f"/images/{part_of_path(image_id)}")))

    async def content(self, image_id: str) -> bytes:
        """The JPEG of an image."""
        path = self._place.path(f"/images/{part_of_path(image_id)}/main")
        async with self._place.http.request("GET", path) as answer:
            return await read_body(answer, LARGEST_IMAGE_BYTES)


def _record(data: Any) -> ImageRecord:
    if not isinstance(data, dict):
        raise LoopError("the loop described an image by something that is no object")
    return from_dict(ImageRecord, {key: value for key, value in data.items() if value is not None} | {"data": data})
