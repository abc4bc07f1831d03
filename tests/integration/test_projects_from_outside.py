"""Projects and categories through the typed client and on the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Category, Context
from learning_loop_node.enums import CategoryType
from learning_loop_node.errors import NotFoundError, OutdatedError, RefusedError
from learning_loop_node.settings import LoopSettings
from tests.builders import jpeg
from tests.loop import RunningLoop, running_loop

DEMO = Context(organization="zauberzeug", project="demo")


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        values = {"HOST": running.host, "ORGANIZATION": "zauberzeug", "PROJECT": "demo"}
        for name, value in (values | {"USERNAME": "admin", "PASSWORD": "secret"}).items():
            monkeypatch.setenv(f"LOOP_{name}", value)
        yield running


@pytest.fixture
async def client(loop: RunningLoop) -> AsyncIterator[LoopClient]:
    login = {"username": "admin", "password": SecretStr("secret")}
    async with LoopHttp(LoopSettings(host=loop.host, **login)) as http:  # type: ignore[arg-type]
        yield LoopClient(http, DEMO)


async def test_a_project_from_its_beginning_to_its_return(client: LoopClient):
    nose = Category(id="n", name="nose", type=CategoryType.Point, color="#123456", hotkey="x", point_size=7)
    made = await client.projects.create(DEMO, ["face", nose], description="faces")
    assert (made.description, made.version, made.context) == ("faces", 1, DEMO)
    assert [(entry.name, entry.type) for entry in made.categories] == [("face", "box"), ("nose", "point")]
    described = await client.projects.describe(DEMO, "noses", version=1)
    assert (described.description, described.version) == ("noses", 2)
    with pytest.raises(OutdatedError):
        await client.projects.describe(DEMO, "ears", version=1)
    gone = await client.projects.delete(DEMO)
    assert [entry.id for entry in await client.projects.deleted("zauberzeug")] == [gone.id]
    with pytest.raises(NotFoundError):
        await client.projects.get(DEMO)
    back = await client.projects.restore(DEMO, id=gone.id, name="other")
    assert back == await client.projects.get(Context(organization="zauberzeug", project="other"))


async def test_categories(loop: RunningLoop, client: LoopClient):
    await client.projects.create(DEMO)
    face, nose = await client.categories.add("face", {"name": "nose", "properties": {"mine": 1}})
    assert nose.properties == {"mine": 1}
    changed = await client.categories.change(face.id, version=face.version, name="head", hotkey=None)
    assert (changed.name, changed.hotkey, changed.version) == ("head", None, 2)
    with pytest.raises(OutdatedError):
        await client.categories.change(face.id, version=face.version, name="other")
    assert [entry.name for entry in await client.categories.order([nose.id, face.id])] == ["nose", "head"]
    box = {"category_name": "head", "category_id": face.id, "x": 1, "y": 2, "width": 3, "height": 4}
    await loop.post_images([jpeg()], metadata={"box_annotations": [box]})
    with pytest.raises(RefusedError, match="1 annotations"):
        await client.categories.delete(face.id)
    assert (await client.categories.delete(face.id, version=2, move_to=nose.id)).moved == 1
    assert (await client.categories.delete(nose.id, force=True)).deleted == 1
    assert await client.categories.list() == []


async def test_a_generated_project(client: LoopClient):
    made = await client.projects.generate(DEMO, complete=2, box_categories=1, trainings=1)
    assert len(made["image_ids"]) == 2
    assert [model.version for model in await client.models.list()] == ["1.0"]


async def test_projects_on_the_command_line(loop: RunningLoop):
    made = await run("projects", "create", "--category", "face", "--category", "nose:point", "--description", "faces")
    assert made.exit_code == ExitStatus.OK, made.output
    assert (await run("projects", "create")).exit_code == ExitStatus.REFUSED
    assert (await run("projects", "create", "--category", "a:line")).exit_code == ExitStatus.USAGE
    shown = json.loads((await run("projects", "show", "--json")).stdout)
    assert [(entry["name"], entry["type"]) for entry in shown["categories"]] == [("face", "box"), ("nose", "point")]
    assert "faces" in (await run("projects", "show")).stdout
    listed = [{"organization": "zauberzeug", "project": "demo"}]
    assert json.loads((await run("projects", "list", "--json")).stdout) == listed
    assert "restore" in (await run("projects", "delete", "demo")).stdout
    assert "no projects" in (await run("projects", "list")).stdout
    assert "demo" in (await run("projects", "list", "--deleted")).stdout
    assert (await run("projects", "restore", "demo", "--name", "again")).exit_code == ExitStatus.OK
    assert "again" in (await run("projects", "list")).stdout


async def test_categories_on_the_command_line(loop: RunningLoop, tmp_path: Path):
    await loop.create_project(["face"])
    assert (await run("categories", "add", "nose", "--type", "point", "--color", "#123456")).exit_code == ExitStatus.OK
    assert (await run("categories", "add", "nose")).exit_code == ExitStatus.REFUSED
    ghost = json.loads((await run("categories", "add", "ghost:classification", "--json")).stdout)
    assert [(entry["name"], entry["type"]) for entry in ghost] == [("ghost", "classification")]
    ratio = json.loads((await run("categories", "add", "a:b", "--type", "box", "--json")).stdout)
    assert [(entry["name"], entry["type"]) for entry in ratio] == [("a:b", "box")]
    assert (await run("categories", "add", "a:b")).exit_code == ExitStatus.USAGE
    assert (await run("categories", "change", "face", "--name", "head", "--hotkey", "h")).exit_code == ExitStatus.OK
    assert (await run("categories", "change", "nothing")).exit_code == ExitStatus.REFUSED
    assert (await run("categories", "remove", "nose")).exit_code == ExitStatus.OK
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"categories": ["ear", {"name": "head", "color": "#000000", "hotkey": None}]}))
    imported = json.loads((await run("categories", "import", file, "--json")).stdout)
    assert [(entry["name"], entry["hotkey"]) for entry in imported] == [("head", "h"), ("ear", "1")]
    assert imported[0]["color"] == "#000000"
    assert "nothing to change" in (await run("categories", "import", file)).stdout
    for wrong in ("{", "[]", '[{"id": "a"}]', "7"):
        file.write_text(wrong)
        assert (await run("categories", "import", file)).exit_code == ExitStatus.REFUSED


async def run(*arguments: object) -> Result:
    """The command in a thread, so that the loop of the test can answer it."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])
