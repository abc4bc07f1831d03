"""The page with all that can be asked, which must work without internet."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest
from fastapi import FastAPI

from learning_loop_node.api.docs_page import add_docs_page
from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.loop_server.app import create_app
from learning_loop_node.settings import LoopServerSettings
from tests.builders import make_settings
from tests.nodes import BoxesFactory
from tests.serving import served


@pytest.mark.parametrize("what", ["node", "loop", "behind a prefix"])
async def test_everything_that_the_page_needs_is_here(what: str, tmp_path: Path):
    match what:
        case "node":
            app: FastAPI = DetectorNode("documented", BoxesFactory(), settings=make_settings(tmp_path))
        case "loop":
            app = create_app(LoopServerSettings(data_folder=tmp_path))
        case _:
            app = FastAPI()
            add_docs_page(app)
    prefix = "/prefix" if what == "behind a prefix" else ""
    path = "/api/docs" if what == "loop" else "/docs"
    async with served(app, lifespan="off", root_path=prefix) as url, aiohttp.ClientSession(url) as session:
        page = await text_of(session, path)
        assert "//" not in re.sub(r"//[^\n]*\n|<!--.*?-->", "", page), "nothing from elsewhere"
        needed = re.findall(r"(?:href|src)=\"(/[^\"]+)\"|url: '([^']+)'", page)
        assert len(needed) == 3
        for address in ("".join(entry) for entry in needed):
            assert address.startswith(f"{prefix}/")
            assert len(await text_of(session, address.removeprefix(prefix))) > 100
        async with session.get(f"{path}/core.py") as answer:
            assert answer.status == 404


def test_a_program_without_such_a_page_stays_without():
    app = FastAPI(docs_url=None)
    before = list(app.router.routes)
    add_docs_page(app)
    assert app.router.routes == before


async def text_of(session: aiohttp.ClientSession, address: str) -> str:
    async with session.get(address) as answer:
        assert answer.status == 200, address
        return await answer.text()
