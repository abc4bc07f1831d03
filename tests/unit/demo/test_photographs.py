from __future__ import annotations

from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")

from learning_loop_node.demo.photographs import SIZE, Box, photographs


def test_none_are_none():
    assert photographs(0) == []


def test_there_are_at_least_sixty_of_three_cameras():
    cameras = Counter(photograph.camera for photograph in photographs())
    assert sum(cameras.values()) >= 60
    assert len(cameras) == 3
    assert min(cameras.values()) >= 20


def test_they_are_the_same_each_time():
    assert photographs(9) == photographs(9)
    assert photographs(9, seed=1) != photographs(9, seed=2)
    assert photographs(12)[:9] == photographs(9)


def test_each_is_another_one():
    many = photographs(30)
    assert len({photograph.sha256 for photograph in many}) == 30
    assert len({photograph.name for photograph in many}) == 30


def test_a_camera_takes_second_looks_at_the_same_faces():
    street = [photograph for photograph in photographs(27) if photograph.camera == "street"]
    assert street[1].faces == street[2].faces
    assert not np.array_equal(pixels_of(street[1].jpeg), pixels_of(street[2].jpeg))


def test_known_faces_lie_inside_and_apart():
    for photograph in photographs(30):
        faces = photograph.faces or ()
        for index, face in enumerate(faces):
            assert face.x >= 0
            assert face.y >= 0
            assert face.x + face.width <= SIZE[0]
            assert face.y + face.height <= SIZE[1]
            assert not any(face.shared_area(other) for other in faces[index + 1 :])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(Box(20, 20, 5, 5), 0, id="apart"),
        pytest.param(Box(10, 0, 5, 5), 0, id="touching"),
        pytest.param(Box(5, 5, 10, 10), 25, id="corner"),
        pytest.param(Box(0, 0, 10, 10), 100, id="same"),
    ],
)
def test_shared_area(other: Box, expected: float):
    assert Box(0, 0, 10, 10).shared_area(other) == expected


def pixels_of(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(jpeg)))
