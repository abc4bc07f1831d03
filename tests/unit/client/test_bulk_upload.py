"""Many pictures with all the trouble there may be: each is sent, or told with its reason."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from learning_loop_node.client.bulk_upload import TRIES, BulkUpload, Fate, Outcome, Picture, Receiver
from learning_loop_node.client.images import NewImage
from learning_loop_node.errors import (
    BusyError,
    InvalidImageError,
    LoginRefusedError,
    LoopRefusedError,
    LoopUnreachableError,
    NodeError,
    StorageFullError,
)
from tests.clock import ManualClock

BAD = b"bad one"


class Scripted(Receiver):
    """Raises what the script says for each request, and stores each key once. Refuses the bad one in any case."""

    def __init__(self, script: Callable[[int], NodeError | None] = lambda _: None, *, per_request: int = 5) -> None:
        self.per_request = per_request
        self.requests: list[list[bytes]] = []
        self.stored: Counter[str] = Counter()
        self.metadata: list[dict[str, object]] = []
        self._script = script

    async def send(self, images: Sequence[NewImage]) -> Sequence[tuple[Fate, str | None]]:
        self.requests.append([image.content for image in images])
        if error := self._script(len(self.requests)):
            raise error
        if any(image.content == BAD for image in images):
            raise InvalidImageError("no picture")
        fates = [Fate.KNOWN if image.key in self.stored else Fate.STORED for image in images]
        self.stored.update(image.key for image in images)
        self.metadata += [dict(image.metadata) for image in images]
        return [(fate, image.key) for fate, image in zip(fates, images, strict=True)]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    files = [tmp_path / f"{number:02}.jpg" for number in range(12)]
    for number, file in enumerate(files):
        file.write_bytes(b"picture %d" % number)
    return [Picture(file=file) for file in files]


async def test_nothing():
    assert await upload(Scripted(), []) == []


async def test_all_are_stored_and_again_none(pictures: list[Picture]):
    receiver = Scripted()
    outcomes = await upload(receiver, pictures)
    assert [outcome.file for outcome in outcomes] == [picture.file for picture in pictures]
    assert fates(outcomes) == {Fate.STORED: 12}
    assert sorted(map(len, receiver.requests)) == [2, 5, 5]
    assert outcomes[0].image_id == sha256(b"picture 0").hexdigest()
    assert fates(await upload(receiver, pictures)) == {Fate.KNOWN: 12}


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(LoopUnreachableError("nobody there"), id="no connection"),
        pytest.param(BusyError(), id="busy"),
        pytest.param(LoopRefusedError("slow down", status=429), id="429"),
        pytest.param(LoopRefusedError("oh", status=500), id="500"),
        pytest.param(LoopRefusedError("gateway", status=502), id="502"),
    ],
)
async def test_what_may_pass_is_tried_again(pictures: list[Picture], error: NodeError):
    """The first try of each request fails."""
    receiver = Scripted(lambda _: error if receiver.requests.count(receiver.requests[-1]) == 1 else None)
    clock = ManualClock()
    assert fates(await upload(receiver, pictures, clock=clock)) == {Fate.STORED: 12}
    assert set(receiver.stored.values()) == {1}
    assert len(clock.waits) == 3
    assert all(0.5 <= wait <= 3 for wait in clock.waits)


async def test_as_long_as_it_is_asked(pictures: list[Picture]):
    clock = ManualClock()
    asked = LoopRefusedError("later", status=503, retry_after_s=30)
    await upload(Scripted(lambda number: asked if number == 1 else None), pictures, clock=clock)
    assert [30 <= wait <= 31 for wait in clock.waits] == [True]


@pytest.mark.parametrize("bad", [pytest.param([0], id="first"), pytest.param([4, 7, 11], id="some")])
async def test_a_bad_one_costs_itself_only(pictures: list[Picture], bad: list[int]):
    for number in bad:
        pictures[number].file.write_bytes(BAD)
    outcomes = await upload(Scripted(), pictures)
    assert [number for number, outcome in enumerate(outcomes) if outcome.fate is Fate.FAILED] == bad
    assert {str(outcome.error) for outcome in outcomes if outcome.error} == {"no picture"}
    assert fates(outcomes)[Fate.STORED] == 12 - len(bad)


async def test_one_that_breaks_the_server_costs_itself_only(pictures: list[Picture]):
    class Fragile(Scripted):
        async def send(self, images: Sequence[NewImage]) -> Sequence[tuple[Fate, str | None]]:
            if any(image.content == b"picture 3" for image in images):
                raise LoopRefusedError("oh", status=500)
            return await super().send(images)

    outcomes = await upload(Fragile(), pictures)
    assert [outcome.file.name for outcome in outcomes if outcome.fate is Fate.FAILED] == ["03.jpg"]
    assert fates(outcomes)[Fate.STORED] == 11


@pytest.mark.parametrize(
    ("error", "requests"),
    [
        pytest.param(LoginRefusedError("who are you?", status=401), 1, id="login"),
        pytest.param(LoopRefusedError("no such project", status=404), 1, id="no project"),
        pytest.param(StorageFullError(), 1, id="disk full"),
        pytest.param(LoopUnreachableError("nobody there"), TRIES, id="nobody there"),
    ],
)
async def test_gives_up_when_nothing_is_taken(pictures: list[Picture], error: NodeError, requests: int):
    receiver = Scripted(lambda _: error)
    outcomes = await upload(receiver, pictures, at_once=1)
    assert fates(outcomes) == {Fate.FAILED: 12}
    assert {outcome.error for outcome in outcomes} == {error}
    assert len(receiver.requests) == requests


async def test_metadata(pictures: list[Picture], tmp_path: Path):
    (tmp_path / "00.json").write_text('{"tags": ["a", "b"], "source": "sidecar", "state": "review"}')
    (tmp_path / "01.json").write_text("{")
    (tmp_path / "02.json").write_text("[]")
    extra = {"tags": ["b", "c"], "source": "me"}
    with_sidecars = [
        Picture(file=picture.file, sidecar=picture.file.with_suffix(".json"), extra=extra) for picture in pictures[:4]
    ]
    receiver = Scripted()
    good, broken, a_list, missing = await upload(receiver, with_sidecars)
    assert good.fate is Fate.STORED
    assert receiver.metadata == [{"name": "00.jpg", "tags": ["a", "b", "c"], "source": "me", "state": "review"}]
    for outcome, text in ((broken, "01.json: "), (a_list, "must hold a JSON object"), (missing, "cannot be read")):
        assert outcome.fate is Fate.FAILED
        assert text in str(outcome.error)


async def test_a_file_that_is_gone(pictures: list[Picture]):
    pictures[3].file.unlink()
    outcomes = await upload(Scripted(), pictures)
    assert fates(outcomes) == {Fate.STORED: 11, Fate.FAILED: 1}
    assert "03.jpg cannot be read" in str(outcomes[3].error)


async def test_large_ones_go_alone(tmp_path: Path):
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"%d" % number * 9_000_000)
    receiver = Scripted()
    await upload(receiver, [Picture(file=tmp_path / f"{number}.jpg") for number in range(3)])
    assert [len(request) for request in receiver.requests] == [1, 1, 1]


async def upload(
    receiver: Receiver, pictures: Sequence[Picture], *, clock: ManualClock | None = None, at_once: int = 2
) -> list[Outcome]:
    """With each outcome told exactly once."""
    told: list[Outcome] = []
    bulk = BulkUpload(
        receiver, at_once=at_once, clock=clock or ManualClock(), dice=random.Random(1), on_done=told.append
    )
    outcomes = await bulk.send_all(pictures)
    assert sorted(outcome.file for outcome in told) == sorted(outcome.file for outcome in outcomes)
    return outcomes


def fates(outcomes: Sequence[Outcome]) -> Counter[Fate]:
    return Counter(outcome.fate for outcome in outcomes)
