"""Our converter with a loop that keeps no conversions, tells of no changes, and has no Socket.IO."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import BodyPartReader, web
from pydantic import SecretStr

from learning_loop_node import ConverterNode
from learning_loop_node.settings import ConverterSettings, LoopSettings
from mock_nodes.mock_converter.logic import Capitals
from tests.builders import make_settings
from tests.foreign_loop import PASSWORD, USERNAME, ForeignLoop, foreign_loop
from tests.polling import until
from tests.stand_in import break_off

PROJECT = "strange"
NOT_KNOWN_THERE = ("GET /api/events", "/socket.io/")


@dataclass
class Uploads:
    """Takes models for the loop, and lists its projects; `lost_answers` uploads are stored, but not answered."""

    loop: ForeignLoop
    lost_answers: int = 0
    status: int = 200
    received: list[dict[str, bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse | None:
        match request.method, request.path.split("/")[2:]:
            case "GET", ["projects"]:
                resource = f"/zauberzeug/projects/{PROJECT}"
                place = {"organization_id": "zauberzeug", "project_id": PROJECT, "resource": resource}
                return web.json_response({"projects": [place]})
            case "PUT", [_, "projects", _, "models", model_id, model_format, "file"]:
                return await self._take(request, model_id, model_format)
        return None

    async def _take(self, request: web.Request, model_id: str, model_format: str) -> web.StreamResponse:
        files = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            assert part.name == "files"
            files[str(part.filename)] = bytes(await part.read())
        if self.status != 200:
            return web.Response(status=self.status, text="not that")
        models = self.loop.projects[PROJECT].models.values()
        model = next(model for model in models if model["id"] == model_id)
        if model_format in model["formats"]:
            return web.Response(status=409, text="is there")
        model["formats"].append(model_format)
        self.received.append(files)
        if self.lost_answers:
            self.lost_answers -= 1
            return await break_off(request)
        return web.Response(text="thanks")


@pytest.mark.parametrize("lost_answers", [0, 1], ids=["at once", "with a lost answer"])
async def test_each_model_is_converted_and_stored_once(lost_answers: int, tmp_path: Path):
    async with strange_loop() as (loop, uploads):
        uploads.lost_answers = lost_answers
        async with converter(loop, tmp_path) as node:
            await until(lambda: bool(uploads.received), within_s=50)
            await until(lambda: not list(tmp_path.glob("conversions/*/*")))
            assert node.readiness() == {}
        [files] = uploads.received
        assert files["file_1.txt"] == b"CONTENT OF FILE ONE"
        assert json.loads(files["model.json"])["format"] == "format_b"
        assert loop.count("/mocked/file") == 1
        assert [text for text in loop.complaints if not any(name in text for name in NOT_KNOWN_THERE)] == []


async def test_what_it_refuses_is_remembered_over_a_restart(tmp_path: Path):
    async with strange_loop() as (loop, uploads):
        uploads.status = 422
        for _ in range(2):
            async with converter(loop, tmp_path) as node:
                await until(lambda node=node: bool(node.conversions.failures), within_s=50)  # type: ignore[misc]
                assert node.conversions.failures == {"model 1.0 of zauberzeug/strange to format_b": "not that"}
        assert loop.count("/mocked/file") == 1


@asynccontextmanager
async def strange_loop() -> AsyncIterator[tuple[ForeignLoop, Uploads]]:
    async with foreign_loop() as loop:
        loop.add_model(PROJECT, "1.0")
        uploads = Uploads(loop)
        loop.always = uploads.answer
        yield loop, uploads


@asynccontextmanager
async def converter(loop: ForeignLoop, folder: Path) -> AsyncIterator[ConverterNode]:
    place = LoopSettings(host=loop.host, username=USERNAME, password=SecretStr(PASSWORD))
    settings = make_settings(folder, loop=place, converter=ConverterSettings(interval_s=0.2))
    node = ConverterNode("capitals", Capitals("mocked", "format_b"), settings=settings)
    await node._on_startup()
    try:
        yield node
    finally:
        await node._on_shutdown()
