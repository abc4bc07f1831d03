"""The story that the predecessor's README tells of a converter, told with ours, and converters of its old versions."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import socketio
from aiohttp import ClientSession, CookieJar, FormData

from learning_loop_node import ConverterNode
from learning_loop_node.settings import LoopSettings
from mock_nodes.mock_converter.logic import Capitals
from tests.builders import make_settings
from tests.loop import P, RunningLoop, running_loop
from tests.models import zip_of
from tests.polling import until
from tests.serving import served

FILES = {"file_1.txt": "content of file one", "file_2.txt": "content of file two"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (Debian: apt install curl)")
async def test_the_story(tmp_path: Path):
    (tmp_path / "model.zip").write_bytes(zip_of(FILES))
    async with running_loop(tmp_path, open=True) as loop:
        await loop.create_project()
        place = f"{loop.url}/api/zauberzeug/projects/demo"
        uploaded = await curl("--request", "POST", "-F", f"files=@{tmp_path}/model.zip", f"{place}/format_a")
        [model] = (await curl(f"{place}/models?format=format_a"))["models"]
        assert (model["id"], model["version"], model["formats"]) == (uploaded["id"], "1.0", ["format_a"])
        assert (await curl(f"{place}/models?format=format_b"))["models"] == []

        logic = Capitals("format_a", "format_b")
        settings = make_settings(tmp_path / "node", loop=LoopSettings(host=loop.host))
        async with served(ConverterNode("story", logic, settings=settings)):
            await until(lambda: is_listed(f"{place}/models?format=format_b"), within_s=50)

        [again] = (await curl(f"{place}/models?format=format_b"))["models"]
        assert (again["id"], again["formats"]) == (uploaded["id"], ["format_a", "format_b"])
        assert again["created"] == model["created"]
        assert (await files_of(loop, again["id"], "format_b"))["file_2.txt"] == "CONTENT OF FILE TWO"


async def test_a_converter_of_0_3_2(tmp_path: Path):
    """Bearer token, `box_categories`, Socket.IO without saying what it is, all files in one form."""
    async with running_loop(tmp_path) as loop:
        await loop.create_project(["purple box", {"name": "purple point", "type": "point"}])
        model = await loop.push_model({name: text.encode() for name, text in FILES.items()}, model_format="format_a")
        async with ClientSession(f"{loop.url}") as session:
            form = {"username": loop.username, "password": loop.password}
            async with session.post("/api/token", data=form) as answer:
                token = await answer.json()
                now = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            assert token["expires"] > now + 60
            headers = {"Authorization": f"Bearer {token['access_token']}"}
            client = await connected(loop, headers)
            done = await old_round(session, headers, "box_categories", with_model_json=False)
            await client.disconnect()
        assert done == [(model["id"], "1.0", ["purple box"])]
        assert await files_of(loop, model["id"], "format_b", without="model.json") == {
            name: text.upper() for name, text in FILES.items()
        }


async def test_a_converter_of_0_9_3(tmp_path: Path):
    """Login by cookie, `categories`, and `model.json` among the files."""
    async with running_loop(tmp_path) as loop:
        await loop.create_project(["purple box", {"name": "purple point", "type": "point"}])
        model = await loop.push_model(
            {name: text.encode() for name, text in FILES.items()} | {"model.json": b'{"resolution": 800}'},
            model_format="format_a",
        )
        async with ClientSession(loop.url, cookie_jar=CookieJar(unsafe=True)) as session:
            form = {"username": loop.username, "password": loop.password}
            async with session.post("/api/login", data=form) as answer:
                assert answer.status == 200
                cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
            client = await connected(
                loop, {"Cookie": cookie, "nodeType": "converter", "organization": "", "project": ""}
            )
            done = await old_round(session, {}, "categories", with_model_json=True)
            assert await old_round(session, {}, "categories", with_model_json=True) == []  # nothing is left to do
            await client.disconnect()
        assert done == [(model["id"], "1.0", ["purple box", "purple point"])]
        information = json.loads((await files_of(loop, model["id"], "format_b"))["model.json"])
        assert (information["format"], information["resolution"]) == ("format_b", 800)
        assert [category["name"] for category in information["categories"]] == ["purple box", "purple point"]


async def old_round(
    session: ClientSession, headers: Mapping[str, str], categories: str, *, with_model_json: bool
) -> list[tuple[str, str, list[str]]]:
    """What these versions do once a minute; the models that were converted, with the names of the categories read."""
    done = []
    async with session.get("/api/projects", headers=headers) as answer:
        projects = (await answer.json())["projects"]
    for project in projects:
        path = f"/api/{project['organization_id']}/projects/{project['project_id']}"
        async with session.get(f"/api{project['resource']}", headers=headers) as answer:
            names = [category["name"] for category in (await answer.json())[categories]]
        async with session.get(f"/api{project['resource']}/models", headers=headers) as answer:
            assert answer.status == 200
            models = (await answer.json())["models"]
        for model in models:
            if not model["version"] or "format_a" not in model["formats"] or "format_b" in model["formats"]:
                continue
            async with session.get(f"{path}/models/{model['id']}/format_a/file", headers=headers) as answer:
                assert answer.status == 200
                assert answer.headers["Content-Disposition"].split("filename=")[1].strip('"')
                archive = ZipFile(BytesIO(await answer.read()))
            form = FormData()
            for name in archive.namelist():
                if name != "model.json":
                    form.add_field("files", archive.read(name).upper(), filename=name)
                elif with_model_json:
                    form.add_field("files", archive.read(name), filename=name)
            async with session.put(f"{path}/models/{model['id']}/format_b/file", data=form, headers=headers) as answer:
                assert answer.status == 200
            done.append((model["id"], model["version"], names))
    return done


async def connected(loop: RunningLoop, headers: dict[str, str]) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(loop.url, headers=headers, socketio_path="/ws/socket.io", wait_timeout=20)
    return client


async def curl(*arguments: str) -> Any:
    """What curl gets, as JSON; fails where curl does."""
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--fail-with-body", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output
    return json.loads(output)


async def is_listed(url: str) -> bool:
    return bool((await curl(url))["models"])


async def files_of(loop: RunningLoop, model_id: str, model_format: str, *, without: str = "") -> dict[str, str]:
    """The texts of a model by the names of its files."""
    async with loop.admin.get(f"/api{P}/models/{model_id}/{model_format}/file") as answer:
        archive = ZipFile(BytesIO(await answer.read()))
    return {name: archive.read(name).decode() for name in archive.namelist() if name != without}
