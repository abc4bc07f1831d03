"""Sends many pictures, to a loop or through a node, and tries again where that may help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..data_classes import ImageMetadata, codec
from ..errors import (
    DeadlineError,
    InvalidDataError,
    InvalidRequestError,
    LoopError,
    LoopUnreachableError,
    NodeError,
    SettingError,
    TooLargeError,
    TransferBrokenError,
    UnavailableError,
)
from ..runtime.clock import Clock, SystemClock
from ..runtime.threads import io_bound
from .detector import DetectorClient
from .failures import retry_hint_of, status_of_refusal
from .images import IMAGES_PER_UPLOAD, Images, NewImage, StoredImage

PORTION_BYTES = 16_000_000
TRIES = 6
LONGEST_WAIT_S = 15.0
LONGEST_PAUSE_S = 120.0


_OF_THE_IMAGES = (400, 409, 413, 415, 422)
_PASSING = (408, 425, 429, 502, 503, 504)
"""Statuses that are about what was sent, and those that are about nothing but the moment."""


class Fate(StrEnum):
    """What became of a picture."""

    STORED = "stored"
    KNOWN = "already there"
    DELETED = "deleted at the loop"
    KEPT = "kept by the node"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A file to send; `extra` goes over what its sidecar says, but for tags, which are added."""

    file: Path
    sidecar: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one; `image_id` if the loop said it, `error` if it failed."""

    file: Path
    fate: Fate
    image_id: str | None = None
    error: NodeError | None = None


class Receiver:
    """Where pictures go: `per_request` at a time."""

    per_request = 1

    async def send(self, images: Sequence[NewImage]) -> Sequence[tuple[Fate, str | None]]:
        """Fate and id of each. Any error means that none of them was stored, or that we do not know."""
        raise NotImplementedError


class ToLoop(Receiver):
    """Into a project of our loop, which stores each key once."""

    per_request = IMAGES_PER_UPLOAD

    def __init__(self, images: Images) -> None:
        self._images = images

    async def send(self, images: Sequence[NewImage]) -> Sequence[tuple[Fate, str | None]]:
        return [(_fate_of(stored), stored.id) for stored in await self._images.upload(images)]


class ThroughNode(Receiver):
    """Into the outbox of a detector node, which sends them on with their keys."""

    def __init__(self, node: DetectorClient) -> None:
        self._node = node

    async def send(self, images: Sequence[NewImage]) -> Sequence[tuple[Fate, str | None]]:
        for image in images:
            metadata = codec.from_dict(ImageMetadata, dict(image.metadata))
            await self._node.upload(image.content, metadata, idempotency_key=image.key)
        return [(Fate.KEPT, None)] * len(images)


class BulkUpload:
    """Sends pictures, several requests at once; the key of each is its SHA-256, so that a repetition adds nothing.

    What may pass (no connection, busy, a server error) is tried again after growing pauses, or when the other side asks
    for it. A request that is refused is halved until the picture that causes it stands alone. Once all tries of a
    request found nobody, or the other side refuses everything (login, project, full disk), the rest is given up, too.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        at_once: int = 4,
        clock: Clock | None = None,
        dice: random.Random | None = None,
        on_done: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._receiver = receiver
        self._few_at_once = asyncio.Semaphore(at_once)
        self._clock = clock or SystemClock()
        self._dice = dice or random.Random()
        self._on_done = on_done
        self._given_up: NodeError | None = None

    async def send_all(self, pictures: Sequence[Picture]) -> list[Outcome]:
        """What became of each, in their order."""
        portions = list(_portions(pictures, self._receiver.per_request))
        outcomes = await asyncio.gather(*map(self._send_portion, portions))
        return [outcome for portion in outcomes for outcome in portion]

    async def _send_portion(self, pictures: Sequence[Picture]) -> list[Outcome]:
        async with self._few_at_once:
            ready: dict[int, NewImage] = {}
            outcomes: dict[int, Outcome] = {}
            for index, picture in enumerate(pictures):
                try:
                    ready[index] = await io_bound(_read, picture)
                except NodeError as error:
                    outcomes[index] = self._done(Outcome(file=picture.file, fate=Fate.FAILED, error=error))
            results = await self._deliver(list(ready.values()))
            for index, (fate, image_id, trouble) in zip(ready, results, strict=True):
                file = pictures[index].file
                outcomes[index] = self._done(Outcome(file=file, fate=fate, image_id=image_id, error=trouble))
            return [outcomes[index] for index in range(len(pictures))]

    async def _deliver(self, images: Sequence[NewImage]) -> list[tuple[Fate, str | None, NodeError | None]]:
        if not images:
            return []
        try:
            return [(fate, image_id, None) for fate, image_id in await self._send(images)]
        except NodeError as error:
            if len(images) > 1 and self._given_up is None:
                middle = len(images) // 2
                return await self._deliver(images[:middle]) + await self._deliver(images[middle:])
            return [(Fate.FAILED, None, error)] * len(images)

    async def _send(self, images: Sequence[NewImage]) -> Sequence[tuple[Fate, str | None]]:
        """Try, and try again as long as it may help."""
        tries = 0
        while True:
            if self._given_up is not None:
                raise self._given_up
            try:
                return await self._receiver.send(images)
            except NodeError as error:
                tries += 1
                if _is_of_the_images(error):
                    raise
                if not _may_pass(error):
                    self._given_up = error
                    raise
                if len(images) > 1 and _is_server_error(error) and tries > 1:
                    raise  # it may be one of them
                if tries >= TRIES:
                    if not _is_server_error(error):
                        self._given_up = error
                    raise
                await self._clock.sleep(self._pause_s(error, tries))

    def _pause_s(self, error: NodeError, tries: int) -> float:
        asked_s = retry_hint_of(error)
        if asked_s is None and isinstance(error, UnavailableError):
            asked_s = error.retry_after_s
        longest_s = min(LONGEST_WAIT_S, 0.5 * 2.0**tries)
        return self._dice.uniform(0.5, 1.0) * longest_s + min(asked_s or 0.0, LONGEST_PAUSE_S)

    def _done(self, outcome: Outcome) -> Outcome:
        self._on_done(outcome)
        return outcome


def _fate_of(stored: StoredImage) -> Fate:
    if stored.stored:
        return Fate.STORED
    return Fate.DELETED if stored.deleted else Fate.KNOWN


def _portions(pictures: Sequence[Picture], most: int) -> Iterator[Sequence[Picture]]:
    portion: list[Picture] = []
    size_bytes = 0
    for picture in pictures:
        try:
            picture_bytes = picture.file.stat().st_size
        except OSError:
            picture_bytes = 0  # which is told when it is read
        if portion and (len(portion) >= most or size_bytes + picture_bytes > PORTION_BYTES):
            yield portion
            portion, size_bytes = [], 0
        portion.append(picture)
        size_bytes += picture_bytes
    if portion:
        yield portion


def _read(picture: Picture) -> NewImage:
    """A picture with its metadata, ready to send, named after its file unless its sidecar says otherwise.

    `InvalidRequestError` names the file that is not right.
    """
    content, metadata = _content_of(picture.file), dict[str, Any]()
    if picture.sidecar is not None:
        try:
            metadata = codec.from_json(_content_of(picture.sidecar))
        except InvalidDataError as error:
            raise InvalidDataError(f"{picture.sidecar}: {error}") from error
        if not isinstance(metadata, dict):
            raise InvalidDataError(f"{picture.sidecar} must hold a JSON object, not {type(metadata).__name__}")
    tags = [*(metadata.get("tags") or ()), *picture.extra.get("tags", ())]
    metadata = {"name": picture.file.name} | metadata | dict(picture.extra)
    if tags:
        metadata["tags"] = list(dict.fromkeys(map(str, tags)))
    return NewImage(content=content, metadata=metadata, key=sha256(content).hexdigest())


def _content_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from error


def _is_of_the_images(error: NodeError) -> bool:
    """Whether others may be taken all the same."""
    if isinstance(error, SettingError):
        return False
    return isinstance(error, InvalidRequestError | TooLargeError) or status_of_refusal(error) in _OF_THE_IMAGES


def _may_pass(error: NodeError) -> bool:
    if isinstance(error, LoopUnreachableError | TransferBrokenError | UnavailableError | DeadlineError):
        return True
    return status_of_refusal(error) in _PASSING or _is_server_error(error)


def _is_server_error(error: NodeError) -> bool:
    """An error that one of the images may cause."""
    if isinstance(error, UnavailableError | LoopUnreachableError | TransferBrokenError | DeadlineError):
        return False
    status = status_of_refusal(error)
    if status is None:
        return type(error) in (NodeError, LoopError)
    return status >= 500 and status not in (*_PASSING, 507)
