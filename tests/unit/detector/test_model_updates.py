from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Context, ModelInformation
from learning_loop_node.detector.model_store import ModelStore
from learning_loop_node.detector.model_updates import ModelUpdates
from learning_loop_node.enums import VersionMode
from learning_loop_node.errors import BadModeError, ModelRefusedError
from learning_loop_node.settings import DetectorSettings, LoopSettings
from tests.builders import make_model_information
from tests.clock import ManualClock
from tests.models import model_zip, write_model
from tests.stand_in import Answer, StandIn, break_off, stand_in

P = "/api/zauberzeug/projects/demo"
TARGET = f"GET {P}/deployment/target"
MODELS = f"GET {P}/models"


@dataclass
class Host:
    """Serves any model, except those that cannot be built."""

    loaded: ModelInformation | None = None
    failing: dict[str, type[Exception]] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)

    async def replace(self, information: ModelInformation) -> None:
        self.built.append(information.version)
        if error := self.failing.get(information.version):
            raise error(f"cannot build {information.version}")
        self.loaded = information


@dataclass
class Bench:
    """A loop, a host, and the updates between them."""

    loop: StandIn
    host: Host
    updates: ModelUpdates
    store: ModelStore
    clock: ManualClock
    folder: Path
    is_idle: bool = True

    def offer(self, version: str, *answers: web.Response | Answer) -> None:
        """Let the loop want this version, and answer its download like this."""
        self.loop.on(TARGET, web.json_response({"model_uuid": id_of(version), "version": version}))
        self.loop.on(file_call(version), *(answers or (archive(version),)))

    async def cycles(self, count: int = 1) -> list[float]:
        """Let this many cycles pass; returns the waits after them."""
        before = len(self.clock.waits)
        self.clock.stop_after(count)
        with pytest.raises(asyncio.CancelledError):
            await self.updates.run()
        self.clock.advance(self.clock.waits[-1])
        return self.clock.waits[before:]

    def downloads(self, version: str) -> int:
        return self.loop.count(file_call(version))

    @property
    def version(self) -> str | None:
        return self.host.loaded.version if self.host.loaded else None


def id_of(version: str) -> str:
    return f"id-of-{version}"


def file_call(version: str) -> str:
    return f"GET {P}/models/{id_of(version)}/mocked/file"


def archive(version: str, **changes: str) -> web.Response:
    content = model_zip(make_model_information(id=id_of(version), version=version), **changes)
    return web.Response(body=content, headers={"X-Content-SHA256": hashlib.sha256(content).hexdigest()})


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Bench]:
    host, store = Host(), ModelStore(tmp_path)
    context = Context(organization="zauberzeug", project="demo")
    async with stand_in() as loop, LoopHttp(LoopSettings(host=loop.host), clock) as http:
        updates = ModelUpdates(
            store=store,
            client=LoopClient(http, context),
            host=host,
            model_format="mocked",
            context=context,
            settings=DetectorSettings(),
            is_idle=lambda: made.is_idle,
            clock=clock,
            dice=random.Random(0),
        )
        made = Bench(loop, host, updates, store, clock, tmp_path)
        yield made


async def test_without_a_target_nothing_happens(bench: Bench) -> None:
    assert await bench.cycles(3) == [5, 5, 5]
    assert bench.updates.loop_deployment_target is None
    assert bench.updates.errors == {}
    assert bench.host.built == []


async def test_follows_the_deployment_target(bench: Bench) -> None:
    bench.offer("1.0")
    await bench.cycles(2)
    bench.offer("1.1")
    await bench.cycles(2)
    assert bench.host.built == ["1.0", "1.1"]
    assert bench.updates.target_model == bench.updates.loop_deployment_target
    assert bench.store.local_versions() == ["1.0", "1.1"]
    assert (bench.folder / "current_model").resolve() == bench.folder / "models" / "1.1"


async def test_a_model_on_disk_is_not_downloaded_again(bench: Bench) -> None:
    for version in ("1.0", "1.1", "1.0"):
        bench.offer(version)
        await bench.cycles()
    assert bench.version == "1.0"
    assert bench.downloads("1.0") == 1


async def test_a_folder_with_another_model_is_replaced(bench: Bench) -> None:
    write_model(bench.folder / "models" / "1.0", make_model_information(id="another"))
    bench.offer("1.0")
    await bench.cycles()
    assert bench.host.loaded
    assert bench.host.loaded.id == id_of("1.0")


async def test_does_nothing_while_it_must_not_interrupt(bench: Bench) -> None:
    bench.offer("1.0")
    bench.is_idle = False
    await bench.cycles(3)
    assert bench.loop.requests == []


async def test_does_not_swap_if_a_detection_began_during_the_download(bench: Bench) -> None:
    async def busy_meanwhile(_: web.Request) -> web.StreamResponse:
        bench.is_idle = False
        return archive("1.0")

    bench.offer("1.0", busy_meanwhile)
    await bench.cycles()
    assert bench.host.built == []
    bench.is_idle = True
    await bench.cycles()
    assert bench.version == "1.0"
    assert bench.downloads("1.0") == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"model_uuid": None, "version": None}, id="nulls"),
        pytest.param({"model_uuid": "x", "version": "../../etc"}, id="path as version"),
        pytest.param([], id="list"),
    ],
)
async def test_a_target_that_makes_no_sense(bench: Bench, answer: object) -> None:
    bench.offer("1.0")
    await bench.cycles()
    bench.loop.on(TARGET, web.json_response(answer))
    await bench.cycles(2)
    assert bench.version == "1.0"
    assert bench.updates.errors == {}


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        pytest.param(404, {"detail": "Not Found"}, "zauberzeug/demo has no deployed model yet", id="another loop"),
        pytest.param(
            404, {"detail": "none", "code": "no_target"}, "has no deployed model yet", id="nobody has deployed"
        ),
        pytest.param(404, {"detail": "no project demo", "code": "not_found"}, "^no project demo$", id="no project"),
        pytest.param(403, {"detail": "not for you"}, "^not for you$", id="refused"),
        pytest.param(200, {"model_uuid": "x", "version": "../etc"}, "version", id="no version"),
    ],
)
async def test_says_why_the_wanted_model_is_not_known(bench: Bench, status: int, answer: object, expected: str) -> None:
    bench.loop.on(TARGET, web.json_response(answer, status=status))
    await bench.cycles(2)
    assert re.search(expected, bench.updates.target_problem or "")
    assert bench.updates.errors == {}
    bench.offer("1.0")
    await bench.cycles(2)
    assert bench.updates.target_problem is None
    assert bench.version == "1.0"


async def test_says_once_that_nobody_has_deployed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await bench.cycles(3)
    (line,) = [record.message for record in caplog.records if "deployed" in record.message]
    assert line == ("zauberzeug/demo has no deployed model yet; deploy one with `learning-loop models deploy VERSION`")


async def test_a_loop_that_is_away_is_probed_at_most_20_seconds_apart(bench: Bench) -> None:
    bench.loop.on(TARGET, break_off)
    waits = await bench.cycles(20)
    assert all(2.5 <= wait <= 20 for wait in waits)
    assert len(set(waits)) == 20
    assert max(waits[:1]) <= 5 < max(waits[5:])
    bench.offer("1.0")
    assert await bench.cycles() == [5]
    assert bench.version == "1.0"


async def test_trouble_with_the_download_is_tried_again_after_growing_pauses(bench: Bench) -> None:
    tries: list[float] = []

    async def broken(_: web.Request) -> web.StreamResponse:
        tries.append(bench.clock.now())
        return web.Response(status=500)

    bench.offer("1.0", broken)
    await bench.cycles(300)
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    for pause, longest in zip(pauses, (5, 10, 20, 40, 80, 160, 300, 300), strict=False):
        assert 0.8 * longest <= pause <= longest + 5
    assert "not there yet" in bench.updates.errors["update_model"]
    bench.offer("1.0")
    await bench.cycles(61)
    assert bench.version == "1.0"
    assert bench.updates.errors == {}


async def test_a_new_target_does_not_wait_for_the_pause_of_the_old_one(bench: Bench) -> None:
    bench.offer("1.0", web.Response(status=500))
    await bench.cycles(100)
    bench.offer("1.1")
    await bench.cycles()
    assert bench.version == "1.1"


async def test_the_loop_may_ask_for_a_longer_pause(bench: Bench) -> None:
    bench.offer("1.0", web.Response(status=429, headers={"Retry-After": "60"}), archive("1.0"))
    await bench.cycles(12)
    assert bench.downloads("1.0") == 1
    await bench.cycles()
    assert bench.version == "1.0"


async def test_a_format_that_is_converted_later(bench: Bench) -> None:
    bench.offer("1.0", web.json_response({"detail": "not in format mocked", "code": "not_found"}, status=404))
    await bench.cycles(3)
    assert "not in format mocked" in bench.updates.errors["update_model"]
    bench.offer("1.0")
    await bench.cycles(10)
    assert bench.version == "1.0"


WRONG_HASH = web.Response(body=b"PK other", headers={"X-Content-SHA256": "0" * 64})
PAGE = web.Response(text="<html>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        pytest.param(WRONG_HASH, 2, id="wrong hash"),
        pytest.param(web.Response(body=b"no zip"), 1, id="no zip"),
        pytest.param(archive("1.1", id="another"), 1, id="another model"),
        pytest.param(archive("1.1", resolution="large"), 1, id="unusable model.json"),
    ],
)
async def test_what_is_refused_waits_for_a_new_target(bench: Bench, answer: web.Response, tries: int) -> None:
    bench.offer("1.0")
    await bench.cycles()
    bench.offer("1.1", answer)
    await bench.cycles(200)
    assert bench.downloads("1.1") == tries
    assert "refused" in bench.updates.errors["update_model"]
    assert bench.updates.refused_count == 1
    assert bench.version == "1.0"
    bench.offer("1.2")
    await bench.cycles()
    assert bench.version == "1.2"
    assert bench.updates.errors == {}


async def test_what_is_refused_is_tried_again_if_asked(bench: Bench) -> None:
    bench.offer("1.0", web.Response(body=b"no zip"))
    await bench.cycles(5)
    bench.offer("1.0")
    await bench.cycles(5)
    assert bench.host.built == []
    bench.updates.retry()
    await bench.cycles()
    assert bench.version == "1.0"
    assert bench.updates.errors == {}


async def test_a_page_instead_of_an_archive_is_trouble_on_the_way(bench: Bench) -> None:
    bench.offer("1.0", PAGE, PAGE, PAGE, archive("1.0"))
    await bench.cycles(20)
    assert bench.version == "1.0"


async def test_a_model_that_cannot_be_built_is_tried_twice(bench: Bench) -> None:
    bench.offer("1.0")
    await bench.cycles()
    bench.host.failing["1.1"] = ModelRefusedError
    bench.offer("1.1")
    await bench.cycles(100)
    assert bench.host.built == ["1.0", "1.1", "1.1"]
    assert bench.version == "1.0"
    assert "cannot build 1.1" in bench.updates.errors["update_model"]
    assert (bench.folder / "current_model").resolve().name == "1.0"
    bench.host.failing.clear()
    bench.updates.retry()
    await bench.cycles()
    assert bench.version == "1.1"


async def test_a_model_on_disk_that_cannot_be_built_is_downloaded_again(bench: Bench) -> None:
    damaged = make_model_information(id=id_of("1.0"))
    write_model(bench.folder / "models" / "1.0", damaged, weights="damaged")
    bench.host.failing["1.0"] = ModelRefusedError
    bench.offer("1.0")
    await bench.cycles()
    bench.host.failing.clear()
    await bench.cycles(2)
    assert bench.downloads("1.0") == 1
    assert (bench.folder / "models/1.0/weights.bin").read_text() == "weights"


async def test_a_disk_that_refuses_is_trouble_that_may_pass(bench: Bench) -> None:
    in_the_way = bench.folder / "model_staging"
    in_the_way.write_text("")
    bench.offer("1.0")
    await bench.cycles(3)
    assert "cannot be written" in bench.updates.errors["update_model"]
    in_the_way.unlink()
    await bench.cycles(10)
    assert bench.version == "1.0"


async def test_a_broken_transfer_goes_on_where_it_broke_off(bench: Bench) -> None:
    whole = archive("1.0")
    assert isinstance(whole.body, bytes)
    content = whole.body
    announced = {"ETag": '"1"', "X-Content-SHA256": whole.headers["X-Content-SHA256"]}
    ranges: list[str | None] = []

    async def half_then_rest(request: web.Request) -> web.StreamResponse:
        ranges.append(request.headers.get("Range"))
        if ranges[-1] is None:
            answer = web.StreamResponse(headers=announced | {"Content-Length": str(len(content))})
            await answer.prepare(request)
            await answer.write(content[:100])
            await until(lambda: size_of_part(bench) == 100)
            return await break_off(request)
        place = {"Content-Range": f"bytes 100-{len(content) - 1}/{len(content)}"}
        return web.Response(body=content[100:], status=206, headers=announced | place)

    bench.offer("1.0", half_then_rest)
    await bench.cycles(5)
    assert bench.version == "1.0"
    assert ranges == [None, "bytes=100-"]


async def test_a_fixed_version(bench: Bench) -> None:
    bench.offer("1.0")
    bench.loop.on(MODELS, web.json_response({"models": [{"id": id_of("0.9"), "version": "0.9"}, {"id": "x"}]}))
    bench.loop.on(file_call("0.9"), archive("0.9"))
    await bench.updates.set_version_mode("0.9")
    await bench.cycles(2)
    assert bench.updates.version_control is VersionMode.SpecificVersion
    assert bench.version == "0.9"
    assert bench.updates.loop_deployment_target
    assert bench.updates.loop_deployment_target.version == "1.0"
    assert bench.loop.count(MODELS) == 1
    await bench.updates.set_version_mode("follow_loop")
    await bench.cycles()
    assert bench.version == "1.0"


async def test_a_fixed_version_on_disk_needs_no_answer_of_the_loop(bench: Bench) -> None:
    bench.offer("1.0")
    await bench.cycles()
    bench.offer("1.1")
    await bench.cycles()
    bench.loop.on(MODELS, web.json_response({"detail": "guests may not list models"}, status=403))
    await bench.updates.set_version_mode("1.0")
    await bench.cycles()
    assert bench.updates.version_control is VersionMode.SpecificVersion
    assert bench.version == "1.0"


@pytest.mark.parametrize(
    ("text", "answer", "message", "mode"),
    [
        ("", {"models": []}, "Invalid version number", VersionMode.FollowLoop),
        ("latest", {"models": []}, "Invalid version number", VersionMode.FollowLoop),
        ("../1", {"models": []}, "Invalid version number", VersionMode.FollowLoop),
        (
            "7.0",
            {"models": []},
            r"^No Model with version 7.0; the node now stays with its model \(pause\)$",
            VersionMode.Pause,
        ),
        ("1.0", {"models": [{"id": "a", "version": "1.0"}] * 2}, "^Multiple models with version", VersionMode.Pause),
        (
            "1.0",
            "nonsense",
            r"^Failed to load models from learning loop: .*stays with its model \(pause\)$",
            VersionMode.Pause,
        ),
    ],
)
async def test_versions_that_cannot_be_fixed(
    bench: Bench, text: str, answer: object, message: str, mode: VersionMode
) -> None:
    bench.loop.on(MODELS, web.json_response(answer))
    with pytest.raises(BadModeError, match=message):
        await bench.updates.set_version_mode(text)
    assert bench.updates.version_control is mode


async def test_pause_keeps_the_model(bench: Bench) -> None:
    bench.offer("1.0")
    await bench.cycles()
    await bench.updates.set_version_mode("pause")
    bench.offer("1.1")
    await bench.cycles(3)
    assert bench.version == "1.0"
    assert bench.updates.loop_deployment_target
    assert bench.updates.loop_deployment_target.version == "1.1"


async def test_a_download_that_is_no_longer_wanted_ends(bench: Bench) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await bench.updates.set_version_mode("pause")
        while True:
            await answer.write(b"x")

    bench.offer("1.0", endless)
    await bench.cycles(3)
    assert bench.downloads("1.0") == 1
    assert bench.host.built == []
    assert bench.updates.errors == {}


async def test_starts_with_the_last_model_without_the_loop(bench: Bench) -> None:
    write_model(bench.folder / "models" / "1.0")
    (bench.folder / "current_model").symlink_to("models/1.0")
    await bench.updates.load_current()
    assert bench.version == "1.0"
    assert (bench.folder / "model").resolve().name == "1.0"
    assert bench.loop.requests == []


async def test_starts_with_an_older_model_if_the_last_one_cannot_be_built(bench: Bench) -> None:
    for version in ("1.0", "1.1"):
        bench.offer(version)
        await bench.cycles()
    bench.host.failing["1.1"] = ModelRefusedError
    bench.host.loaded = None
    await bench.updates.load_current()
    assert bench.version == "1.0"
    assert "1.1" in bench.updates.errors["update_model"]


async def test_starts_without_a_model(bench: Bench) -> None:
    await bench.updates.load_current()
    assert bench.version is None


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def size_of_part(bench: Bench) -> int:
    return sum(part.stat().st_size for part in bench.folder.glob("model_staging/*.part"))
