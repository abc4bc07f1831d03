"""What people ask about an outbox, and how it is read from a request or an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ...api.forms import read_body
from ...data_classes.codec import from_json
from ...errors import InvalidRequestError, NotFoundError, TooLargeError
from ..requests import truth
from .inventory import LARGEST_PAGE, ItemFile

LARGEST_BODY_BYTES = 1_000_000
DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which images to list: those that wait or those in quarantine, behind the cursor."""

    quarantined: bool = False
    limit: int = DEFAULT_PAGE
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """The image or the metadata of one of them."""

    place: str
    name: str
    part: ItemFile


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequest:
    """Which images are to leave the quarantine; None for all."""

    names: list[str] | None = None


async def read_page(request: Request) -> PageRequest:
    """`?quarantined=true&limit=100&cursor=…`"""
    return _page_of(request.query_params)


def page_event(data: Any = None) -> PageRequest:
    """The same as an object, or nothing at all."""
    return _page_of(_object_of(data))


async def read_file_request(request: Request) -> FileRequest:
    """Everything is in the path."""
    part = request.path_params["part"]
    if part not in set(ItemFile):
        raise NotFoundError(f"there is no {part!r} of an image in the outbox; `image` and `metadata` there are")
    return FileRequest(place=request.path_params["place"], name=request.path_params["name"], part=ItemFile(part))


async def read_retry(request: Request) -> RetryRequest:
    """`{"names": […]}`, or no body for all."""
    try:
        body = await read_body(request, max_bytes=LARGEST_BODY_BYTES)
    except TooLargeError as error:
        raise TooLargeError(f"the body must not have more than {LARGEST_BODY_BYTES} bytes") from error
    return retry_event(from_json(bytes(body)) if body.strip() else None)


def retry_event(data: Any = None) -> RetryRequest:
    """The same as an object, or nothing at all."""
    names = _object_of(data).get("names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InvalidRequestError("names must be a list of texts, or null for all")
    return RetryRequest(names=names)


def _page_of(values: Mapping[str, Any]) -> PageRequest:
    limit, cursor = values.get("limit"), values.get("cursor")
    try:
        count = DEFAULT_PAGE if limit is None or limit == "" else int(limit)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"limit must be a number, not {limit!r}") from error
    if not 0 < count <= LARGEST_PAGE:
        raise InvalidRequestError(f"limit must be between 1 and {LARGEST_PAGE}, not {count}")
    if cursor is not None and not isinstance(cursor, str):
        raise InvalidRequestError("cursor must be the text `next` of another page")
    return PageRequest(quarantined=truth("quarantined", values.get("quarantined")), limit=count, cursor=cursor or None)


def _object_of(data: Any) -> Mapping[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise InvalidRequestError(f"the argument must be an object, not {type(data).__name__}")
    return data
