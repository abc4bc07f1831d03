"""Notices of changes, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from fastapi import Depends, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.requests import Request
from starlette.responses import StreamingResponse

from ...api.operation import Endpoint
from ...data_classes import codec
from ...errors import ForbiddenError, NodeError
from ..access.auth import caller_of
from ..access.rights import Caller, Right
from ..changes import Change
from ..loop import Loop
from ..names import no_such_organization, no_such_project

RETRY_MS = 2000

ANSWERS = {
    200: {
        "description": "Events without end. `ready` comes first. The `data` of each `change` is a JSON object: "
        "`subject` is a resource such as `images`, `organization` and `project` (or null) say where, "
        "`ids` are up to 200 of those concerned, `count` says how many there were, `moment` when. "
        "`missed` says that there were changes that are not told any more: look anew at what you "
        "show. `ended` gives the `reason` why nothing will follow. Lines that begin with a colon keep "
        "the connection alive.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: change\nid: 5f2e9c1a-7\ndata: {"subject": "images", "organization": "zauberzeug", '
                '"project": "demo", "ids": ["…"], "count": 1, "moment": "2026-01-02T03:04:05+00:00"}\n\n',
            }
        },
    }
}


class EventStream(StreamingResponse):
    """Not FastAPI's own response for events, which has answered 200 before a function can refuse."""

    media_type = "text/event-stream"


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = EventOperations(loop)
    return [
        Endpoint(
            method="GET",
            path="/api/events",
            run=operations.listen,
            access=[Depends(loop.auth.needs(Right.ASK))],
            options={
                "tags": ["events"],
                "summary": "Hear of changes as they happen",
                "response_class": EventStream,
                "responses": ANSWERS,
            },
        )
    ]


class EventOperations:
    """Tells changes to whoever may know of them, as long as they may."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def listen(
        self,
        request: Request,
        organization: str | None = Query(default=None, description="Only changes in this organization."),
        project: str | None = Query(default=None, description="Only changes in this project; needs `organization`."),
        subject: list[str] = Query(default=[], description="Only changes of these, such as `images`."),
        last_event_id: str | None = Header(
            default=None, description="The last `id` that was received; what came after it is told first."
        ),
    ) -> EventStream:
        """Changes that one may know of, as server-sent events (`EventSource` in a browser).

        After a broken connection send the last `id` as header `Last-Event-ID`, as browsers do by themselves.
        """
        caller = caller_of(request)
        if organization is not None and not caller.knows(organization, project):
            raise no_such_organization(organization) if project is None else no_such_project(organization, project)
        self._loop.changes.refuse_crowd(caller.name)

        def is_asked_for(change: Change) -> bool:
            return (
                organization in (None, change.organization)
                and project in (None, change.project)
                and (not subject or change.subject in subject)
            )

        events = self._events(request, caller, is_asked_for, last_event_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return EventStream(events, headers=headers)

    async def _events(
        self, request: Request, caller: Caller, is_asked_for: Callable[[Change], bool], last_event_id: str | None
    ) -> AsyncIterator[bytes]:
        changes, auth = self._loop.changes, self._loop.auth
        revision = -1  # rights are looked at before the first change, too: they may have changed meanwhile

        def wants(change: Change) -> bool:
            return is_asked_for(change) and change.is_for(caller)

        async def check(*, anyway: bool = False) -> None:
            nonlocal revision
            if anyway or revision != auth.revision:
                revision = auth.revision
                await self._still(request, caller)

        with changes.listening(caller.name, wants) as listener:
            earlier = self._since(last_event_id)
            yield self._event("ready", {}, changes.last - len(earlier or ()), retry=RETRY_MS)
            if earlier is None:
                yield self._event("missed", {}, changes.last)
            try:
                for change in earlier or ():
                    await check()
                    if wants(change):
                        yield self._change(change)
                while not changes.is_closed:
                    if listener.has_missed:
                        listener.has_missed = False
                        yield self._event("missed", {}, changes.last)
                    for change in listener.take():
                        await check()
                        yield self._change(change)
                    await check()
                    if not await listener.wait(changes.keep_alive_s):
                        await check(anyway=True)  # a session or a token may have expired
                        yield KEEPALIVE_COMMENT
            except NodeError as error:
                yield self._event("ended", {"reason": str(error)}, changes.last)

    async def _still(self, request: Request, caller: Caller) -> None:
        """Raise if this request would now be answered otherwise."""
        if await self._loop.auth.who_makes(request) != caller:
            raise ForbiddenError("what you may has changed; connect again")

    def _since(self, last_event_id: str | None) -> Sequence[Change] | None:
        """What came after this event; None if that cannot be told."""
        if not last_event_id:
            return []
        run, _, number = last_event_id.partition("-")
        is_ours = run == self._loop.changes.run and number.isdecimal() and len(number) < 20
        return self._loop.changes.since(int(number)) if is_ours else None

    def _change(self, change: Change) -> bytes:
        data = {
            "subject": change.subject,
            "organization": change.organization,
            "project": change.project,
            "ids": change.ids,
            "count": change.count,
            "moment": change.moment.isoformat(),
        }
        return self._event("change", data, change.number)

    def _event(self, event: str, data: Mapping[str, Any], number: int, retry: int | None = None) -> bytes:
        text = codec.to_json(data).decode()
        return format_sse_event(data_str=text, event=event, id=f"{self._loop.changes.run}-{number}", retry=retry)
