"""Sends what waits in the outbox to the loop, as soon as something does, and outlasts every trouble on the way.

A batch that fails is judged by `verdict.py`. Is it the loop, everything waits and the loop is asked again, at most 20 s
apart. Is it the images, the batch is halved until the bad one stands alone; that one waits by itself and ends in
quarantine after some tries, while the others go on. A try counts as the image's fault only if the loop has accepted
another image since it first failed: a loop that refuses everything puts nothing into quarantine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Container, Sequence
from dataclasses import dataclass

import aiohttp

from ...client.failures import retry_hint_of
from ...client.http import Login, LoopHttp
from ...data_classes import Context
from ...enums import OutboxMode
from ...errors import LoopError, NodeError
from ...runtime.clock import Clock, SystemClock
from ...runtime.periodic import wait_unless
from ...runtime.threads import io_bound
from ...runtime.trouble import Trouble
from .batch import Batch
from .outbox import Outbox
from .store import Content, Item, ItemDamagedError, ItemGoneError, ItemUnreadableError
from .verdict import Verdict, has_answer, is_away, verdict_of

logger = logging.getLogger(__name__)

BATCHES_IN_FLIGHT = 3
BATCH_BYTES = 16_000_000
SLOWEST_BYTES_PER_S = 50_000

PROBE_TIMEOUT_S = 5.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
"""With the time-out of the question itself, the loop is asked at most 20 s apart."""
LONGEST_PAUSE_S = 600.0
REFRESH_S = 30.0
"""How often to look for what was brought or deleted by hand, while there is nothing to do."""

TRIES = 5
FIRST_BACK_OFF_S = 5.0
LONGEST_BACK_OFF_S = 300.0
DOUBTS = 3
"""So many images in a row that fail for the first time, with none accepted in between, put the loop in doubt."""
REMEMBERED = 10_000


@dataclass(slots=True)
class _Failing:
    """An image that failed alone. `since`: how many batches the loop had accepted when that began."""

    since: int
    tries: int = 0
    due: float = 0.0


class Uploader:
    """A service. It takes the outbox as its own: there is one uploader per outbox."""

    name = "outbox upload"

    def __init__(
        self,
        outbox: Outbox,
        http: LoopHttp,
        context: Context,
        clock: Clock | None = None,
        *,
        dice: random.Random | None = None,
    ) -> None:
        self.http = http
        self._outbox = outbox
        self._store = outbox.store
        self._path = f"/{context.organization}/projects/{context.project}/images"
        self._clock = clock or SystemClock()
        self._dice = dice or random.Random()
        self._in_flight: set[Item] = set()
        self._failing: dict[Item, _Failing] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._accepted = 0
        self._doubts = 0
        self._failures = 0
        self._trouble = Trouble(self._clock)
        self._resume_at = self._refresh_at = self._clock.now()
        outbox.uploader = self
        outbox.in_flight = self._in_flight

    async def run(self) -> None:
        await self._outbox.open()
        try:
            async with asyncio.TaskGroup() as group:
                await self._dispatch(group)
        finally:
            self._unmark(list(self._in_flight))

    async def upload_all(self) -> None:
        """Send everything once, without waiting for what fails."""
        await io_bound(self._store.refresh)
        for item in list(self._failing):
            if item not in self._in_flight and not await self._deliver_marked([item]):
                return
        while items := await self._fresh(self._outbox.BATCH_SIZE):
            if not await self._deliver_marked(items):
                return

    async def is_idle_within(self, seconds: float) -> bool:
        """Wait until nothing is on its way, but no longer than this; whether that is so now."""
        await wait_unless(self._idle, seconds, self._clock)
        return self._idle.is_set()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        running: set[asyncio.Task[None]] = set()
        while True:
            self._outbox.changed.clear()
            if self._outbox.get_mode() is OutboxMode.STOPPED:
                await self._outbox.changed.wait()
                continue
            wait_s = self._resume_at - self._clock.now()
            if wait_s <= 0 and (items := await self._next(len(running))):
                self._mark(items)
                task = group.create_task(self._send(items), name=self.name)
                running.add(task)
                task.add_done_callback(running.discard)
                continue
            await self._wait(wait_s if wait_s > 0 else self._until_due())

    # Choosing

    async def _next(self, running_count: int) -> list[Item]:
        """What to send now; one image at a time while the loop is in trouble."""
        if running_count >= (1 if self._failures else BATCHES_IN_FLIGHT):
            return []
        if not self._failures and (item := self._due()):
            return [item]
        items = await self._fresh(1 if self._failures else self._outbox.BATCH_SIZE)
        if not items and (item := self._due()):
            return [item]
        return items

    async def _fresh(self, count: int) -> list[Item]:
        """The next images that have not failed alone."""
        skip = _Either(self._in_flight, self._failing)
        return await io_bound(self._store.first, count, BATCH_BYTES, skip)

    def _due(self) -> Item | None:
        """An image that failed alone and has waited long enough; they go one at a time."""
        if any(item in self._failing for item in self._in_flight):
            return None
        now = self._clock.now()
        return next((item for item, failing in self._failing.items() if failing.due <= now), None)

    def _until_due(self) -> float:
        """How long there is nothing to do, unless something changes; a batch that comes back does."""
        if self._in_flight:
            return REFRESH_S
        now = self._clock.now()
        return min([REFRESH_S, *(max(0.05, failing.due - now) for failing in self._failing.values())])

    async def _wait(self, seconds: float) -> None:
        await wait_unless(self._outbox.changed, seconds, self._clock)
        now = self._clock.now()
        if now >= self._refresh_at:
            self._refresh_at = now + REFRESH_S
            await io_bound(self._store.refresh)

    # Sending

    async def _send(self, items: list[Item]) -> None:
        try:
            if not self._failures or await self._is_answering():
                await self._deliver(items, since=self._accepted)
        finally:
            self._unmark(items)

    async def _deliver_marked(self, items: list[Item]) -> bool:
        self._mark(items)
        try:
            return await self._deliver(items, since=self._accepted)
        finally:
            self._unmark(items)

    def _mark(self, items: list[Item]) -> None:
        self._in_flight.update(items)
        self._idle.clear()

    def _unmark(self, items: list[Item]) -> None:
        self._in_flight.difference_update(items)
        if not self._in_flight:
            self._idle.set()
        self._outbox.changed.set()

    async def _deliver(self, items: Sequence[Item], *, since: int, is_again: bool = False) -> bool:
        """Send items, in halves if need be. False if the loop is in trouble; what was not accepted goes on waiting."""
        batch = await self._pack(items)
        if not batch.items:
            return True
        try:
            await self._post(batch)
        except NodeError as error:
            if self._trouble.is_news(str(error)):
                count = "1 image" if len(batch.items) == 1 else f"{len(batch.items)} images"
                logger.warning("%s could not be uploaded: %s", count, error)
            self._outbox.last_error = str(error)
            self._outbox.counts.retried += len(batch.items)
            verdict = verdict_of(error)
            if verdict is Verdict.LOOP:
                self._go_away(error)
                return False
            if verdict is Verdict.UNCLEAR and not await self._is_answering():
                return False
            if len(batch.items) == 1:
                return await self._blame(batch.items[0], error, verdict, since)
            if not is_again and not has_answer(error):
                return await self._deliver(batch.items, since=since, is_again=True)
            middle = len(batch.items) // 2
            for half in (batch.items[:middle], batch.items[middle:]):
                if not await self._deliver(half, since=since, is_again=True):
                    return False
            return True
        await self._accept(batch.items)
        return True

    async def _pack(self, items: Sequence[Item]) -> Batch:
        """The items as one request; those that are gone or damaged are left out, the damaged go to quarantine."""

        unreadable: dict[Item, ItemUnreadableError] = {}

        def read() -> Batch:
            contents: list[tuple[Item, Content]] = []
            for item in items:
                try:
                    contents.append((item, self._store.read(item)))
                except ItemGoneError:
                    continue
                except ItemDamagedError as error:
                    self._store.quarantine(item, str(error))
                except ItemUnreadableError as error:
                    unreadable[item] = error
            return Batch.of(contents)

        batch = await io_bound(read)
        for item in set(items).difference(batch.items, unreadable):
            self._failing.pop(item, None)
        for item, error in unreadable.items():
            logger.warning("an image cannot be read: %s", error)
            self._outbox.last_error = str(error)
            if self._has_used_up_its_tries(item, since=-1):
                await self._quarantine(item, f"unreadable in {TRIES} tries: {error}")
        return batch

    async def _post(self, batch: Batch) -> None:
        timeout_s = self._outbox.UPLOAD_TIMEOUT_S + len(batch.body) / SLOWEST_BYTES_PER_S
        async with self.http.request(
            "POST",
            self._path,
            login=Login.IF_GIVEN,
            timeout_s=timeout_s,
            data=batch.payload(),
            headers={"Content-Type": batch.content_type},
        ) as answer:
            if answer.status != 200 or answer.content_type == "text/html":
                raise LoopError(
                    f"{answer.url} answered with status {answer.status} and {answer.content_type}, not like a loop; "
                    "is LOOP_HOST right, or is there a login page in between?"
                )
            # The loop has stored the images; if the rest of its answer gets lost, that changes nothing.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await answer.read()

    async def _is_answering(self) -> bool:
        """Whether the loop is there at all."""
        try:
            async with self.http.request("GET", "/status", login=Login.NONE, timeout_s=PROBE_TIMEOUT_S):
                return True
        except NodeError as error:
            if is_away(error):
                self._go_away(error)
                return False
            return True

    # Judging

    async def _accept(self, items: Sequence[Item]) -> None:
        for item in items:
            self._failing.pop(item, None)
        self._trouble.ends()
        if self._failures:
            logger.info("the loop takes images again")
            # What failed while the loop took nothing at all is as good as new.
            self._failing = {item: entry for item, entry in self._failing.items() if entry.since < self._accepted}
        self._accepted += 1
        self._failures = self._doubts = 0
        self._outbox.last_error = None
        # Counted first, so that an empty outbox has counted all; what others removed meanwhile was counted there.
        self._outbox.counts.sent += len(items)
        removed_count = await io_bound(self._store.remove, items)
        self._outbox.counts.sent -= len(items) - removed_count

    async def _blame(self, item: Item, error: NodeError, verdict: Verdict, since: int) -> bool:
        """Note that an image failed alone. False if the loop is in doubt."""
        if self._has_used_up_its_tries(item, since) or verdict is Verdict.REFUSED:
            tries = self._failing[item].tries
            await self._quarantine(
                item, f"refused by the loop after {tries} {'try' if tries == 1 else 'tries'}: {error}"
            )
            return True
        if self._accepted == self._failing[item].since:
            self._doubts += 1
        if self._failures or self._doubts >= DOUBTS:
            self._go_away(error)
            return False
        return True

    def _has_used_up_its_tries(self, item: Item, since: int) -> bool:
        """Count a try of an image and let it wait. Whether it has had enough, and others were accepted meanwhile."""
        failing = self._failing.setdefault(item, _Failing(since))
        failing.tries += 1
        back_off_s = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 4 ** min(failing.tries - 1, 10))
        failing.due = self._clock.now() + back_off_s * self._dice.uniform(0.5, 1)
        if len(self._failing) > REMEMBERED:
            del self._failing[next(iter(self._failing))]
        return failing.tries >= TRIES and self._accepted > failing.since

    async def _quarantine(self, item: Item, reason: str) -> None:
        del self._failing[item]
        await io_bound(self._store.quarantine, item, reason)

    def _go_away(self, error: NodeError) -> None:
        """Let the loop alone for a while: a random time with a growing limit, or as long as it asked for."""
        self._outbox.last_error = str(error)
        if self._trouble.is_news(str(error)):
            logger.warning("the loop takes no images now, they wait: %s", error)
        now = self._clock.now()
        self._failures += self._resume_at <= now
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures, 10))
        wait_s = self._dice.uniform(0, longest_s)
        if (asked_s := retry_hint_of(error)) is not None:
            wait_s += min(asked_s, LONGEST_PAUSE_S)
        self._resume_at = max(self._resume_at, now + wait_s)


class _Either:
    """What is in one container or the other."""

    def __init__(self, first: Container[Item], second: Container[Item]) -> None:
        self._first = first
        self._second = second

    def __contains__(self, item: object) -> bool:
        return item in self._first or item in self._second
