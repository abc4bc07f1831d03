"""Backgrounds come from photographs where there are some, and always fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="needs OpenCV (extra [onnx])")

from learning_loop_node.generator.scenes.places import (
    AS_THEY_ARE,
    FLOORS,
    LANDSCAPES,
    PLACES,
    WALLS,
    ground,
    photographs,
    photographs_in,
    places,
)

NAMES = sorted({*FLOORS, *WALLS, *AS_THEY_ARE})


def test_a_folder_with_all_photographs_is_read_and_one_without_some_is_not(tmp_path: Path):
    assert photographs_in(tmp_path) == {}
    for name in NAMES[1:]:
        Image.new("L", (30, 20), 90).save(tmp_path / name)
    assert photographs_in(tmp_path) == {}
    Image.new("RGB", (30, 20)).save(tmp_path / NAMES[0])
    found = photographs_in(tmp_path)
    assert {picture.shape for picture in found.values()} == {(20, 30, 3)}
    assert list(found) == NAMES


def test_places_are_made_of_photographs_where_scikit_image_is():
    pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")
    assert list(photographs()) == NAMES
    found = places(160, 120, of_photographs=True)
    assert len(found) == PLACES
    assert all(0 <= place.horizon < 180 for place in found)


def test_without_photographs_they_are_landscapes():
    assert len(places(160, 120, of_photographs=False)) == LANDSCAPES


@pytest.mark.parametrize("has_photographs", [True, False])
@pytest.mark.parametrize("size", [(160, 120), (32, 300), (300, 32)], ids=str)
def test_grounds_have_the_size_asked_for_and_are_not_empty(size: tuple[int, int], has_photographs: bool):
    for seed in range(30):
        pixels, horizon = ground(np.random.default_rng(seed), size, has_photographs=has_photographs)
        assert pixels.shape == (size[1], size[0], 3)
        assert 0 <= horizon < size[1]
        assert pixels.std() > 1
