"""The page at `/` is there for a browser, and gives way to what a program has there."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from learning_loop_node.api.front_page import add_front_page
from learning_loop_node.api.rest import add_error_replies
from learning_loop_node.loop_server.app import create_app
from learning_loop_node.settings import LoopServerSettings
from tests.serving import served


def application(title: str = "left <camera>") -> FastAPI:
    app = FastAPI(title=title)
    add_error_replies(app)
    add_front_page(app, "A thing", {"/docs": "what it can be asked & how"})
    return app


async def asked(app: Starlette, method: str, path: str) -> tuple[int, str]:
    async with served(app) as url, aiohttp.ClientSession() as session, session.request(method, url + path) as reply:
        return reply.status, await reply.text()


async def test_the_page_names_what_it_is_and_where_to_go_on():
    status, text = await asked(application(), "GET", "/")
    assert status == 200
    assert "<h1>left &lt;camera&gt;</h1>" in text
    assert "A thing, learning-loop-node " in text
    assert '<a href="docs">/docs</a> what it can be asked &amp; how' in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("HEAD", "/", 200, id="HEAD"),
        pytest.param("POST", "/", 404, id="POST"),
        pytest.param("GET", "/nothing", 404, id="another path"),
        pytest.param("GET", "/docs", 200, id="a route"),
    ],
)
async def test_all_else_is_as_without_it(method: str, path: str, status: int):
    assert (await asked(application(), method, path))[0] == status


async def test_below_another_application():
    status, text = await asked(Starlette(routes=[Mount("/camera", application())]), "GET", "/camera/")
    assert (status, "A thing" in text) == (200, True)


async def test_the_page_of_the_loop(tmp_path: Path):
    app = create_app(LoopServerSettings(data_folder=tmp_path, open=True))
    _, page = await asked(app, "GET", "/")
    for path in ("/api/docs", "/readyz"):
        assert f">{path}</a>" in page
        assert (await asked(app, "GET", path))[0] == 200


async def own_page(_request: object) -> PlainTextResponse:
    return PlainTextResponse("mine")


def with_get(app: FastAPI) -> None:
    app.get("/", response_class=PlainTextResponse)(lambda: "mine")


def with_router(app: FastAPI) -> None:
    router = APIRouter()
    router.get("/", response_class=PlainTextResponse)(lambda: "mine")
    app.include_router(router)


def with_mount(app: FastAPI) -> None:
    app.mount("/", Starlette(routes=[Route("/", own_page)]))


@pytest.mark.parametrize("add", [with_get, with_router, with_mount])
async def test_a_page_of_the_program_wins(add):
    app = application()
    add(app)
    assert await asked(app, "GET", "/") == (200, "mine")
