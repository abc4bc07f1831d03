"""`learning-loop models problems` and `models retry`."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from tests.integration.test_conversions import model_in, put, report
from tests.loop import RunningLoop, running_loop
from tests.node_clients import node_client


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    """A loop with a project that the environment names."""
    monkeypatch.delenv("LOOP_TOKEN", raising=False)
    async with running_loop(tmp_path) as running:
        values = {"HOST": running.host, "ORGANIZATION": "zauberzeug", "PROJECT": "demo"}
        for name, value in (values | {"USERNAME": "admin", "PASSWORD": "secret"}).items():
            monkeypatch.setenv(f"LOOP_{name}", value)
        yield running


async def test_without_problems(loop: RunningLoop):
    await model_in(loop)
    assert (await models("problems")).stdout == "no converter has failed in zauberzeug/demo\n"
    assert json.loads((await models("problems", "--json")).stdout) == []


async def test_a_problem_is_shown_with_its_remedy_and_tried_again(loop: RunningLoop):
    model = await model_in(loop)
    await put(loop, model, report("running", "one"))
    await put(loop, model, report("failed", "one", error="no such layer\nat line 7", code="child_raised"))
    first, reason, remedy = (await models("problems")).stdout.splitlines()
    assert first.startswith("model 1.0 has no format_b: node one (Halves 1), 1 try, 20")
    assert reason == "    no such layer"
    assert (await models("problems")).stderr == "--verbose shows all that the converters have said\n"
    _, *reasons, _ = (await models("problems", "--verbose")).stdout.splitlines()
    assert reasons == ["    no such layer", "    at line 7"]
    listed = await models("list", "--project", "demo")
    assert "format_a, format_b failed" in listed.stdout
    assert listed.stderr == "formats that failed: `learning-loop models problems --project demo` says why\n"
    [problem] = json.loads((await models("problems", "--json")).stdout)
    assert (problem["version"], problem["id"], problem["code"]) == ("1.0", model, "child_raised")

    assert remedy.split()[:2] == ["learning-loop", "models"]
    asked = await models(*remedy.split()[2:])
    assert (asked.exit_code, asked.stdout) == (ExitStatus.OK, "model 1.0 waits for a converter to format_b\n")
    assert json.loads((await models("problems", "--json")).stdout) == []
    assert json.loads((await models("retry", model, "--format", "format_b", "--json")).stdout)["state"] == "waiting"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["2.0", "--format", "format_b"], "there is no model with version 2.0; there are: 1.0", id="model"),
        pytest.param(["1.0", "--format", "format_c"], "no converter has tried to convert model 1.0", id="format"),
    ],
)
async def test_what_cannot_be_tried_again(loop: RunningLoop, arguments: list[str], said: str):
    await model_in(loop)
    refused = await models("retry", *arguments)
    assert (refused.exit_code, said in refused.stderr) == (ExitStatus.REFUSED, True), refused.stderr


async def test_the_remedy_is_for_the_place_that_was_asked_for(loop: RunningLoop, monkeypatch: pytest.MonkeyPatch):
    model = await model_in(loop)
    await put(loop, model, report("running", "one"))
    await put(loop, model, report("failed", "one", error="no such layer", code="child_raised"))
    *_, remedy = (await models("problems")).stdout.splitlines()
    assert remedy == "    learning-loop models retry 1.0 --format format_b", "the environment says where"
    for name, option in (("PROJECT", "demo"), ("ORGANIZATION", "zauberzeug"), ("HOST", loop.host)):
        monkeypatch.delenv(f"LOOP_{name}")
        given = ["--project", "demo", "--organization", "zauberzeug", "--host", loop.host]
        *_, remedy = (await models("problems", *given)).stdout.splitlines()
        assert f"--{name.lower()} {option}" in remedy
    asked = await models(*shlex.split(remedy)[2:])
    assert asked.stdout == "model 1.0 waits for a converter to format_b\n"


async def test_a_converter_is_listed_with_its_formats(loop: RunningLoop):
    async with node_client(loop, "converter") as converter:
        status = {"id": "c", "name": "Halves", "state": "idle", "uptime": 1.5, "errors": {}}
        await converter.call("update_converter", status | {"source_format": "format_a", "target_format": "format_b"})
        listed = await asyncio.to_thread(CliRunner().invoke, app, ["nodes", "list", "--kind", "converter"])
        assert "format_a to format_b" in listed.stdout


async def models(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["models", *arguments])
