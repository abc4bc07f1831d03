"""Tells whoever listens what has changed in the loop, as soon as it is kept."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import UnavailableError
from .access.rights import Caller, Right

REMEMBERED = 1000
"""So many changes can be asked for again after a lost connection."""

WAITING = 1000
"""So many changes may wait for a listener; one who is slower misses some, and is told so."""

KEEP_ALIVE_S = 15.0
"""So often something is sent at least, and looked whether a session or a token has expired."""

LISTENERS = 500
LISTENERS_OF_ONE = 50
MOST_IDS = 200

SEEN_WITH = {"users": Right.OWN, "tokens": Right.OWN}
"""What one needs for being told of a subject; of all others, the right to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that has changed. `subject` is a resource of the loop such as `images`.

    `ids` are those concerned, up to 200 of them; `count` says how many there were. Without `project` it concerns the
    organization, without `organization` the loop.
    """

    number: int
    subject: str
    organization: str
    project: str | None
    ids: Sequence[str]
    count: int
    moment: datetime

    def is_for(self, caller: Caller) -> bool:
        return caller.may(SEEN_WITH.get(self.subject, Right.READ), self.organization, self.project)


class Listener:
    """What waits for somebody who listens. It never keeps the others waiting: too much is dropped, and `has_missed`."""

    def __init__(self, name: str, wants: Callable[[Change], bool]) -> None:
        self.name = name
        self.has_missed = False
        self._wants = wants
        self._waiting: deque[Change] = deque()
        self._woken = asyncio.Event()

    def offer(self, change: Change) -> None:
        if not self._wants(change):
            return
        if len(self._waiting) >= WAITING:
            self._waiting.clear()
            self.has_missed = True
        self._waiting.append(change)
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Until there is something to do, but not longer than this; returns whether there is."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def take(self) -> Sequence[Change]:
        """All that waits, oldest first."""
        waiting, self._waiting = self._waiting, deque()
        return waiting


class Changes:
    """Remembers the last changes, in their order, and hands each one to whoever listens."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self.is_closed = False
        self.keep_alive_s = KEEP_ALIVE_S
        self._last = 0
        self._remembered: deque[Change] = deque(maxlen=REMEMBERED)
        self._listeners: set[Listener] = set()

    @property
    def last(self) -> int:
        """The number of the last change; 0 before the first."""
        return self._last

    @property
    def listener_count(self) -> int:
        return len(self._listeners)

    def tell(self, subject: str, organization: str, project: str | None, ids: Sequence[str]) -> None:
        """Call it after what has changed is kept, never before."""
        self._last += 1
        change = Change(
            number=self._last,
            subject=subject,
            organization=organization,
            project=project,
            ids=list(ids[:MOST_IDS]),
            count=len(ids),
            moment=datetime.now(UTC),
        )
        self._remembered.append(change)
        for listener in self._listeners:
            listener.offer(change)

    def since(self, number: int) -> Sequence[Change] | None:
        """The changes after this one, None if some of them are forgotten."""
        if not 0 <= number <= self._last:
            return None
        count = self._last - number
        if count > len(self._remembered):
            return None
        return list(self._remembered)[len(self._remembered) - count :]

    def refuse_crowd(self, name: str) -> None:
        """Raise `UnavailableError` if too many listen already, or too many of this name."""
        of_one = sum(listener.name == name for listener in self._listeners)
        if len(self._listeners) >= LISTENERS or of_one >= LISTENERS_OF_ONE:
            raise UnavailableError("too many listen to changes already; close some, or ask later", retry_after_s=30)

    @contextmanager
    def listening(self, name: str, wants: Callable[[Change], bool]) -> Iterator[Listener]:
        """Hear of changes that are wanted, from now on until the block ends."""
        listener = Listener(name, wants)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def wake(self) -> None:
        """Let everybody who listens look whether they still may."""
        for listener in self._listeners:
            listener.wake()

    async def aclose(self) -> None:
        """Let all who listen come to their end."""
        self.is_closed = True
        self.wake()
