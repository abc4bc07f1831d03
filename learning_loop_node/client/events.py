"""Hears of changes at the loop. Only our own loop tells."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from ..data_classes.codec import from_dict
from ..errors import InvalidDataError, LoopError, LoopUnreachableError, TransferBrokenError, UnavailableError
from .http import LoopHttp

logger = logging.getLogger(__name__)

QUIET_S = 45.0
"""Our loop says something every 15 s; a connection that is silent for longer is broken."""

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
LONGEST_LINE_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that has changed. `subject` is a resource such as `images`; `ids` are up to 200 of those concerned.

    With the subject `missed` there were changes that are not told any more: look anew at what matters to you.
    """

    subject: str
    organization: str = ""
    project: str | None = None
    ids: list[str] = field(default_factory=list)
    count: int = 0
    moment: str = ""


MISSED = "missed"


class Events:
    """The changes that we may know of, as long as somebody iterates; lost connections are made anew."""

    def __init__(self, http: LoopHttp) -> None:
        self._http = http

    async def listen(
        self, *, organization: str | None = None, project: str | None = None, subjects: Sequence[str] = ()
    ) -> AsyncGenerator[Change, None]:
        """All changes from now on, or those asked for; what happens while the connection is lost is told afterwards.

        Raises what the loop answers if we may not listen (any longer).
        """
        parameters = [("organization", organization), ("project", project)]
        asked = [(name, value) for name, value in parameters if value] + [("subject", name) for name in subjects]
        last_id = ""
        wait_s = FIRST_WAIT_S
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                async with self._http.request(
                    "GET", "/events", params=asked, headers=headers, stall_s=QUIET_S
                ) as answer:
                    async for event in _events_of(answer):
                        wait_s = FIRST_WAIT_S
                        last_id = event.id or last_id
                        if event.name == "change":
                            yield _change_of(event)
                        elif event.name == MISSED:
                            yield Change(subject=MISSED)
            except (LoopUnreachableError, TransferBrokenError, UnavailableError) as error:
                logger.info("no notices of changes from the loop, trying again: %s", error)
            await self._http.clock.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


@dataclass(slots=True)
class _Event:
    name: str = ""
    id: str = ""
    data: str = ""


async def _events_of(answer: aiohttp.ClientResponse) -> AsyncIterator[_Event]:
    """The events of a stream; comments and what is not complete at its end are left out."""
    event = _Event()
    async for line in _lines_of(answer):
        if not line:
            if event.data:
                yield event
            event = _Event()
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event.name = value
        elif name == "id":
            event.id = value
        elif name == "data":
            event.data = f"{event.data}\n{value}" if event.data else value


async def _lines_of(answer: aiohttp.ClientResponse) -> AsyncIterator[str]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")
        if len(rest) > LONGEST_LINE_BYTES:
            raise LoopError(f"{answer.url.path} answered with a line of more than {LONGEST_LINE_BYTES} bytes")


def _change_of(event: _Event) -> Change:
    try:
        data: Mapping[str, object] = json.loads(event.data)
    except ValueError as error:
        raise InvalidDataError("the loop told of a change, but not as JSON") from error
    return from_dict(Change, data)
