"""Reads large JSON bodies of many entries without keeping everybody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from ...data_classes import codec
from ...errors import InvalidDataError, InvalidRequestError, TooLargeError
from ...runtime.threads import io_bound
from .pairs import describe

T = TypeVar("T")

ENTRIES_AT_ONCE = 10
DRAINED_BYTES = 2 * 2**30
DRAIN_S = 60.0


async def read_json(request: Request, max_bytes: int) -> Any:
    """What the body says, whatever it is; `TooLargeError` as soon as it is known to be too large."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise TooLargeError(f"the body has {announced} bytes; the limit is {max_bytes}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLargeError(f"the body has more than {max_bytes} bytes")
    try:
        return await io_bound(codec.from_json, bytes(body))
    except InvalidDataError as error:
        raise InvalidRequestError(f"the body must be JSON: {error}") from error


async def drained(request: Request, max_bytes: int = DRAINED_BYTES) -> None:
    """Read a body that nobody wants: who is still sending one would see a broken connection in place of the answer."""
    left = max_bytes
    with suppress(ClientDisconnect, TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return


async def read_entries(place: str, entries: Any, shape: TypeAdapter[T], max_count: int) -> Sequence[T]:
    """The entries of a list, checked a few at a time; errors name the place, the entry and the field."""
    if not isinstance(entries, list):
        raise InvalidRequestError(f"{place} must be a list")
    if len(entries) > max_count:
        raise InvalidRequestError(f"{place} has {len(entries)} entries; send up to {max_count} at once")
    checked: list[T] = []
    for number, entry in enumerate(entries):
        if number % ENTRIES_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            checked.append(shape.validate_python(entry))
        except ValidationError as error:
            raise InvalidRequestError(f"{place}.{number}: {describe(error)}") from error
    return checked
