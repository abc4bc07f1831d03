"""The examples for users, run in their order in one folder, as by somebody who reads everything for the first time."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.builders import jpeg
from tests.documents import DOCS, DOCUMENTS, ROOT
from tests.ports import free_ports
from tests.reader import LOOP_PORT, NEEDS, NODE_PORT, Reader

pytestmark = [*NEEDS, pytest.mark.timeout(600)]

MARK = "<!-- test: "
BLOCK = re.compile(rf"^{MARK}(\w+) ?([\w.]*) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CONVERTER_PORT, TRAINER_PORT, OWN_TRAINER_PORT, TOOL_PORT = "5006", "5007", "5008", "5009"
CHECKOUT = "$CHECKOUT"
AFTER_A_MOMENT = {"converted": "float16", "problems": "1.1", "tools": "circles"}
"""What an output comes to show."""

CIRCLE = '<circle cx="{}" cy="{}" r="{}" fill="none" stroke="red"/>'
MODEL = r"model {} \([0-9a-f-]{{36}}\)"


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    (tmp_path / "image.jpg").write_bytes(jpeg(320, 240))
    printed = (LOOP_PORT, NODE_PORT, CONVERTER_PORT, TRAINER_PORT, OWN_TRAINER_PORT, TOOL_PORT)
    instead = dict(zip(printed, map(str, free_ports(len(printed))), strict=True)) | {CHECKOUT: str(ROOT)}
    async with AsyncExitStack() as running:
        yield Reader(tmp_path, instead, running)


async def test_every_example_works_as_printed(reader: Reader):
    outputs: dict[str, str] = {}
    for document in DOCUMENTS:
        for kind, name, code in BLOCK.findall(document.read_text()):
            if name == "came":
                await reader.until_settled()
            outputs[name] = await reader.work_through(kind, name, code)
            while AFTER_A_MOMENT.get(name, "") not in outputs[name]:
                outputs[name] = await reader.work_through(kind, name, code)

    made, pushed, deployed = outputs["project"].splitlines()
    assert made == "zauberzeug/lights is made"
    assert re.fullmatch(MODEL.format("1.0"), pushed)
    assert deployed == f"{pushed} is deployed"

    detected, uploaded, status = map(json.loads, outputs["detect"].splitlines())
    assert without_place(detected) == without_place(json.loads(outputs["detection"]))
    assert uploaded == [200, "OK"]
    assert (status["model_version"], status["detection"]["images"]) == ("1.0", 1)
    assert "category_name='brightest'" in outputs["client"]

    assert outputs["came"].splitlines()[-1] == "2 shown; in the project: 2 inbox"
    moved, exported, second, *_, back, _ = (line for line in outputs["loop"].splitlines() if line[0].isalnum())
    assert moved == "1 image moved"
    assert exported == "2 images in dataset; annotations: none; categories: 1"
    assert re.fullmatch(MODEL.format("1.1") + " is deployed", second)
    assert back.startswith(f"{deployed}, as it was with deployment 1 of ")

    assert [entry["category_name"] for entry in ast.literal_eval(outputs["event"])["point_detections"]] == ["brightest"]
    assert outputs["modes"].splitlines()[:2] == ['"OK"', '"OK"']
    assert "float32, float16" in outputs["converted"]
    assert "ValueError: weights.npy has weights too large for float16" in outputs["problems"]
    assert outputs["retry"] == "model 1.1 waits for a converter to float16\n"
    assert outputs["label"] == "phone is labelled\n"
    exported, imported = outputs["datasets"].splitlines()
    count = int(exported.split()[0])
    assert exported == f"{count} images in all_of_it; annotations: 1 point; categories: 1"
    assert imported.startswith(f"{count} images for zauberzeug/copy: {count} sent, 0 there already; ")

    finished = [line for line in outputs["train"].splitlines() if line.startswith("training")]
    versions = ["1.0 (mocked, mocked_2)", "1.1 (mocked, mocked_2)"]
    assert finished == [f"training {number} is finished; model {text}" for number, text in enumerate(versions, 1)]
    assert outputs["start"] == "finished 2.0\n"
    record = json.loads(outputs["http"])
    assert (record["number"], record["state"], record["base_model"]["version"]) == (4, "queued", "1.0")
    assert [category["name"] for category in record["categories"]] == ["box 1"]
    assert "compared on 10 of 10 complete images of the set test" in outputs["compare"]
    assert "drawn in models.png" in outputs["compare"]
    assert "not deployed: macro F1 0.000 on 10 images of the set test; it has found nothing" in outputs["rule"]
    assert "training 1 is finished; model 1.0 (usual_colors)" in outputs["own_training"]
    assert "the usual colours are" in outputs["own_training"]
    assert "macro F1 on 10 test images: 1.000\n" in outputs["own_training"]
    assert re.search(r"│ macro F1\b.* 1\.000 ", outputs["own_training"])
    pressed, released = map(json.loads, outputs["circle"].splitlines())
    assert (pressed["svg"], pressed["annotations"]) == (CIRCLE.format(160, 120, 0), [])
    assert (released["svg"], len(released["annotations"])) == (CIRCLE.format(160, 120, 40), 1)
    assert outputs["second_circle"].splitlines() == [CIRCLE.format(60, 50, 10), *["tool circles 24"] * 2]
    assert await reader.end() == {"circles": 0, "usual_colors": 0, "trainer": 0, "converter": 0, "node": 0, "loop": 0}


def test_the_trainer_of_the_docs_is_short():
    blocks = {name: code for kind, name, code in BLOCK.findall((DOCS / "trainer.md").read_text()) if kind == "file"}
    assert len(blocks["trainer.py"].splitlines()) < 60


def test_every_marked_block_is_found():
    texts = [document.read_text() for document in DOCUMENTS]
    assert sum(len(BLOCK.findall(text)) for text in texts) == sum(text.count(MARK) for text in texts)


def without_place(detected: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the image."""
    for detection in detected["point_detections"]:
        del detection["x"], detection["y"]
    return detected
