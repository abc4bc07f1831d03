"""What every detector logic that comes with us keeps to; a new backend adds one line to the table."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from learning_loop_node.data_classes import Category, ImageMetadata, ModelInformation
from learning_loop_node.data_classes.codec import from_dict, to_dict
from mock_nodes.mock_detector.logic import BrightestSpotFactory
from tests.builders import make_category, make_model_information, pixels


def cascade(folder: Path) -> tuple[Any, ModelInformation]:
    pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")
    from learning_loop_node.demo.models import CATEGORIES, FINE, pack
    from learning_loop_node.detector.backends.cascade import CascadeFactory

    with ZipFile(BytesIO(pack(FINE))) as archive:
        archive.extractall(folder)
    return CascadeFactory(), make_model_information(
        categories=Category.from_list(CATEGORIES), model_root_path=str(folder)
    )


def onnx(folder: Path) -> tuple[Any, ModelInformation]:
    pytest.importorskip("learning_loop_node.onnx_models.session", reason="needs extra [onnx]", exc_type=ImportError)
    pytest.importorskip("onnx", reason="needs onnx (extra [quantization])")
    from learning_loop_node.detector.backends.onnx import OnnxFactory
    from tests.onnx_graphs import categories, colour_finder

    (folder / "model.onnx").write_bytes(colour_finder("yolov8").SerializeToString())
    return OnnxFactory(), make_model_information(categories=categories(), model_root_path=str(folder))


def mock(folder: Path) -> tuple[Any, ModelInformation]:
    categories = [make_category(kind, type=kind) for kind in ("box", "point", "segmentation", "classification")]
    return BrightestSpotFactory(), make_model_information(categories=categories, model_root_path=str(folder))


LOGICS = pytest.mark.parametrize(
    "make",
    [pytest.param(cascade, id="cascade"), pytest.param(onnx, id="onnx"), pytest.param(mock, id="mock detector")],
)
Make = Callable[[Path], tuple[Any, ModelInformation]]


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """A face where there is one, a gradient, and a picture of one colour."""
    data = pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])").data
    return [data.astronaut(), pixels(512, 512), np.zeros((512, 512, 3), np.uint8)]


@LOGICS
async def test_answers_are_complete_and_of_its_model(make: Make, images: list[np.ndarray], tmp_path: Path):
    factory, information = make(tmp_path)
    assert factory.model_format
    logic = await factory.build(information)
    found = logic.evaluate(images[0])
    detections = [
        *found.box_detections,
        *found.point_detections,
        *found.segmentation_detections,
        *found.classification_detections,
    ]
    assert detections
    ids = {category.name: category.id for category in information.categories}
    for detection in detections:
        assert detection.category_id == ids[detection.category_name]
        assert detection.model_name == information.version
        assert 0 <= detection.confidence <= 1


@LOGICS
async def test_answers_travel_unchanged(make: Make, images: list[np.ndarray], tmp_path: Path):
    factory, information = make(tmp_path)
    found = (await factory.build(information)).evaluate(images[0])
    assert from_dict(ImageMetadata, to_dict(found)) == found


@LOGICS
async def test_images_are_left_as_they_are_and_answers_are_the_same_each_time(
    make: Make, images: list[np.ndarray], tmp_path: Path
):
    factory, information = make(tmp_path)
    logic = await factory.build(information)
    frozen = [image.copy() for image in images]
    for image in frozen:
        image.flags.writeable = False
    first, second = ([plain(logic.evaluate(image)) for image in frozen] for _ in range(2))
    assert first == second


@LOGICS
async def test_a_batch_is_the_same_as_one_by_one(make: Make, images: list[np.ndarray], tmp_path: Path):
    factory, information = make(tmp_path)
    logic = await factory.build(information)
    assert logic.batch_evaluate([]).items == []
    batch = logic.batch_evaluate(images).items
    assert [plain(item) for item in batch] == [plain(logic.evaluate(image)) for image in images]


def plain(found: ImageMetadata) -> dict[str, Any]:
    """An answer without the time at which it was given."""
    return {name: value for name, value in to_dict(found).items() if name != "created"}
