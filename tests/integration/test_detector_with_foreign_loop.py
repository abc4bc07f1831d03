"""Our detector with a loop that knows no image keys, no ranges, no hashes: nothing is lost, and it is left in peace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.data_classes import Context
from learning_loop_node.detector.outbox import Outbox
from learning_loop_node.detector.outbox.uploader import Uploader
from learning_loop_node.runtime.services import supervise
from learning_loop_node.settings import LoopSettings, Settings
from tests.builders import jpeg, make_settings
from tests.clock import HurriedClock
from tests.foreign_loop import PASSWORD, USERNAME, ForeignLoop, Trouble, foreign_loop
from tests.loop import ORGANIZATION
from tests.nodes import RunningNode, running_node
from tests.polling import until
from tests.stand_in import break_off

PROJECT = "strange"
IMAGES = "/images"
PICTURES = [jpeg(seed=seed) for seed in range(25)]
LOGIN_PAGE = "<!doctype html><title>Log in</title><form method=post><input name=user></form>"


def answering(status: int, text: str = "", content_type: str = "text/plain", **headers: str) -> Trouble:
    """Read the request, store nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        headers_ = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, content_type=content_type, headers=headers_)

    return answer


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(answering(429, "slow down"), id="429"),
        pytest.param(answering(429, Retry_After="1"), id="429 with a pause"),
        pytest.param(answering(500, "<h1>Internal Server Error</h1>", "text/html"), id="500 as a page"),
        pytest.param(answering(502, "<h1>Bad Gateway</h1>", "text/html"), id="502 as a page"),
        pytest.param(answering(503, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), id="503 with a date long past"),
        pytest.param(answering(401, "Not logged in"), id="401"),
        pytest.param(answering(200, LOGIN_PAGE, "text/html"), id="login page with 200"),
        pytest.param(answering(302, Location="/login"), id="redirection to a login"),
        pytest.param(answering(201), id="201"),
        pytest.param(break_off, id="connection broken before anything is stored"),
    ],
)
async def test_each_image_arrives_exactly_once(tmp_path: Path, trouble: Trouble):
    async with strange_loop() as loop, hurried_outbox(loop, tmp_path) as outbox:
        loop.trouble(IMAGES, *[trouble] * 4)
        await save_all(outbox, PICTURES)
        await until(lambda: outbox.status().items == 0)
        assert counted(loop) == Counter(map(hash_of, PICTURES))
        assert (outbox.status().sent, outbox.status().quarantined) == (len(PICTURES), 0)
        assert loop.complaints == []


async def test_an_answer_that_is_lost_after_storing_repeats_this_batch_only(tmp_path: Path):
    """A loop that compares no keys cannot do better."""
    async with strange_loop() as loop, hurried_outbox(loop, tmp_path) as outbox:

        async def store_and_break_off(request: web.Request) -> web.StreamResponse:
            await loop.take_images(request, loop.projects[PROJECT])
            return await break_off(request)

        loop.trouble(IMAGES, store_and_break_off)
        await save_all(outbox, PICTURES)
        await until(lambda: outbox.status().items == 0)
        stored = counted(loop)
        assert stored.keys() == set(map(hash_of, PICTURES))
        assert sum(stored.values()) <= len(PICTURES) + outbox.BATCH_SIZE
        assert set(stored.values()) <= {1, 2}


async def test_an_image_that_it_refuses_costs_itself_only(tmp_path: Path):
    async with strange_loop() as loop, node_of(loop, tmp_path) as node:
        await node.node.outbox.set_mode("stopped")
        await keep_all(node, PICTURES[:10])
        loop.unwanted.add(hash_of(PICTURES[4]))
        await node.node.outbox.set_mode("continuous_upload")
        await until(lambda: node.node.outbox.status().items == 0)
        assert counted(loop) == Counter(hash_of(picture) for picture in PICTURES[:10] if picture != PICTURES[4])
        [folder] = (tmp_path / "outbox" / "quarantine").iterdir()
        assert "cannot read image" in (folder / "reason.txt").read_text()


async def test_a_model_whose_transfer_breaks_is_fetched_anew(tmp_path: Path):
    async def begin_and_break_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Disposition": "attachment; filename=a.zip"})
        await answer.prepare(request)
        await answer.write(b"PK\x03\x04 half a zip")
        return await break_off(request)

    async with strange_loop() as loop:
        loop.trouble("/mocked/file", begin_and_break_off, answering(502, LOGIN_PAGE, "text/html"))
        loop.trouble("/mocked/file", answering(200, LOGIN_PAGE, "text/html"))
        async with node_of(loop, tmp_path, has_model=False) as node:
            for tries in (1, 2, 3):
                await until(lambda tries=tries: bool(node.node.model_updates.errors) and loop.count("/file") == tries)  # type: ignore[misc]
                node.node.model_updates.retry()
            await until(lambda: node.node.active_model.loaded is not None)
    assert loop.count("/mocked/file") == 4
    assert loop.complaints == []


async def test_a_session_that_ended_is_renewed_once(tmp_path: Path):
    async with strange_loop() as loop, node_of(loop, tmp_path) as node, DetectorClient(node.url) as client:
        statuses = loop.projects[PROJECT].statuses
        await until(lambda: bool(statuses))
        logins = loop.count("/login")
        loop.sessions.clear()
        for _ in range(3):
            before = len(statuses)
            await client.set_operation_mode("idle")  # which is told to the loop
            await until(lambda before=before: len(statuses) > before)  # type: ignore[misc]
        assert loop.count("/login") == logins + 1
    assert loop.complaints == []


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(answering(429, "slow down"), id="429"),
        pytest.param(answering(401, "Not logged in"), id="401 for all"),
        pytest.param(answering(200, LOGIN_PAGE, "text/html"), id="login page for all"),
        pytest.param(break_off, id="connections that break"),
    ],
)
async def test_no_storm_of_requests_while_it_answers_nothing(tmp_path: Path, trouble: Trouble):
    """Of 20 images in the outbox, a model that is wanted, and a status that is due."""
    async with strange_loop() as loop:
        loop.always = trouble
        async with node_of(loop, tmp_path, has_model=False) as node:
            await keep_all(node, PICTURES[:20])
            began = asyncio.get_running_loop().time()
            await until(lambda: asyncio.get_running_loop().time() > began + 1)
            assert 0 < len(loop.requests) <= 25, Counter(loop.requests)
            assert node.node.outbox.status().items == 20


# Helpers


@asynccontextmanager
async def strange_loop() -> AsyncIterator[ForeignLoop]:
    async with foreign_loop() as loop:
        loop.add_model(PROJECT, "1.0")
        yield loop


@asynccontextmanager
async def node_of(loop: ForeignLoop, folder: Path, *, has_model: bool = True) -> AsyncIterator[RunningNode]:
    async with running_node(folder, has_model=has_model, settings=settings_for(loop, folder)) as node:
        yield node


@asynccontextmanager
async def hurried_outbox(loop: ForeignLoop, folder: Path) -> AsyncIterator[Outbox]:
    """The outbox of a node, whose pauses are short."""
    settings = settings_for(loop, folder)
    outbox = Outbox(None, settings)
    async with LoopHttp(settings.loop) as http, aclosing(outbox):
        context = Context(organization=ORGANIZATION, project=PROJECT)
        async with supervise([Uploader(outbox, http, context, HurriedClock(100))]):
            yield outbox


def settings_for(loop: ForeignLoop, folder: Path) -> Settings:
    place = LoopSettings(
        host=loop.host,
        username=USERNAME,
        password=SecretStr(PASSWORD),
        organization=ORGANIZATION,
        project=PROJECT,
    )
    return make_settings(folder, loop=place)


async def save_all(outbox: Outbox, pictures: Sequence[bytes]) -> None:
    for picture in pictures:
        await outbox.save(picture)


async def keep_all(node: RunningNode, pictures: Sequence[bytes]) -> None:
    async with DetectorClient(node.url) as client:
        for picture in pictures:
            await client.upload(picture)


def counted(loop: ForeignLoop) -> Counter[str]:
    return Counter(image["sha256"] for image in loop.projects[PROJECT].images)


def hash_of(picture: bytes) -> str:
    return sha256(picture).hexdigest()
