"""The command line against a real loop and a real node."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from tests.builders import jpeg
from tests.commands import is_command
from tests.loop import RunningLoop, running_loop
from tests.nodes import running_node


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    """A loop with a project; host and project are said by the environment, the login by the options."""
    for name in ("LOOP_USERNAME", "LOOP_PASSWORD", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    async with running_loop(tmp_path) as running:
        await running.create_project()
        monkeypatch.setenv("LOOP_HOST", running.host)
        monkeypatch.setenv("LOOP_ORGANIZATION", "zauberzeug")
        monkeypatch.setenv("LOOP_PROJECT", "demo")
        yield running


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model.zip"
    with ZipFile(file, "w") as archive:
        archive.writestr("weights.bin", bytes(100))
    return file


async def test_a_model_is_pushed_deployed_and_listed(loop: RunningLoop, model: Path):
    pushed = await models("push", model, "--format", "mocked", "--json")
    assert pushed.exit_code == ExitStatus.OK, pushed.output
    assert json.loads(pushed.stdout)["version"] == "1.0"
    assert (
        await models("push", model, "--format", "mocked", "--version", "2.0", "--deploy")
    ).exit_code == ExitStatus.OK
    assert await deployed_versions() == ["2.0"]
    assert (await models("deploy", "1.0")).exit_code == ExitStatus.OK
    assert await deployed_versions() == ["1.0"]
    table = (await models("list")).stdout
    assert "2.0" in table
    assert "mocked" in table


async def test_a_rollback_says_what_it_restored_and_how_to_go_further(loop: RunningLoop, model: Path):
    for _ in range(3):
        await models("push", model, "--format", "mocked", "--deploy")
    back = await models("rollback")
    assert back.stdout.startswith("model 1.1 (")
    assert " is deployed, as it was with deployment 2 of 20" in back.stdout
    assert back.stderr.startswith("another rollback would bring back 1.2; ")
    for command in re.findall(r"`(learning-loop [^`]*)`", back.stderr):
        assert "--username admin --password ..." in command
        assert is_command(command.replace("NUMBER", "1"))
    certain = await models("rollback", "--number", 1)
    assert certain.stdout.startswith("model 1.0 (")
    assert "deployment 1 of 20" in certain.stdout
    told = json.loads((await models("rollback", "--json")).stdout)
    assert told["version"] == "1.1"


async def test_a_model_gets_another_format(loop: RunningLoop, model: Path):
    await models("push", model, "--format", "mocked")
    taken = await models("push", model, "--format", "other", "--version", "1.0")
    assert (taken.exit_code, "models push --to 1.0" in taken.stderr) == (ExitStatus.REFUSED, True)
    added = await models("push", model, "--format", "other", "--to", "1.0", "--deploy", "--json")
    assert json.loads(added.stdout)["version"] == "1.0"
    [entry] = json.loads((await models("list", "--json")).stdout)
    assert (entry["formats"], entry["deployed"]) == (["mocked", "other"], True)
    again = await models("push", model, "--format", "other", "--to", "1.0")
    assert (again.exit_code, "in format other already" in again.stderr) == (ExitStatus.REFUSED, True)
    missing = await models("push", model, "--format", "third", "--to", "2.0")
    assert (missing.exit_code, "there are: 1.0" in missing.stderr) == (ExitStatus.REFUSED, True)
    both = await models("push", model, "--format", "third", "--to", "1.0", "--version", "1.1")
    assert both.exit_code == ExitStatus.USAGE


async def test_a_folder_is_pushed_file_by_file(loop: RunningLoop, tmp_path: Path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a")
    (tmp_path / "files" / ".hidden").write_text("b")
    assert (await models("push", tmp_path / "files", "--format", "mocked")).exit_code == ExitStatus.OK
    (tmp_path / "empty").mkdir()
    assert (await models("push", tmp_path / "empty", "--format", "mocked")).exit_code == ExitStatus.USAGE


@pytest.mark.parametrize(
    ("arguments", "login", "said"),
    [
        pytest.param(
            ["deploy", "9.9"], "secret", "there is no model with version 9.9; there are: none", id="unknown version"
        ),
        pytest.param(["list"], "wrong", "LOOP_PASSWORD", id="wrong password"),
        pytest.param(["list", "--project", "nothing"], "secret", "nothing", id="unknown project"),
    ],
)
async def test_what_the_loop_refuses(loop: RunningLoop, arguments: list[str], login: str, said: str):
    result = await models(*arguments, password=login)
    assert result.exit_code == ExitStatus.REFUSED, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_pictures_are_detected(tmp_path: Path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        (pictures / f"{number}.jpg").write_bytes(jpeg(seed=number))
    async with running_node(tmp_path / "node") as running:
        result = await run("detect", running.url, pictures)
        assert result.exit_code == ExitStatus.OK, result.output
        assert [line for line in result.stdout.splitlines() if not line.startswith(" ")] == [
            f"{pictures}/{number}.jpg: 1 detection" for number in range(6)
        ]
        assert "face 0.90 at 0,0 size 64×48" in result.stdout

        (pictures / "3.jpg").write_bytes(b"no picture")
        result = await run("detect", running.url, f"{pictures}/*.jpg", "--json")
        assert result.exit_code == ExitStatus.FAILED
        told = json.loads(result.stdout)
        assert [Path(entry["image"]).name for entry in told if "error" in entry] == ["3.jpg"]
        assert told[3]["code"] == "invalid_image"
        assert told[0]["detections"]["box_detections"][0]["category_name"] == "face"


async def test_a_node_without_a_model(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    async with running_node(tmp_path / "node", has_model=False) as running:
        assert (await run("detect", running.url, tmp_path / "a.jpg")).exit_code == ExitStatus.REFUSED


async def deployed_versions() -> list[str]:
    listed = json.loads((await models("list", "--json")).stdout)
    return [entry["version"] for entry in listed if entry["deployed"]]


async def models(*arguments: object, password: str = "secret") -> Result:
    return await run("models", *arguments, "--username", "admin", "--password", password)


async def run(*arguments: object) -> Result:
    """The command in a thread, so that the servers of the test can answer it."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])
