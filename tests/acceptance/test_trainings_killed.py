"""`kill -9` of the loop at each moment of a training: it is begun once, and ends as one model with all it has."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from learning_loop_node.runtime.race import first_of
from tests.builders import jpeg
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, PROJECT, P, files_form, running_loop
from tests.node_clients import PATH, trainer_status
from tests.polling import until
from tests.ports import free_ports

FACE = {"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4}
WEIGHTS = bytes(range(256)) * 8000
STEPS = ("data_downloading", "running", "epoch 1", "epoch 2", "upload a", "upload b", "detecting", "idle")
SOON_S = (0.0, 0.003, 0.02)
"""So long after a step has begun the loop is killed: before, while, or after it is written down."""


class SteadyTrainer:
    """A trainer as it has to be: it repeats each step until it is answered, whatever happens to the loop.

    `on_step` is called when a step begins.
    """

    def __init__(self, url: str, token: str, on_step: Callable[[str], object]) -> None:
        self.offers: list[int] = []
        self.ids: set[str] = set()
        self.is_done = False
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._on_step = on_step
        self._left = list(STEPS)

    async def run(self) -> None:
        while not self.is_done:
            with suppress(aiohttp.ClientError, OSError, TimeoutError, socketio.exceptions.SocketIOError):
                async with aiohttp.ClientSession(self._url, headers=self._headers) as session:
                    await self._connected(session)
            await asyncio.sleep(0.02)

    async def _connected(self, session: aiohttp.ClientSession) -> None:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        client.on("begin_training", self._begin)
        lost = asyncio.Event()
        client.on("disconnect", lambda *_: lost.set())
        headers = {"nodeType": "trainer", "organization": "", "project": ""}
        await client.connect(self._url, headers=headers, socketio_path=PATH, transports=["websocket"], wait_timeout=5)
        try:
            # Without the second it would wait until its time is up for an answer that cannot come any more.
            await first_of(self._work(client, session), lost.wait())
        finally:
            with suppress(Exception):
                async with asyncio.timeout(1):
                    await client.disconnect()

    async def _work(self, client: socketio.AsyncClient, session: aiohttp.ClientSession) -> None:
        while not self.offers:
            await self._say(client, "idle")
            await asyncio.sleep(0.02)
        while self._left:
            await self._do(self._left[0], client, session)
            self._left.pop(0)
        while not self.is_done:
            await self._say(client, "idle")
            await asyncio.sleep(0.05)

    def _begin(self, _organization: str, _project: str, details: dict[str, Any]) -> Mapping[str, Any]:
        self._on_step("offer")
        self.offers.append(details["training_number"])
        return {"success": True, "error_msg": None, "payload": None}

    async def _do(self, step: str, client: socketio.AsyncClient, session: aiohttp.ClientSession) -> None:
        self._on_step(step)
        kind, _, what = step.partition(" ")
        if kind == "epoch":
            report = {"trainer_id": "steady", "confusion_matrix": {"c": {"tp": int(what)}}, "best_epoch": int(what)}
            answer = await client.call("update_training", (ORGANIZATION, PROJECT, report), timeout=5)
            assert answer["success"] is True, answer
        elif kind == "upload":
            await self._upload(what, session)
        else:
            await self._say(client, step)

    async def _say(self, client: socketio.AsyncClient, state: str) -> None:
        context = None if state == "idle" else {"organization": ORGANIZATION, "project": PROJECT}
        status = trainer_status(state, id="steady", context=context)
        answer = await client.call("update_trainer", status, timeout=5)
        assert answer["success"] is True, answer

    async def _upload(self, model_format: str, session: aiohttp.ClientSession) -> None:
        form = files_form([("model.json", BytesIO(b'{"categories": []}')), ("weights.bin", BytesIO(WEIGHTS))])
        path = f"/api{P}/trainings/{self.offers[0]}/models/latest/{model_format}/file"
        async with session.put(path, data=form) as answer:
            body = await answer.json()
            assert answer.status in (200, 409), body
            self.ids.add(body["id"] if answer.status == 200 else body["detail"]["id"])


MOMENTS = ("queued", "offer", "data_downloading", "running", "epoch 1", "upload a", "upload b", "idle")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kill_at", MOMENTS)
async def test_a_training_survives(tmp_path: Path, kill_at: str):
    await prepare(tmp_path)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    kill = asyncio.Event()
    delays = iter(SOON_S)

    def on_step(step: str) -> None:
        """Kill the loop at this step, each time that it is tried again, until all delays are used up."""
        if step == kill_at and (delay := next(delays, None)) is not None:
            asyncio.get_running_loop().call_later(delay, kill.set)

    async with alive(tmp_path, port, kill) as is_up:
        await is_up()
        async with aiohttp.ClientSession(url) as session:
            form = {"username": "admin", "password": "secret"}
            async with session.post("/api/token", data=form) as answer:
                token = (await answer.json())["access_token"]
        trainer = SteadyTrainer(url, token, on_step)
        headers = {"Authorization": f"Bearer {token}"}
        await queue(url, headers, lambda: on_step("queued"))
        running = asyncio.create_task(trainer.run())
        try:
            await until(lambda: running.done() or has_ended(url, headers), within_s=200)
            if running.done():
                await running  # it says what it did not expect
        finally:
            trainer.is_done = True  # `asyncio.wait_for` of Python 3.11 may lose what is cancelled just when it is done
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    assert trainer.offers == [1] * len(trainer.offers)
    assert len(trainer.offers) == 1 or kill_at == "offer", "it was begun twice"
    async with running_loop(tmp_path) as loop:
        [training] = (await loop.json("GET", f"{P}/trainings"))["trainings"]
        assert (training["state"], training["error"]) == ("finished", None)
        [model] = (await loop.json("GET", f"{P}/models"))["models"]
        assert (model["id"], model["version"], sorted(model["formats"])) == (*trainer.ids, "1.0", ["a", "b"])
        epochs = (await loop.json("GET", f"{P}/trainings/1/metrics"))["epochs"]
        assert [epoch["epoch"] for epoch in epochs] == [1, 2], "each once"


async def prepare(tmp_path: Path) -> None:
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        for number, name in enumerate(("train", "test")):
            marks = {"box_annotations": [FACE], "state": "complete", "set": name}
            await loop.post_images([jpeg(seed=number)], metadata=marks)


async def queue(url: str, headers: Mapping[str, str], on_try: Callable[[], object]) -> None:
    """Ask for a training until the loop has answered."""
    body = {"model_variant": "small", "idempotency_key": "once"}
    while True:
        on_try()
        with suppress(aiohttp.ClientError, OSError):
            async with (
                aiohttp.ClientSession(url, headers=headers) as session,
                session.post(f"/api{P}/trainings", json=body) as answer,
            ):
                assert answer.status == 200, await answer.text()
                return
        await asyncio.sleep(0.05)


async def has_ended(url: str, headers: Mapping[str, str]) -> bool:
    with suppress(aiohttp.ClientError, OSError):
        async with (
            aiohttp.ClientSession(url, headers=headers) as session,
            session.get(f"/api{P}/trainings/1") as answer,
        ):
            return (await answer.json())["state"] in ("finished", "failed", "aborted")
    return False


@asynccontextmanager
async def alive(tmp_path: Path, port: int, kill: asyncio.Event) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """A loop that is killed when the event is set, and started again; what it gives waits until it is up first."""
    up = asyncio.Event()

    async def keep() -> None:
        while True:
            async with loop_process(tmp_path, port) as process:
                up.set()
                await kill.wait()
                kill.clear()
                process.send(signal.SIGKILL)
                await process.status(within_s=10)

    async with asyncio.TaskGroup() as group:  # if it cannot be started again, there is nothing to wait for
        keeping = group.create_task(keep())
        yield up.wait
        keeping.cancel()


@asynccontextmanager
async def loop_process(tmp_path: Path, port: int) -> AsyncIterator[Child]:
    command = ("-m", "learning_loop_node", "serve", "--port", str(port), "--data", str(tmp_path / "loop"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LOOP_")}
    async with python_child(
        *command, environment=environment, address=r"answers at (http://\S+)", ready=r"Ctrl\+C"
    ) as child:
        yield child
