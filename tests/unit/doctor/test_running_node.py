"""A running node is asked how it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from learning_loop_node.doctor.finding import Level, Verdict
from learning_loop_node.doctor.running_node import NodeChecks
from learning_loop_node.enums import OutboxMode
from learning_loop_node.errors import LoopUnreachableError
from tests.builders import jpeg
from tests.commands import is_command
from tests.nodes import running_node
from tests.stand_in import stand_in

STEPS = ("answers", "model", "queue", "outbox")


async def verdicts_of(origin: str) -> dict[str, Verdict]:
    checks = NodeChecks(origin, 64)
    return {step: await getattr(checks, step)() for step in STEPS}


async def test_a_node_that_works(tmp_path: Path):
    async with running_node(tmp_path) as running:
        found = await verdicts_of(running.url)
        assert [verdict.level for verdict in found.values()] == [Level.OK] * 4, found
        assert found["model"].found == "model 1.0 answers"
        await running.node.outbox.set_mode(OutboxMode.STOPPED)
        await running.node.upload_images(images=[jpeg()])
        running.node.inference.counts.refused = 3
        found = await verdicts_of(running.url)
    assert "3 requests refused" in found["queue"].found
    assert found["queue"].level is Level.WARNING
    assert "1 image is waiting" in found["outbox"].found
    assert found["outbox"].remedy == f"let it send: curl -X PUT -d continuous_upload {running.url}/outbox_mode"


async def test_a_node_with_images_in_quarantine(tmp_path: Path):
    (tmp_path / "outbox" / "quarantine" / "2020-01-02_00:00:00.000000").mkdir(parents=True)
    async with running_node(tmp_path) as running:
        found = (await verdicts_of(running.url))["outbox"]
    assert found.level is Level.WARNING
    assert is_command(found.remedy.removeprefix("see why: "))


async def test_a_node_without_a_model_says_why(tmp_path: Path):
    async with running_node(tmp_path, has_model=False) as running:
        found = await verdicts_of(running.url)
    assert found["model"].level is Level.ERROR
    assert "No model loaded" in found["model"].found


async def test_an_older_node():
    about: dict[str, Any] = {
        "operation_mode": "idle", "state": "online", "model_info": {"version": "1.2"}, "target_model": "1.3",
        "version_control": "follow_loop",
    }  # fmt: skip
    async with stand_in() as server:
        server.on("GET /about", web.json_response(about))
        server.on("GET /outbox_mode", web.Response(text="stopped"))
        found = await verdicts_of(f"http://{server.host}")
    assert "older one" in found["answers"].found
    assert found["model"].found == "model 1.2 answers, 1.3 is wanted: it may be under way"
    assert found["queue"].level is Level.OK
    assert "nothing is sent" in found["outbox"].found


async def test_what_is_no_node():
    async with stand_in() as server:
        server.on("GET /about", web.Response(text="<html>"))
        assert (await NodeChecks(f"http://{server.host}", 64).answers()).level is Level.ERROR
    with pytest.raises(LoopUnreachableError, match="--node"):
        await NodeChecks(f"http://{server.host}", 64).answers()
