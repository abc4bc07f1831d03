"""The loop as a process of its own: started by its command, stopped by signals, killed in the middle of its work."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.builders import jpeg
from tests.child import Child, python_child
from tests.loop import P, images_form, running_loop

CLIENTS = 4
ANSWERS_BEFORE_THE_KILL = 40


async def test_an_idle_loop_ends_at_once_with_status_0(tmp_path: Path):
    async with loop_process(tmp_path) as process:
        async with aiohttp.ClientSession() as session, session.get(f"{process.url}/readyz") as answer:
            assert answer.status == 200
        process.send(signal.SIGTERM)
        # a second on an idle machine; the limit only tells an end from waiting for connections
        assert await process.status(within_s=5) == 0
    text = process.output
    assert re.search(r"Log in as admin with the password \S{16}", text)
    assert "LOOP_REQUIRE_NODE_TOKEN" in text
    assert " INFO " not in text


async def test_ctrl_c_ends_it_in_order(tmp_path: Path):
    async with loop_process(tmp_path) as process:
        process.send(signal.SIGINT)
        assert await process.status(within_s=5) == 0


async def test_an_open_stream_of_notices_does_not_keep_it(tmp_path: Path):
    async with loop_process(tmp_path) as process:
        password = re.findall(r"with the password (\S+)", process.output)[0]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            form = {"username": "admin", "password": password}
            async with session.post(f"{process.url}/api/login", data=form) as answer:
                assert answer.status == 200
            async with session.get(f"{process.url}/api/events") as stream:
                assert await stream.content.readline()
                process.send(signal.SIGTERM)
                await stream.read()  # to its end
        assert await process.status(within_s=5) == 0


async def test_the_password_is_shown_only_once(tmp_path: Path):
    for expected in (True, False):
        async with loop_process(tmp_path) as process:
            process.send(signal.SIGTERM)
            await process.status(within_s=5)
        assert ("with the password" in process.output) is expected


async def test_two_loops_do_not_share_a_folder(tmp_path: Path):
    async with loop_process(tmp_path), loop_process(tmp_path, must_start=False) as second:
        assert await second.status(within_s=30) not in (0, None)
        assert re.fullmatch(
            r"learning-loop: LOOP_DATA_FOLDER=\S+ \(--data\) is in use by another loop; .*\n", second.output
        )


async def test_kill_9_during_uploads_leaves_every_answered_image(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
    answered: dict[str, str] = {}
    contents = {
        f"{client}-{number}": jpeg(seed=number + 1000 * client) for client in range(CLIENTS) for number in range(60)
    }
    enough = asyncio.Event()

    async def send(url: str, client: int) -> None:
        async with aiohttp.ClientSession(url) as session:
            keys = [key for key in contents if key.startswith(f"{client}-")]
            for pair in zip(keys[::2], keys[1::2], strict=True):
                form = images_form([contents[key] for key in pair], keys=pair)
                async with session.post(f"/api{P}/images", data=form) as answer:
                    assert answer.status == 200
                    for key, image in zip(pair, (await answer.json())["images"], strict=True):
                        answered[key] = image["id"]
                if len(answered) >= ANSWERS_BEFORE_THE_KILL:
                    enough.set()

    async with loop_process(tmp_path) as process:
        clients = [asyncio.create_task(send(process.url, client)) for client in range(CLIENTS)]
        await asyncio.wait_for(enough.wait(), 30)
        process.send(signal.SIGKILL)
        results = await asyncio.gather(*clients, return_exceptions=True)
        assert all(isinstance(result, aiohttp.ClientError | OSError) for result in results), results
    assert ANSWERS_BEFORE_THE_KILL <= len(answered) < len(contents)

    async with running_loop(tmp_path) as loop:
        stored = {record["id"]: record for record in await loop.list_images()}
        for key, image_id in answered.items():
            assert stored[image_id]["idempotency_key"] == key
            assert await loop.image_content(image_id) == contents[key]
        for record in stored.values():
            content = await loop.image_content(record["id"])
            assert hashlib.sha256(content).hexdigest() == record["sha256"]
        again = await loop.post_images(list(contents.values()), keys=list(contents))
        assert {key: image["id"] for key, image in zip(contents, again, strict=True)}.items() >= answered.items()
        assert len(await loop.image_ids()) == len(contents)


@asynccontextmanager
async def loop_process(tmp_path: Path, *, must_start: bool = True) -> AsyncIterator[Child]:
    """`learning-loop serve` on a free port, in the same folder as `running_loop(tmp_path)`."""
    command = ("-m", "learning_loop_node", "serve", "--port", "0", "--data", str(tmp_path / "loop"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LOOP_")}
    async with python_child(
        *command, environment=environment, address=r"answers at (http://\S+)", ready=r"Ctrl\+C", must_start=must_start
    ) as child:
        yield child
