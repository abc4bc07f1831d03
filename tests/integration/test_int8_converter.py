"""The converter to bytes against our loop: calibrated and tested with the loop's own images."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from pydantic import SecretStr

from learning_loop_node import ConverterNode
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.images import NewImage
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.converter.backends.onnx_int8.logic import OnnxToInt8
from learning_loop_node.images import encode_jpeg
from learning_loop_node.settings import LoopSettings
from tests.builders import make_settings
from tests.loop import P, RunningLoop, running_loop
from tests.onnx_graphs import COLOURS
from tests.polling import until
from tests.tile_finder import SIDE, image_with_tiles, tile_finder

PLACES = [(x, y) for x in range(SIDE) for y in range(SIDE)]
CATEGORIES = [{"id": name, "name": name, "type": "box"} for name in COLOURS]


async def test_a_model_gets_its_version_in_bytes_and_says_what_that_costs(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project(CATEGORIES)
        await add_images(loop, train=8, test=3)
        model = await loop.push_model({"model.onnx": tile_finder().SerializeToString()}, model_format="onnx")
        async with converter(loop, tmp_path / "node"):
            await until(lambda: is_done_or_failed(loop), within_s=50)
        assert await problems(loop) == []
        async with loop.nobody.get(f"/api{P}/models/{model['id']}/onnx_int8/file") as answer:
            archive = ZipFile(BytesIO(await answer.read()))
        assert sorted(archive.namelist()) == ["model.json", "model.onnx"]
        information = json.loads(archive.read("model.json"))
        assert (information["format"], information["version"]) == ("onnx_int8", "1.0")
        report = information["quantization"]
        assert (report["calibration_images"], report["test_images"]) == (8, 3)
        assert (report["source_map50"], report["map50"]) == (1.0, 1.0)
        assert min(report["milliseconds"], report["source_milliseconds"]) > 0


async def test_a_project_without_images_says_how_many_are_needed(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project(CATEGORIES)
        await loop.push_model({"model.onnx": tile_finder().SerializeToString()}, model_format="onnx")
        async with converter(loop, tmp_path / "node"):
            await until(lambda: is_done_or_failed(loop), within_s=50)
        [problem] = await problems(loop)
        assert "the project has 0 images; at least 8 are needed" in problem["error"]


async def add_images(loop: RunningLoop, *, train: int, test: int) -> None:
    rng = np.random.default_rng(3)
    new = []
    for number in range(train + test):
        tiles = {colour: (int(x), int(y)) for colour, (x, y) in zip(COLOURS, rng.permutation(PLACES)[:3], strict=True)}
        boxes = [
            {
                "category_id": colour,
                "category_name": colour,
                "x": SIDE * x,
                "y": SIDE * y,
                "width": SIDE,
                "height": SIDE,
            }
            for colour, (x, y) in tiles.items()
        ]
        metadata = {"state": "complete", "set": "train" if number < train else "test", "box_annotations": boxes}
        pixels = image_with_tiles(**{colour: [place] for colour, place in tiles.items()})
        new.append(NewImage(content=encode_jpeg(pixels, quality=100), metadata=metadata))
    async with LoopHttp(place_of(loop)) as http:
        await LoopClient(http).images.upload(new)


@asynccontextmanager
async def converter(loop: RunningLoop, folder: Path) -> AsyncIterator[ConverterNode]:
    settings = make_settings(loop=place_of(loop), data_folder=folder)
    node = ConverterNode("onnx to int8", OnnxToInt8(loop=place_of(loop)), settings=settings)
    await node._on_startup()
    try:
        yield node
    finally:
        await node._on_shutdown()


def place_of(loop: RunningLoop) -> LoopSettings:
    return LoopSettings(
        host=loop.host,
        username=loop.username,
        password=SecretStr(loop.password),
        organization="zauberzeug",
        project="demo",
    )


async def is_done_or_failed(loop: RunningLoop) -> bool:
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    return "onnx_int8" in model["formats"] or bool(model["problems"])


async def problems(loop: RunningLoop) -> list[dict[str, Any]]:
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    return model["problems"]  # type: ignore[no-any-return]
