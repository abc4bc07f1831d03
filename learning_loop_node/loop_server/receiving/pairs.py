"""Finds the images in a request: each one comes with a JSON of the same name before the dot."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from ...api.field_texts import field_text
from ...errors import InvalidRequestError
from ..wire.images import Metadata
from .uploads import Part

KEY_HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and what came with it; `metadata` is None for an image alone."""

    image: Part
    metadata: Part | None

    @property
    def label(self) -> str:
        return self.image.filename or self.image.name

    @property
    def key(self) -> str | None:
        """The key by which a repetition is recognised, None if the sender gave none."""
        keys = {part.headers[KEY_HEADER] for part in (self.image, self.metadata) if part and KEY_HEADER in part.headers}
        if len(keys) > 1:
            raise InvalidRequestError(f"{self.label}: the two parts have different headers Idempotency-Key")
        for key in keys:
            if not _KEY.fullmatch(key):
                raise InvalidRequestError(f"{self.label}: Idempotency-Key must be 1 to 255 visible ASCII characters")
            return key
        return None


def pairs_of(parts: Iterable[Part]) -> list[Pair]:
    """The images of a request in their order. Several of one name belong together in the order they came."""
    waiting: defaultdict[str, deque[Part]] = defaultdict(deque)
    images: list[Part] = []
    for part in parts:
        if part.name != "files":
            raise InvalidRequestError(
                f"the form has a part {part.name!r}; images and their JSON are parts named 'files'"
            )
        name = PurePosixPath(part.filename)
        if name.suffix.lower() == ".json":
            waiting[name.stem].append(part)
        else:
            images.append(part)
    if not images and not waiting:
        raise InvalidRequestError("the form has no part named 'files' with an image")
    pairs = [Pair(image, _next(waiting[PurePosixPath(image.filename).stem])) for image in images]
    left = [part.filename for queue in waiting.values() for part in queue]
    if left:
        raise InvalidRequestError(f"there is no image to {', '.join(left)}; it needs the same name before the dot")
    return pairs


def read_metadata(label: str, content: bytes) -> Metadata:
    """What the JSON of an image says; the error names file and field."""
    try:
        return Metadata.model_validate_json(content)
    except ValidationError as error:
        raise InvalidRequestError(f"{label}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """The first three things that are wrong, each with its place."""
    return "; ".join(field_text(entry) for entry in error.errors()[:3])


def _next(queue: deque[Part]) -> Part | None:
    return queue.popleft() if queue else None
