"""The README's examples, run in their order in an empty folder, as somebody would who reads it for the first time."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.demo.stage import free_ports
from tests.builders import jpeg
from tests.reader import LOOP_PORT, NEEDS, NODE_PORT, Reader

pytestmark = NEEDS

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^<!-- test: (\w+) ?([\w.]*) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    (tmp_path / "image.jpg").write_bytes(jpeg(320, 240))
    loop_port, node_port = map(str, free_ports(2))
    async with AsyncExitStack() as running:
        yield Reader(tmp_path, {LOOP_PORT: loop_port, NODE_PORT: node_port}, running)


async def test_every_example_works_as_printed(reader: Reader):
    blocks = BLOCK.findall(README.read_text())
    outputs = [await reader.work_through(*block) for block in blocks]
    made, asked, printed, event, _, by_client, managed, moved, *_ = [output for output in outputs if output]

    project, pushed, deployed = made.splitlines()
    assert json.loads(project)["categories"][0]["name"] == "brightest"
    assert re.fullmatch(r"model 1\.0 \([0-9a-f-]{36}\)", pushed)
    assert deployed == f"{pushed} is deployed"

    detected, uploaded, status = map(json.loads, asked.splitlines())
    assert without_place(detected) == without_place(json.loads(printed))
    assert uploaded == [200, "OK"]
    assert (status["model_version"], status["detection"]["images"]) == ("1.0", 1)

    assert [entry["category_name"] for entry in ast.literal_eval(event)["point_detections"]] == ["brightest"]
    assert "category_name='brightest'" in by_client

    second, *listed, back, pinned, following = managed.splitlines()
    assert re.fullmatch(r"model 1\.1 \(.*\) is deployed", second)
    assert [version for version in ("1.0", "1.1") if any(f" {version} " in line for line in listed)] == ["1.0", "1.1"]
    assert (back, pinned, following) == (deployed, '"OK"', '"OK"')

    exported, imported = moved.splitlines()
    count = int(exported.split()[0])
    assert exported == f"{count} images in dataset; annotations: none; categories: 1"
    assert imported.startswith(f"{count} images for zauberzeug/copy: {count} sent, 0 there already; ")

    [question] = [code for kind, _, code in blocks if kind == "shell" and code.rstrip().endswith("/data")]
    assert await reader.images_once_settled(question) == 2
    assert await reader.end() == {"node": 0, "loop": 0}


def test_every_marked_block_is_found():
    assert len(BLOCK.findall(README.read_text())) == README.read_text().count("<!-- test: ")


def without_place(detected: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the image."""
    for detection in detected["point_detections"]:
        del detection["x"], detection["y"]
    return detected
