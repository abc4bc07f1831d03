"""The real loop for tests: in-process, on a free port, in a folder of the test."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import aiohttp
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from pydantic import SecretStr

from learning_loop_node.loop_server.access.passwords import Passwords
from learning_loop_node.loop_server.app import create_app
from learning_loop_node.loop_server.storage.database import FILE_NAME, Database, sqlite_url
from learning_loop_node.runtime.files import make_folder
from learning_loop_node.settings import LoopServerSettings
from tests.postgres import SERVER, database_for

ORGANIZATION = "zauberzeug"
PROJECT = "demo"
P = f"/{ORGANIZATION}/projects/{PROJECT}"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Hashes of passwords that nobody wants to guess; usual ones take longer than many a test."""
_MIGRATING = Lock()


@dataclass
class RunningLoop:
    """A loop that answers; `admin` is logged in, `nobody` is not. Paths are given without `/api`."""

    app: FastAPI
    host: str
    username: str
    password: str
    admin: aiohttp.ClientSession = field(repr=False)
    nobody: aiohttp.ClientSession = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def json(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer to a request of the administrator; fails unless it is 200."""
        async with self.admin.request(method, f"/api{path}", **arguments) as answer:
            assert answer.status == 200, f"{method} {path}: {answer.status} {await answer.text()}"
            return await answer.json()

    async def create_project(self, categories: Sequence[Any] = ("face",), *, project: str = PROJECT) -> dict[str, Any]:
        body = {"project_id": project, "categories": list(categories)}
        return await self.json("POST", f"/{ORGANIZATION}/projects", json=body)  # type: ignore[no-any-return]

    async def push_model(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        model_format: str = "mocked",
        version: str | None = None,
        deploy: bool = False,
    ) -> dict[str, Any]:
        """Push these files (by name) as a model; returns its id and version."""
        form = files_form((files or {"file_1.txt": b"content of file one"}).items())
        parameters = {"version": version} if version else {}
        model = await self.json("POST", f"{P}/models/{model_format}", data=form, params=parameters)
        if deploy:
            await self.json("PUT", f"{P}/deployment/target", json={"version": model["version"]})
        return model  # type: ignore[no-any-return]

    async def post_images(
        self, images: Sequence[bytes], *, keys: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Send images as a detector does, without login; returns id and stored of each."""
        form = images_form(images, keys=keys, metadata=metadata)
        async with self.nobody.post(f"/api{P}/images", data=form) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["images"]  # type: ignore[no-any-return]

    async def image_ids(self) -> list[str]:
        return (await self.json("GET", f"{P}/data"))["image_ids"]  # type: ignore[no-any-return]

    async def list_images(self) -> list[dict[str, Any]]:
        """The full records of all images, in the order of their arrival."""
        ids = await self.image_ids()
        records: list[dict[str, Any]] = []
        for start in range(0, len(ids), 100):
            records += (await self.json("GET", f"{P}/images?ids={','.join(ids[start : start + 100])}"))["images"]
        return records

    async def image_content(self, image_id: str) -> bytes:
        async with self.admin.get(f"/api{P}/images/{image_id}/main") as answer:
            assert answer.status == 200
            return await answer.read()


def images_form(
    images: Sequence[bytes],
    *,
    keys: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    name: str = "image_2026-01-02_03:04:05.{:06}",
) -> aiohttp.MultipartWriter:
    """A form as the outbox sends it: for each image its JSON and then the JPEG, paired by name."""
    form = aiohttp.MultipartWriter("form-data")
    for number, image in enumerate(images):
        stem = name.format(number)
        headers = {"Idempotency-Key": keys[number]} if keys else {}
        _append(form, json.dumps(metadata or {}).encode(), f"{stem}.json", "text/plain; charset=utf-8", headers)
        _append(form, image, f"{stem}.jpg", "image/jpeg", headers)
    return form


def files_form(files: Any) -> aiohttp.FormData:
    """A form with parts named `files`."""
    form = aiohttp.FormData()
    for name, content in files:
        form.add_field("files", content, filename=name, content_type="application/octet-stream")
    return form


@asynccontextmanager
async def running_loop(tmp_path: Path, *, port: int = 0, **settings: Any) -> AsyncIterator[RunningLoop]:
    """The loop on 127.0.0.1; `settings` are fields of `LoopServerSettings`. The same folder is the same loop again.

    It knows the administrator `admin` with the password `secret`, and has no project. Give `port` to come back at the
    same address.
    """
    values: dict[str, Any] = {"data_folder": tmp_path / "loop", "username": "admin", "password": "secret"} | settings
    if SERVER and "database_url" not in settings:
        values["database_url"] = await database_for(tmp_path / "loop", SERVER)
    elif "database_url" not in settings and not values["data_folder"].exists():
        content = await asyncio.to_thread(_new_database)
        make_folder(values["data_folder"])
        (values["data_folder"] / FILE_NAME).write_bytes(content)
    group = LoopServerSettings(**values | {"password": SecretStr(values["password"])})
    app = create_app(group)
    app.state.loop.auth.passwords = Passwords(CHEAP)
    with socket.create_server(("127.0.0.1", port)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        server = InProcess(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.wait_started(task)
            async with (
                aiohttp.ClientSession(f"http://{host}", cookie_jar=aiohttp.CookieJar(unsafe=True)) as admin,
                aiohttp.ClientSession(f"http://{host}", cookie_jar=aiohttp.DummyCookieJar()) as nobody,
            ):
                login = {"username": values["username"], "password": values["password"]}
                async with admin.post("/api/login", data=login) as answer:
                    assert answer.status == 200, await answer.text()
                yield RunningLoop(app, host, values["username"], values["password"], admin, nobody)
        finally:
            server.should_exit = True
            await task


class InProcess(uvicorn.Server):
    """A server in the event loop of a test; it leaves the signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_up = asyncio.Event()

    async def wait_started(self, task: asyncio.Task[None]) -> None:
        """Until it answers; raises if it ended instead."""
        up = asyncio.create_task(self._is_up.wait())
        await asyncio.wait([up, task], return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
        if not self.started:
            raise RuntimeError("the loop did not start; its log says why")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._is_up.set()

    def capture_signals(self) -> Any:
        return nullcontext()


def _new_database() -> bytes:
    """A database as the loop makes it; to make it anew for each test takes longer than many a test."""
    with _MIGRATING:  # two loops may begin at once, and Alembic migrates one database at a time
        return _migrated()


@cache
def _migrated() -> bytes:
    async def make(file: Path) -> None:
        database = Database(sqlite_url(file.parent))
        await database.open()
        await database.aclose()

    with TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        asyncio.run(make(file))
        assert list(file.parent.iterdir()) == [file]  # nothing of it is left in a journal
        return file.read_bytes()


def _append(
    form: aiohttp.MultipartWriter, content: bytes, filename: str, content_type: str, headers: Mapping[str, str]
) -> None:
    payload = form.append(BytesIO(content), {"Content-Type": content_type, **headers})
    payload.set_content_disposition("form-data", name="files", filename=filename)
