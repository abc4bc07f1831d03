"""Scripted nodes: real Socket.IO clients of a running loop, which say and answer what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import socketio

from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, files_form
from tests.polling import until

PATH = "/ws/socket.io"
PASSWORD = "long enough"


@dataclass
class NodeClient:
    """A connected node. `called` are the events of the loop with their arguments, in their order."""

    client: socketio.AsyncClient
    called: list[tuple[Any, ...]] = field(default_factory=list)

    async def call(self, event: str, *arguments: Any) -> Any:
        return await self.client.call(event, arguments, timeout=10)

    def answer(self, event: str, with_: Callable[..., Any] | Any) -> None:
        """Acknowledge an event of the loop with this, or with what this returns."""

        async def handle(*arguments: Any) -> Any:
            self.called.append((event, *arguments))
            result = with_(*arguments) if callable(with_) else with_
            return await result if isinstance(result, Awaitable) else result

        self.client.on(event, handle)


@asynccontextmanager
async def node_client(
    loop: RunningLoop,
    node_type: str | None = "trainer",
    *,
    session: aiohttp.ClientSession | None = None,
    headers: Mapping[str, str] | None = None,
    transports: list[str] | None = None,
) -> AsyncIterator[NodeClient]:
    """A node with the login of this session, by default that of the administrator."""
    # A session of its own, since the client closes the one that it is given.
    given = session or loop.admin
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({cookie.key: cookie.value for cookie in given.cookie_jar})
    async with aiohttp.ClientSession(cookie_jar=jar, headers=given.headers) as own:
        client = socketio.AsyncClient(reconnection=False, http_session=own)
        kind = {"nodeType": node_type, "organization": "", "project": ""} if node_type is not None else {}
        try:
            await client.connect(
                loop.url,
                headers=kind | dict(headers or {}),
                socketio_path=PATH,
                transports=transports,
                wait_timeout=10,
            )
            yield NodeClient(client)
        finally:
            await client.disconnect()
            await asyncio.sleep(0)


def trainer_status(state: str = "idle", *, id: str = "trainer 1", **changes: Any) -> dict[str, Any]:
    """What a trainer says in `update_trainer`."""
    return {
        "id": id,
        "name": id.title(),
        "state": state,
        "uptime": 1.5,
        "errors": {},
        "progress": None,
        "pretrained_models": [{"name": "small", "label": "Small", "description": "quick"}],
        "architecture": "mocked",
        "context": None,
    } | changes


@dataclass
class ScriptedTrainer(NodeClient):
    """A trainer that says what a test tells it to; by default it takes every training."""

    loop: RunningLoop = field(kw_only=True)
    id: str = field(default="trainer 1", kw_only=True)
    about: dict[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def given(self) -> list[dict[str, Any]]:
        """The details of all trainings that it was offered."""
        return [arguments[2] for event, *arguments in self.called if event == "begin_training"]

    def events(self, name: str) -> int:
        """How often the loop has sent this event."""
        return sum(event == name for event, *_ in self.called)

    async def say(self, state: str, **changes: Any) -> dict[str, Any]:
        """Tell the loop how it is; a trainer at work says where."""
        context = None if state in ("idle", "blocked") else {"organization": ORGANIZATION, "project": PROJECT}
        status = trainer_status(state, id=self.id, context=context) | self.about | changes
        return await self.call("update_trainer", status)  # type: ignore[no-any-return]

    async def report(self, epoch: int | None = 1, **changes: Any) -> Any:
        """Tell the loop of a better state, by default with counts of the first category of the training."""
        categories = self.given[-1]["categories"] if self.given else []
        counted = [category["id"] for category in categories[:1]]
        out = {
            "trainer_id": self.id,
            "trainer_name": self.id.title(),
            "confusion_matrix": {name: {"tp": 3, "fp": 1, "fn": 2} for name in counted},
            "train_image_count": 2,
            "test_image_count": 1,
            "hyperparameters": {},
            "best_epoch": epoch,
        } | changes
        return await self.call("update_training", ORGANIZATION, PROJECT, out)

    async def upload(
        self, number: int, model_format: str = "mocked", files: Mapping[str, bytes] | None = None
    ) -> tuple[int, Any]:
        """Upload the model of a training as 0.27 does; status and body of the answer."""
        contents = files or {"model.json": b'{"categories": []}', "weights.bin": b"w"}
        form = files_form((name, BytesIO(content)) for name, content in contents.items())
        path = f"/api{P}/trainings/{number}/models/latest/{model_format}/file"
        async with self.loop.admin.put(path, data=form) as answer:
            return answer.status, await answer.json()

    async def begun(self, count: int = 1) -> dict[str, Any]:
        """Wait until the loop has offered so many trainings; the details of the last one."""
        await until(lambda: len(self.given) >= count)
        return self.given[-1]


TAKEN = {"success": True, "error_msg": None, "payload": None}
REFUSED = {"success": False, "error_msg": "busy", "payload": "refused"}


@asynccontextmanager
async def scripted_trainer(
    loop: RunningLoop,
    id: str = "trainer 1",
    *,
    takes: Any = None,
    session: aiohttp.ClientSession | None = None,
    **about: Any,
) -> AsyncIterator[ScriptedTrainer]:
    """A trainer that is connected and has not said anything yet; `about` is what its status says beyond the usual."""
    async with node_client(loop, session=session, transports=["websocket"]) as connected:
        trainer = ScriptedTrainer(connected.client, loop=loop, id=id, about=about)
        trainer.answer("begin_training", TAKEN if takes is None else takes)
        for event in ("stop_training", "abort_training"):
            trainer.answer(event, TAKEN)
        yield trainer


@asynccontextmanager
async def session_of(loop: RunningLoop, name: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Requests of a user, whose password is `PASSWORD`."""
    async with aiohttp.ClientSession(loop.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post("/api/login", data={"username": name, "password": PASSWORD}) as answer:
            assert answer.status == 200
        yield session
