"""Which pages may use a node is a setting, and the program's own decision where it has made one."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from starlette.middleware.cors import CORSMiddleware

from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.settings import NodeSettings
from tests.builders import make_settings
from tests.nodes import BoxesFactory, put_model, running_node
from tests.serving import served

PAGE = "http://ui.example:8080"


@pytest.mark.parametrize(("listed", "status"), [("", 403), (PAGE, 200), ("http://ui.example", 403), ("*", 200)])
async def test_a_page_of_another_host_must_be_listed(listed: str, status: int, tmp_path: Path):
    settings = make_settings(tmp_path, node=NodeSettings(data_folder=tmp_path, allowed_origins=listed))
    async with running_node(tmp_path, settings=settings) as running, aiohttp.ClientSession(running.url) as http:
        async with http.put("/outbox_mode", data="stopped", headers={"Origin": PAGE}) as answer:
            assert answer.status == status
        url = "/ws/socket.io/?EIO=4&transport=polling"
        async with http.get(url, headers={"Origin": PAGE}) as answer:
            assert answer.status == (200 if status == 200 else 400)


class OwnMiddleware(CORSMiddleware):
    """A program's own kind."""


@pytest.mark.parametrize("middleware", [CORSMiddleware, OwnMiddleware])
async def test_a_program_that_allows_pages_itself_is_left_alone(middleware: type[CORSMiddleware], tmp_path: Path):
    put_model(tmp_path)
    node = DetectorNode("test node", BoxesFactory(), settings=make_settings(tmp_path))
    node.add_middleware(middleware, allow_origins=[PAGE])
    async with (
        served(node) as url,
        aiohttp.ClientSession(url) as http,
        http.put("/outbox_mode", data="stopped", headers={"Origin": PAGE}) as answer,
    ):
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
