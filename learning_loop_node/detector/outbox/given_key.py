"""The key that a client gave with an image, on its way past methods of the node that programs override."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ...errors import InvalidRequestError

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_given: ContextVar[list[str] | None] = ContextVar("given_key", default=None)


@contextmanager
def given_key(key: str | None) -> Iterator[None]:
    """The first image that is saved within gets this key."""
    token = _given.set([key] if key else None)
    try:
        yield
    finally:
        _given.reset(token)


def take_given_key() -> str | None:
    """The key for the image that is saved now; None if it is to have one of its own."""
    keys = _given.get()
    return keys.pop() if keys else None


def checked_key(key: str | None, image_count: int) -> str | None:
    """A key as a client gave it; `InvalidRequestError` if it is none, or not for one image."""
    if not key:
        return None
    if image_count != 1:
        raise InvalidRequestError(f"idempotency_key is for one image, not for {image_count}; send them one by one")
    if not _KEY.fullmatch(key):
        raise InvalidRequestError("idempotency_key must be 1 to 255 visible ASCII characters")
    return key
