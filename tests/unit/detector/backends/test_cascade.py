from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from learning_loop_node.data_classes import Category, ModelInformation
from learning_loop_node.demo.models import CATEGORIES, COARSE, FINE, DemoModel, pack
from learning_loop_node.errors import InvalidImageError, ModelRefusedError
from tests.builders import make_model_information, pixels

pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")

from skimage import data

from learning_loop_node.detector.backends.cascade import (
    PARAMETERS_FILE,
    CascadeDetector,
    CascadeFactory,
    CascadeParameters,
)

ASTRONAUT, COFFEE = data.astronaut(), data.coffee()  # type: ignore[no-untyped-call]
ASTRONAUT_FACE = (225, 114)
"""A point between the eyes and the mouth of the astronaut."""


def test_a_face_is_found_where_it_is(tmp_path: Path):
    detector = CascadeDetector(unpacked(FINE, tmp_path))
    found = detector.evaluate(ASTRONAUT)
    [face] = [box for box in found.box_detections if box.category_name == "face"]
    assert face.category_name == "face"
    assert face.category_id == CATEGORIES[0]["id"]
    assert face.model_name == "1.1"
    assert face.confidence > 0.6
    assert face.x < ASTRONAUT_FACE[0] < face.x + face.width
    assert face.y < ASTRONAUT_FACE[1] < face.y + face.height


def test_eyes_are_found_inside_the_face(tmp_path: Path):
    found = CascadeDetector(unpacked(FINE, tmp_path)).evaluate(ASTRONAUT).box_detections
    face = next(box for box in found if box.category_name == "face")
    eyes = [box for box in found if box.category_name == "eye"]
    assert len(eyes) == 2
    for eye in eyes:
        assert face.x <= eye.x
        assert eye.x + eye.width <= face.x + face.width


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((200, 300, 3), np.uint8), id="black"),
        pytest.param(pixels(300, 200), id="colour gradient"),
        pytest.param(np.zeros((3, 3, 3), np.uint8), id="smaller than a face"),
    ],
)
def test_where_no_face_is_nothing_is_found(image: np.ndarray, tmp_path: Path):
    assert len(CascadeDetector(unpacked(FINE, tmp_path)).evaluate(image)) == 0


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(ASTRONAUT[..., 0], id="grey"),
        pytest.param(ASTRONAUT[..., :1], id="grey with an axis"),
        pytest.param(np.dstack([ASTRONAUT, np.full((512, 512), 255, np.uint8)]), id="with alpha"),
        pytest.param(ASTRONAUT[:, ::-1], id="not contiguous"),
    ],
)
def test_images_of_other_forms(image: np.ndarray, tmp_path: Path):
    assert CascadeDetector(unpacked(COARSE, tmp_path)).evaluate(image).box_detections


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(np.zeros((100, 100, 3)), "uint8 pixels, not float64", id="floats"),
        pytest.param(np.zeros((100, 100, 2), np.uint8), r"shape \(100, 100, 2\)", id="two channels"),
        pytest.param(np.zeros((0, 9, 3), np.uint8), r"shape \(0, 9, 3\)", id="no pixels"),
        pytest.param(np.zeros(100, np.uint8), r"shape \(100,\)", id="a line"),
    ],
)
def test_images_that_cannot_be_searched(image: np.ndarray, message: str, tmp_path: Path):
    with pytest.raises(InvalidImageError, match=message):
        CascadeDetector(unpacked(COARSE, tmp_path)).evaluate(image)


def test_confidence_grows_with_the_weight():
    parameters = CascadeParameters(category="face", file="a.xml", midpoint=4, slope=1.5)
    confidences = [parameters.confidence(weight) for weight in (-1e9, -3, 0, 4, 8, 1e9)]
    assert confidences == sorted(confidences)
    assert confidences[0] == pytest.approx(0)
    assert confidences[3] == 0.5
    assert confidences[-1] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, PARAMETERS_FILE, id="missing"),
        pytest.param("{", "not valid JSON", id="not JSON"),
        pytest.param({"cascades": []}, "lists no cascades", id="empty"),
        pytest.param({"cascades": [{"file": "a.xml"}]}, "category is missing", id="without category"),
        pytest.param({"cascades": [{"category": "face", "file": "../a.xml"}]}, "plain file name", id="outside"),
        pytest.param(
            {"cascades": [{"category": "face", "file": "a.xml", "scale_factor": 1.0}]},
            "scale_factor must be above 1",
            id="endless scale",
        ),
        pytest.param({"cascades": [{"category": "dog", "file": "a.xml"}]}, "unknown category 'dog'", id="category"),
        pytest.param({"cascades": [{"category": "face", "file": "a.xml"}]}, "lacks the file a.xml", id="no cascade"),
        pytest.param({"cascades": [{"category": "face", "file": "model.json"}]}, "is no cascade", id="other file"),
    ],
)
def test_models_that_are_refused(content: Any, message: str, tmp_path: Path):
    information = unpacked(COARSE, tmp_path)
    file = tmp_path / PARAMETERS_FILE
    file.unlink()
    if content is not None:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ModelRefusedError, match=message):
        CascadeDetector(information)


def test_a_model_without_folder_is_refused():
    with pytest.raises(ModelRefusedError, match="model_root_path"):
        CascadeDetector(make_model_information())


async def test_the_factory_builds(tmp_path: Path):
    factory = CascadeFactory()
    assert factory.model_format == "opencv_cascade"
    logic = await factory.build(unpacked(COARSE, tmp_path))
    assert logic.batch_evaluate([ASTRONAUT, COFFEE]).items[0].box_detections


def unpacked(model: DemoModel, folder: Path) -> ModelInformation:
    with ZipFile(BytesIO(pack(model))) as archive:
        archive.extractall(folder)
    return make_model_information(
        version=model.version, categories=Category.from_list(CATEGORIES), model_root_path=str(folder)
    )
