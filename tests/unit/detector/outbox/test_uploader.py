"""The uploader against a loop with a script: who is to blame, who waits, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from learning_loop_node.data_classes import Context, ImageMetadata
from learning_loop_node.detector.outbox import Outbox
from learning_loop_node.detector.outbox.memory_store import MemoryStore
from learning_loop_node.detector.outbox.store import Content, Item, ItemUnreadableError
from learning_loop_node.detector.outbox.uploader import LONGEST_WAIT_S, PROBE_TIMEOUT_S, Uploader
from learning_loop_node.settings import OutboxSettings, Settings
from tests.builders import jpeg
from tests.clock import ManualClock

from .loops import LOST, OK, UNREACHABLE, Answer, ScriptedLoop, Upload

CONTEXT = Context(organization="zauberzeug", project="demo")


class PatientClock(ManualClock):
    """Time stands still while something is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: Container[Item] = ()

    async def sleep(self, seconds: float) -> None:
        quiet_rounds = 0
        while quiet_rounds < 10:
            quiet_rounds = 0 if self.busy else quiet_rounds + 1
            await asyncio.sleep(0)
        await super().sleep(seconds)


class Rig:
    """An outbox in memory, a loop with a script, and the uploader between them."""

    def __init__(self, seed: int = 1, store: MemoryStore | None = None) -> None:
        self.clock = PatientClock()
        self.store = store or MemoryStore()
        self.outbox = Outbox(self.store, Settings(outbox=OutboxSettings(max_size=10_000, min_free_bytes=0)))
        self.loop = ScriptedLoop(self.clock)
        dice = random.Random(seed)
        self.uploader = Uploader(self.outbox, self.loop, CONTEXT, self.clock, dice=dice)
        self.clock.busy = self.outbox.in_flight

    def put(self, count: int, *, is_priority: bool = False) -> list[str]:
        """Put images into the store and return their keys."""
        items = [self.store.add(b"image %d" % index, b"{}", is_priority=is_priority) for index in range(count)]
        return [self.store.read(item).key for item in items]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.uploader.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.outbox.aclose()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0)

    def is_empty(self) -> bool:
        return not self.store.usage().items


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_nothing_to_send_asks_nobody(rig: Rig):
    async with rig.running():
        await rig.until(lambda: rig.clock.now() > 100)
    assert rig.loop.asked_at == []
    assert rig.loop.got.tries == []


async def test_sends_at_once_what_is_saved(rig: Rig):
    async with rig.running():
        await rig.outbox.save(jpeg(), ImageMetadata(tags=["a"]))
        await rig.until(rig.is_empty)
    [upload] = rig.loop.got.tries
    metadata, image = upload.parts
    assert metadata.file_name.startswith("image_20")
    assert metadata.file_name.endswith(".json")
    assert metadata.content_type == "text/plain; charset=utf-8"
    assert b'"tags":["a"]' in metadata.data
    assert image.file_name == metadata.file_name.replace(".json", ".jpg")
    assert (image.content_type, image.data) == ("image/jpeg", jpeg())
    assert len(image.key) == 32
    assert image.key == metadata.key
    assert rig.outbox.status().sent == 1


async def test_priority_goes_first_in_order_then_the_newest(rig: Rig):
    normal, priority = rig.put(30), rig.put(5, is_priority=True)
    await rig.uploader.upload_all()
    assert [key for upload in rig.loop.got.tries for key in upload.keys] == priority + normal[::-1]
    assert [len(upload.keys) for upload in rig.loop.got.tries] == [20, 15]


async def test_several_batches_are_on_their_way_at_once(rig: Rig):
    rig.put(200)
    rig.loop.together = 3
    async with rig.running():
        await rig.until(rig.is_empty)
    assert rig.loop.most_in_flight == 3
    assert set(rig.loop.got.arrivals.values()) == {1}
    assert rig.outbox.status().sent == 200


async def test_batches_are_bounded_by_bytes(rig: Rig):
    for _ in range(5):
        rig.store.add(bytes(7_000_000), b"{}", is_priority=False)
    await rig.uploader.upload_all()
    assert [len(upload.keys) for upload in rig.loop.got.tries] == [2, 2, 1]


@pytest.mark.parametrize(("count", "said"), [(1, "1 image could not"), (2, "2 images could not")])
async def test_says_how_many_could_not_be_uploaded(rig: Rig, caplog: pytest.LogCaptureFixture, count: int, said: str):
    rig.put(count)
    rig.loop.answer = lambda _: UNREACHABLE
    await rig.uploader.upload_all()
    assert said in caplog.text


async def test_a_loop_that_is_away_is_asked_often_but_not_steadily(rig: Rig):
    keys = rig.put(1000)
    rig.loop.status = lambda: UNREACHABLE
    rig.loop.answer = lambda _: UNREACHABLE
    async with rig.running():
        await rig.until(lambda: rig.clock.now() > 1200)
        gaps = [later - earlier for earlier, later in pairwise(rig.loop.asked_at[5:])]
        assert max(gaps) + PROBE_TIMEOUT_S <= 20
        assert len({round(gap, 3) for gap in gaps}) > len(gaps) / 2
        assert rig.outbox.status().last_error == "no connection"
        assert rig.outbox.status().quarantined == 0
        returned_at, rig.loop.status, rig.loop.answer = rig.clock.now(), lambda: OK, lambda _: OK
        rig.loop.uploaded_at.clear()
        await rig.until(rig.is_empty)
    assert rig.loop.uploaded_at[0] - returned_at <= LONGEST_WAIT_S + PROBE_TIMEOUT_S
    assert rig.loop.got.stored.keys() == set(keys)
    assert rig.outbox.status().last_error is None


@pytest.mark.parametrize("status", [429, 503])
async def test_waits_as_long_as_the_loop_asks(rig: Rig, status: int):
    rig.put(3)
    answers = iter([Answer(status=status, retry_after="120")])
    rig.loop.answer = lambda _: next(answers, OK)
    async with rig.running():
        await rig.until(rig.is_empty)
    first, second, *_ = rig.loop.uploaded_at
    assert 120 <= second - first <= 140
    assert rig.outbox.status().quarantined == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(status=401), id="wrong login"),
        pytest.param(Answer(status=403), id="not allowed"),
        pytest.param(Answer(status=404), id="no such project"),
        pytest.param(Answer(status=302), id="redirected"),
        pytest.param(Answer(status=500), id="server broken"),
        pytest.param(Answer(status=502), id="proxy without server"),
        pytest.param(Answer(status=507), id="disk of the loop full"),
        pytest.param(Answer(status=400), id="everything refused"),
        pytest.param(Answer(content_type="text/html"), id="login page"),
        pytest.param(UNREACHABLE, id="connection breaks"),
    ],
)
async def test_trouble_of_the_whole_loop_costs_no_image(rig: Rig, answer: Answer):
    keys = rig.put(50)
    rig.loop.answer = lambda _: answer
    async with rig.running():
        await rig.until(lambda: rig.clock.now() > 1500)
        status = rig.outbox.status()
        assert (status.items, status.quarantined, status.dropped) == (50, 0, {})
        assert status.last_error
        rig.loop.answer = lambda _: OK
        await rig.until(rig.is_empty)
    assert rig.loop.got.stored.keys() == set(keys)


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        pytest.param(Answer(status=422), 1, id="refused for good"),
        pytest.param(Answer(status=400), 5, id="refused"),
        pytest.param(Answer(status=413), 5, id="too large"),
        pytest.param(Answer(status=500), 5, id="breaks the server"),
        pytest.param(UNREACHABLE, 5, id="kills the request"),
    ],
)
async def test_a_bad_image_costs_only_itself(rig: Rig, answer: Answer, tries: int):
    keys = rig.put(300)
    poison = set(keys[::100])
    rig.loop.answer = lambda upload: answer if poison & set(upload.keys) else OK
    async with rig.running():
        await rig.until(rig.is_empty)
    assert rig.loop.got.stored.keys() == set(keys) - poison
    assert rig.outbox.status().quarantined == len(poison)
    assert len(rig.store.reasons) == len(poison)
    assert all(f"after {tries} tr" in reason for reason in rig.store.reasons.values())


async def test_a_bad_image_waits_longer_after_each_try(rig: Rig):
    [bad] = rig.put(1)
    rig.put(1)
    rig.loop.answer = lambda upload: Answer(status=500) if bad in upload.keys else OK
    async with rig.running():
        await rig.until(rig.is_empty)
    alone = [at for at, upload in zip(rig.loop.uploaded_at, rig.loop.got.tries, strict=True) if upload.keys == [bad]]
    waits = [later - earlier for earlier, later in pairwise(alone)]
    assert len(waits) == 4
    assert all(low <= wait <= high + 1 for wait, (low, high) in zip(waits, BACK_OFFS, strict=True))


BACK_OFFS = [(2.5, 5), (10, 20), (40, 80), (150, 300)]


async def test_a_lost_answer_is_no_second_image(rig: Rig):
    keys = rig.put(5)
    answers = iter([LOST])
    rig.loop.answer = lambda _: next(answers, OK)
    async with rig.running():
        await rig.until(rig.is_empty)
    assert rig.loop.got.arrivals == dict.fromkeys(keys, 2)
    assert rig.loop.got.stored.keys() == set(keys)


@pytest.mark.parametrize("seed", range(3))
async def test_a_third_of_all_tries_may_fail(seed: int):
    rig = Rig(seed)
    keys = rig.put(400)
    dice = random.Random(seed)
    faults = [LOST, UNREACHABLE, Answer(status=500), Answer(status=503, retry_after="1"), Answer(status=502)]
    rig.loop.answer = lambda _: dice.choice(faults) if dice.random() < 0.3 else OK
    async with rig.running():
        await rig.until(rig.is_empty)
    assert rig.loop.got.stored.keys() == set(keys)
    assert rig.outbox.status().quarantined == 0
    assert rig.loop.got.arrivals.total() <= 1.6 * len(keys)


async def test_stops_after_the_running_batch_and_starts_again(rig: Rig):
    async with rig.running():
        await rig.outbox.set_mode("stopped")
        assert rig.outbox.get_mode() == "stopped"
        rig.put(3)
        rig.outbox.changed.set()
        for _ in range(200):
            await asyncio.sleep(0)
        assert rig.loop.got.tries == []
        await rig.outbox.set_mode("continuous_upload")
        await rig.until(rig.is_empty)
    assert len(rig.loop.got.tries) == 1


async def test_an_unknown_mode_is_a_value_error(rig: Rig):
    with pytest.raises(ValueError, match="'often' is not a valid OutboxMode"):
        await rig.outbox.set_mode("often")


async def test_what_is_deleted_meanwhile_is_left_out(rig: Rig):
    keys = rig.put(3)
    first, second, third = rig.store.first(3, 100)

    def answer(_: Upload) -> Answer:
        rig.store.remove([second])
        return OK

    rig.loop.answer = answer
    rig.store.remove([first])
    await rig.uploader.upload_all()
    assert third in rig.store.first(1, 100) or rig.is_empty()
    assert set(keys[:2]) >= rig.loop.got.stored.keys()


class BadSector(MemoryStore):
    """One image cannot be read; `tries_left` says how often not."""

    def __init__(self, tries_left: int) -> None:
        super().__init__()
        self.bad: Item | None = None
        self.tries_left = tries_left

    def read(self, item: Item) -> Content:
        if item == self.bad and self.tries_left:
            self.tries_left -= 1
            raise ItemUnreadableError("image.jpg: Input/output error")
        return super().read(item)


@pytest.mark.parametrize(
    ("failures", "quarantined"), [pytest.param(4, 0, id="for a while"), pytest.param(5, 1, id="for good")]
)
async def test_an_image_that_cannot_be_read_is_tried_again(failures: int, quarantined: int):
    store = BadSector(failures)
    rig = Rig(store=store)
    rig.put(5)
    store.bad = store.oldest()
    async with rig.running():
        await rig.until(rig.is_empty)
    assert rig.outbox.status().quarantined == quarantined
    assert rig.outbox.status().sent == 5 - quarantined
