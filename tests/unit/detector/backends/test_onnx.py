"""The detector of ONNX models: its settings, and a node that runs it."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("learning_loop_node.onnx_models.session", reason="needs extra [onnx]", exc_type=ImportError)
pytest.importorskip("onnx", reason="needs onnx (extra [quantization])")

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.data_classes import ModelInformation
from learning_loop_node.detector.backends.onnx import OnnxDetector, OnnxFactory
from learning_loop_node.errors import DetectionFailedError, ModelRefusedError
from learning_loop_node.images import encode_jpeg
from learning_loop_node.onnx_models.session import CPU, default_threads
from learning_loop_node.settings import OnnxSettings
from tests.builders import make_model_information
from tests.nodes import running_node
from tests.onnx_graphs import categories, colour_finder, picture

RED, GREEN = (8, 4, 16, 12), (40, 20, 12, 8)
IMAGE = picture(64, 48, red=RED, green=GREEN)


def put(folder: Path, content: Any = None, told: dict[str, Any] | None = None, **changes: Any) -> ModelInformation:
    """A model in a folder, with its `model.json`, and `told` in that."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes((content or colour_finder("yolov8")).SerializeToString())
    information = make_model_information(categories=categories(), model_root_path=str(folder), **changes)
    information.save()
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | (told or {})))
    return information


def png(image: np.ndarray) -> bytes:
    content = BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def test_a_model_without_a_folder_is_refused():
    with pytest.raises(ModelRefusedError, match="model_root_path"):
        OnnxDetector(make_model_information())


@pytest.mark.parametrize(
    ("settings", "in_model_json", "expected"),
    [
        pytest.param({}, None, 2, id="by default"),
        pytest.param({}, 0.85, 1, id="of the model"),
        pytest.param({"conf_threshold": 0.5}, 0.85, 2, id="of the settings"),
        pytest.param({"conf_threshold": 0.0}, 0.85, 2, id="zero is a threshold, too"),
    ],
)
def test_settings_come_before_the_model(
    settings: dict[str, Any], in_model_json: float | None, expected: int, tmp_path: Path
):
    logic = OnnxDetector(put(tmp_path, conf_threshold=in_model_json), OnnxSettings(**settings))
    assert len(logic.evaluate(IMAGE).box_detections) == expected


def test_overlap_of_settings_comes_before_that_of_the_model(tmp_path: Path):
    information = put(tmp_path, told={"onnx": {"iou_threshold": 0.1}})
    assert len(OnnxDetector(information, OnnxSettings()).evaluate(IMAGE)) == 2
    assert len(OnnxDetector(information, OnnxSettings(iou_threshold=1)).evaluate(IMAGE)) == 3


@pytest.mark.parametrize(("batch", "setting", "expected"), [("N", 8, 8), ("N", 0, 1), (1, 8, 1), (4, 2, 4)])
async def test_images_at_once(batch: int | str, setting: int, expected: int, tmp_path: Path):
    factory = OnnxFactory(OnnxSettings(max_batch_size=setting))
    assert getattr(factory, "max_batch_size", None) is None
    logic = await factory.build(put(tmp_path, colour_finder("yolov8", batch=batch)))
    assert logic.max_batch_size == expected
    assert [len(item) for item in logic.batch_evaluate([IMAGE] * 5).items] == [2] * 5


def test_providers_that_are_not_there_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    settings = OnnxSettings(providers="NoSuchProvider, CPUExecutionProvider")
    logic = OnnxDetector(put(tmp_path), settings)
    assert logic.model.provider == CPU
    assert "this ONNX Runtime has no NoSuchProvider" in caplog.text
    assert f"runs on {CPU}" in caplog.text
    caplog.clear()
    OnnxDetector(put(tmp_path), OnnxSettings(providers=CPU))
    assert caplog.text == ""


def test_threads_leave_room_where_there_are_many():
    count = len(os.sched_getaffinity(0))
    assert default_threads() == (count if count < 3 else count - 1)


def test_a_model_in_another_format_with_the_same_files(tmp_path: Path):
    assert OnnxFactory(model_format="onnx_int8").model_format == "onnx_int8"
    assert OnnxFactory().model_format == "onnx"


async def test_what_cannot_be_built_is_refused(tmp_path: Path):
    information = put(tmp_path, told={"onnx": {"layout": "yolov5"}})
    with pytest.raises(ModelRefusedError, match=r"onnx\.layout is yolov5, but"):
        await OnnxFactory(OnnxSettings()).build(information)


async def test_a_node_answers_with_what_the_model_finds(tmp_path: Path):
    """PNG keeps the pixels, so that boxes are exact; a JPEG is read, too."""
    put(tmp_path / "models" / "1.0")
    (tmp_path / "current_model").symlink_to("models/1.0")
    async with (
        running_node(tmp_path, OnnxFactory(OnnxSettings()), has_model=False) as running,
        aiohttp.ClientSession() as session,
        DetectorClient(running.url) as client,
    ):
        form = aiohttp.FormData({"file": BytesIO(png(IMAGE))})
        async with session.post(f"{running.url}/detect", data=form) as answer:
            assert answer.status == 200
            found = await answer.json()
        boxes = {box["category_name"]: box for box in found["box_detections"]}
        for colour, (x, y, width, height) in (("red", RED), ("green", GREEN)):
            box = boxes[colour]
            assert (box["x"], box["y"], box["width"], box["height"]) == (x, y, width, height)
            assert (box["category_id"], box["model_name"]) == (f"id-of-{colour}", "1.0")
        [large] = (await client.detect(encode_jpeg(np.full((48, 64, 3), (255, 0, 0), np.uint8)))).box_detections
        assert (large.x, large.y, large.width, large.height) == (0, 0, 64, 48)
        assert running.node.active_model.require().max_batch_size == 1


async def test_a_model_that_fails_leaves_the_old_one_in_service(tmp_path: Path):
    put(tmp_path / "models" / "1.0")
    (tmp_path / "current_model").symlink_to("models/1.0")
    broken = put(tmp_path / "models" / "1.1", version="1.1")
    (tmp_path / "models" / "1.1" / "model.onnx").write_bytes(b"broken")
    async with running_node(tmp_path, OnnxFactory(OnnxSettings()), has_model=False) as running:
        with pytest.raises(ModelRefusedError, match="no ONNX model"):
            await running.node.active_model.replace(broken)
        async with DetectorClient(running.url) as client:
            assert {box.model_name for box in (await client.detect(png(IMAGE))).box_detections} == {"1.0"}


async def test_a_raw_array_that_is_no_image_is_this_request_s_error(tmp_path: Path):
    put(tmp_path / "models" / "1.0")
    (tmp_path / "current_model").symlink_to("models/1.0")
    async with running_node(tmp_path, OnnxFactory(OnnxSettings()), has_model=False) as running:
        with pytest.raises(DetectionFailedError, match="uint8"):
            await running.node.get_detections(np.zeros((8, 8, 3), np.float32), [], autoupload="disabled")
        found = await running.node.get_detections(IMAGE, [], autoupload="disabled")
        assert len(found.box_detections) == 2
