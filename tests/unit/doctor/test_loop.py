"""What the loop says about login, project and model becomes a finding with a remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.doctor.finding import Level, Verdict
from learning_loop_node.doctor.loop import LoopChecks, clock_verdict
from learning_loop_node.settings import LoopSettings
from tests.loop import ORGANIZATION, PROJECT, running_loop
from tests.stand_in import stand_in
from tests.tls import Authority, listening

STEPS = ("status", "clock", "login", "project", "target")


async def verdicts_at(host: str, model_format: str | None = None, **settings: Any) -> dict[str, Verdict]:
    """All verdicts up to the first error."""
    values = {"host": host, "organization": ORGANIZATION, "project": PROJECT} | settings
    found: dict[str, Verdict] = {}
    async with LoopHttp(LoopSettings(**values)) as http:
        checks = LoopChecks(http, model_format)
        for step in STEPS:
            found[step] = await getattr(checks, step)()
            if found[step].level is Level.ERROR:
                break
    return found


async def test_a_loop_where_all_is_well(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        empty = await verdicts_at(loop.host)
        await loop.push_model(version="1.3", deploy=True)
        found = await verdicts_at(loop.host, "mocked", username="admin", password=SecretStr("secret"))
    assert empty["login"].found == "let in as a guest, which is enough for a detector"
    assert (empty["target"].level, empty["target"].found) == (Level.WARNING, "no model is deployed yet")
    assert [verdict.level for verdict in found.values()] == [Level.OK] * len(STEPS)
    assert found["login"].found == "let in as admin"
    assert found["target"].found.startswith("model 1.3 is there as 'mocked'")


@pytest.mark.parametrize(
    ("settings", "step", "found", "remedy"),
    [
        pytest.param({"username": "admin"}, "login", "check LOOP_USERNAME and LOOP_PASSWORD", "", id="password"),
        pytest.param({"project": ""}, "project", "is not set", "set LOOP_PROJECT:", id="no project"),
        pytest.param(
            {"organization": "", "project": ""}, "project", "not set", "set LOOP_ORGANIZATION and", id="neither"
        ),
        pytest.param({"project": "dem"}, "project", "there is no", "Correct LOOP_ORGANIZATION", id="unknown project"),
        pytest.param(
            {"project": "dmeo", "username": "admin", "password": SecretStr("secret")},
            "project",
            "there is no",
            "did you mean zauberzeug/demo?",
            id="nearly the name",
        ),
        pytest.param(
            {"project": "cells", "username": "admin", "password": SecretStr("secret")},
            "project",
            "there is no",
            "Correct LOOP_ORGANIZATION",
            id="another name",
        ),
        pytest.param({"model_format": "onnx"}, "target", "not there as 'onnx'", "push it in this format", id="format"),
    ],
)
async def test_what_is_wrong(tmp_path: Path, settings: dict[str, Any], step: str, found: str, remedy: str):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model(deploy=True)
        verdicts = await verdicts_at(loop.host, **settings)
    assert list(verdicts)[-1] == step
    assert verdicts[step].level is Level.ERROR
    assert found in verdicts[step].found
    assert verdicts[step].remedy.startswith(remedy)


async def test_a_guest_that_is_not_let_in(tmp_path: Path):
    async with running_loop(tmp_path, require_node_token=True) as loop:
        found = await verdicts_at(loop.host)
    assert found["login"].level is Level.ERROR
    assert found["login"].found.count("set LOOP_TOKEN, or LOOP_USERNAME and LOOP_PASSWORD") == 1
    assert not found["login"].remedy


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(web.Response(text="<html>hello</html>"), "web page", id="web page"),
        pytest.param(web.Response(status=404), "404", id="another server"),
        pytest.param(
            web.json_response({"detail": "nothing here", "code": "not_found"}, status=404), "nothing here", id="a node"
        ),
        pytest.param(web.Response(status=302, headers={"Location": "https://x"}), "sends us to", id="redirection"),
    ],
)
async def test_what_is_no_loop(answer: web.Response, found: str):
    async with stand_in() as server:
        server.on("GET /api/status", answer)
        verdict = (await verdicts_at(server.host))["status"]
    assert verdict.level is Level.ERROR
    assert found in verdict.found
    assert "correct" in verdict.remedy


async def test_a_loop_that_speaks_tls_and_is_asked_without(tmp_path: Path):
    async with listening(Authority(tmp_path).issue("localhost")) as port:
        verdict = (await verdicts_at(f"127.0.0.1:{port}"))["status"]
    assert verdict.found == "speaks TLS, but is asked without"
    assert verdict.remedy == "begin LOOP_HOST with https://"


async def test_other_loops_without_a_project():
    """They answer 404 without a code for a project that is missing."""
    async with stand_in() as server:
        server.on("GET /api/status", web.json_response({"status": "ok"}))
        verdict = (await verdicts_at(server.host))["project"]
    assert verdict.level is Level.ERROR


NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ours_later_s", "took_s", "level", "found"),
    [
        pytest.param(0, 0, Level.OK, "the same", id="the same"),
        pytest.param(-4, 10, Level.OK, "the same", id="a slow answer"),
        pytest.param(30, 0, Level.WARNING, "30 s ahead of", id="ahead"),
        pytest.param(-90, 0, Level.WARNING, "90 s behind", id="behind"),
        pytest.param(86_400, 0, Level.ERROR, "86400 s ahead of", id="another day"),
    ],
)
def test_clock(ours_later_s: float, took_s: float, level: Level, found: str):
    asked = NOON + timedelta(seconds=ours_later_s)
    verdict = clock_verdict(format_datetime(NOON, usegmt=True), asked, asked + timedelta(seconds=took_s))
    assert verdict is not None
    assert verdict.level == level
    assert found in verdict.found


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_no_clock(date: str):
    assert clock_verdict(date, NOON, NOON) is None
