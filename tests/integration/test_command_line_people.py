"""Users, tokens, deployments and detectors on the command line, against a real loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from tests.loop import P, RunningLoop, running_loop

ADMIN = ("--username", "admin", "--password", "secret")


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    for name in ("LOOP_USERNAME", "LOOP_PASSWORD", "LOOP_TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    async with running_loop(tmp_path) as running:
        await running.create_project()
        monkeypatch.setenv("LOOP_HOST", running.host)
        monkeypatch.setenv("LOOP_ORGANIZATION", "zauberzeug")
        monkeypatch.setenv("LOOP_PROJECT", "demo")
        yield running


async def test_users(loop: RunningLoop):
    made = await run("users add anna --in zauberzeug=viewer", "first password\n")
    assert made.stdout == "anna: viewer in zauberzeug\n"
    assert "first password" not in made.output
    changed = await run("users change anna --in zauberzeug=Owner --in other=viewer --admin --disable")
    assert changed.stdout == "anna: an administrator, viewer in other, owner in zauberzeug, disabled\n"
    changed = await run("users change anna --out-of other --no-admin --enable --new-password", "second password\n")
    assert changed.stdout == "anna: owner in zauberzeug\n"
    own = await run("users password", "second password\nthird password\n", ("--username", "anna"))
    assert own.exit_code == ExitStatus.REFUSED, "the login itself needs the present password, too"
    login = ("--username", "anna", "--password", "second password")
    own = await run("users password", "second password\nthird password\n", login)
    assert own.stdout == "the password of anna is changed\n"
    listed = json.loads((await run("users list --json")).stdout)
    assert [(user["name"], user["role"]) for user in listed] == [("admin", "admin"), ("anna", "user")]
    assert "owner" in (await run("users list")).stdout
    assert (await run("users remove anna")).stdout == "anna is removed\n"


@pytest.mark.parametrize(
    ("arguments", "given", "status", "text"),
    [
        ("users add anna", "short\n", ExitStatus.REFUSED, "password must have at least 10 characters"),
        ("users add anna", "", ExitStatus.USAGE, "standard input"),
        ("users add anna --in zauberzeug", "long enough\n", ExitStatus.USAGE, "organization=role"),
        ("users change admin", "", ExitStatus.USAGE, "say what to change"),
        ("users change admin --disable", "", ExitStatus.REFUSED, "last administrator"),
        ("users remove nobody", "", ExitStatus.REFUSED, "no user nobody"),
        ("tokens add x --role viewer", "", ExitStatus.USAGE, "--own"),
        ("tokens add x --project unknown", "", ExitStatus.REFUSED, "no project zauberzeug/unknown"),
        ("tokens revoke x", "", ExitStatus.REFUSED, "no token x"),
        ("models rollback", "", ExitStatus.REFUSED, "no other model"),
        ("models rollback --number 7", "", ExitStatus.REFUSED, "no deployment 7"),
        ("detectors forget x", "", ExitStatus.REFUSED, "no detector x"),
    ],
)
async def test_refusals(loop: RunningLoop, arguments: str, given: str, status: ExitStatus, text: str):
    result = await run(arguments, given)
    assert result.exit_code == status, result.output
    assert text in " ".join(result.output.replace("│", " ").split())


async def test_tokens(loop: RunningLoop, monkeypatch: pytest.MonkeyPatch):
    token = (await run("tokens add robot --days 30")).stdout.strip()
    assert token.startswith("ll_node_")
    everywhere = json.loads((await run("tokens add all --whole-organization --json")).stdout)
    assert (everywhere["organization"], everywhere["project"]) == ("zauberzeug", None)
    own = (await run("tokens add script --own --role Viewer")).stdout.strip()
    table = (await run("tokens list")).stdout
    for text in ("nodes of zauberzeug/demo", "nodes of zauberzeug/*", "admin, as viewer at most"):
        assert text in table
    assert token not in table
    monkeypatch.setenv("LOOP_TOKEN", own)
    monkeypatch.setenv("LOOP_USERNAME", "nobody asks for this")
    assert json.loads((await run("models list --json", login=())).stdout) == []
    refused = await run("tokens add more", login=())
    assert refused.exit_code == ExitStatus.REFUSED
    assert (await run(f"tokens revoke {everywhere['id']}")).exit_code == ExitStatus.OK, "a login that is given counts"
    names = [entry["name"] for entry in json.loads((await run("tokens list --json")).stdout)]
    assert names == ["robot", "script"]


async def test_deployments(loop: RunningLoop):
    assert "no model was deployed" in (await run("models history")).stdout
    for version in ("1.0", "1.1"):
        await loop.push_model(version=version, deploy=True)
    assert (await run("models rollback")).stdout.startswith("model 1.0 (")
    history = json.loads((await run("models history --json")).stdout)
    assert [(entry["version"], entry["user"]) for entry in history] == [
        ("1.0", "admin"),
        ("1.1", "admin"),
        ("1.0", "admin"),
    ]
    assert [entry["until"] for entry in history] == [None, history[0]["since"], history[1]["since"]]
    assert len(json.loads((await run("models history --limit 1 --json")).stdout)) == 1
    back = json.loads((await run(f"models rollback --number {history[1]['number']} --json")).stdout)
    assert back["version"] == "1.1"
    assert "1.1" in (await run("models history")).stdout


async def test_detectors(loop: RunningLoop):
    assert "no detectors" in (await run("detectors list")).stdout
    model = await loop.push_model(deploy=True)
    status = {"uuid": "u/1", "name": "gate", "state": "online", "current_model": "0.9", "errors": {"update_model": "?"}}
    await loop.json("POST", f"{P}/detectors", json=status | {"model_format": "m", "operation_mode": "idle"})
    table = (await run("detectors list")).stdout
    assert f"0.9 (not {model['version']})" in table
    assert "s ago" in table
    entry = json.loads((await run("detectors list --json")).stdout)[0]
    assert (entry["is_late"], entry["runs_deployed"], entry["interval_s"]) == (False, False, 30.0)
    assert (await run("detectors forget u/1")).exit_code == ExitStatus.OK
    assert json.loads((await run("detectors list --json")).stdout) == []


async def run(arguments: str, given: str = "", login: tuple[str, ...] = ADMIN) -> Result:
    """The command in a thread, since the loop runs in this one's event loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments.split(), *login], input=given)
