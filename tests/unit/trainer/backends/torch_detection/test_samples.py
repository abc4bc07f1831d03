"""Images as the model gets them, with what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learning_loop_node.errors import InvalidImageError
from learning_loop_node.images import encode_jpeg
from learning_loop_node.trainer.backends.torch_detection.findings import found_in, truth_in
from learning_loop_node.trainer.backends.torch_detection.samples import (
    InputSize,
    Samples,
    input_size,
    point_side,
)

from .pictures import BLUE, DOT, RED

WIDE = InputSize(width=64, height=32)


def samples_of(folder: Path, *images: tuple[tuple[int, int], dict[str, Any]], cache_bytes: int = 10**6) -> Samples:
    """Grey images of these widths and heights, with what the loop says about them."""
    records = []
    for number, ((width, height), known) in enumerate(images):
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(np.full((height, width, 3), 200, np.uint8)))
        records.append({"id": str(number), **known})
    return Samples(
        records=records,
        folder=folder,
        size=WIDE,
        classes={"id-red": 0, "id-dot": 1},
        point_side=8,
        cache_bytes=cache_bytes,
    )


def box(x: float, y: float, width: float, height: float, category_id: str = "id-red") -> dict[str, Any]:
    return {"x": x, "y": y, "width": width, "height": height, "category_id": category_id}


def test_no_images(tmp_path: Path):
    samples = samples_of(tmp_path)
    samples.leave_out_unreadable()
    assert len(samples) == 0


def test_an_image_without_annotations(tmp_path: Path):
    sample = samples_of(tmp_path, ((64, 32), {}))[0]
    assert sample.pixels.shape == (32, 64, 3)
    assert sample.boxes.shape == (0, 4)
    assert sample.classes.shape == (0,)


def test_boxes_are_scaled_and_moved_with_the_image(tmp_path: Path):
    known = {"box_annotations": [box(0, 0, 100, 100), box(50, 50, 10, 20)]}
    sample = samples_of(tmp_path, ((100, 100), known))[0]
    np.testing.assert_allclose(sample.boxes, [[16.0, 0, 48, 32], [32.0, 16, 35.2, 22.4]], atol=1e-4)


def test_boxes_end_at_the_border_of_the_image(tmp_path: Path):
    sample = samples_of(tmp_path, ((100, 100), {"box_annotations": [box(-50, 50, 500, 500)]}))[0]
    np.testing.assert_allclose(sample.boxes, [[16, 16, 48, 32]], atol=1e-4)


def test_points_are_boxes_of_one_size(tmp_path: Path):
    sample = samples_of(tmp_path, ((128, 64), {"point_annotations": [{"x": 20, "y": 30, "category_id": "id-dot"}]}))[0]
    np.testing.assert_allclose(sample.boxes, [[6, 11, 14, 19]])
    assert sample.classes.tolist() == [1]


def test_what_is_not_trained_is_left_out(tmp_path: Path):
    known = {"box_annotations": [box(0, 0, 9, 9, "id-blue")], "segmentation_annotations": [{"category_id": "id-red"}]}
    assert len(samples_of(tmp_path, ((64, 32), known))[0].boxes) == 0


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (1, 2000), (3, 700)], ids=str)
def test_images_of_extreme_sizes(tmp_path: Path, size: tuple[int, int]):
    sample = samples_of(tmp_path, (size, {"box_annotations": [box(0, 0, *size)]}))[0]
    place = sample.place
    assert sample.pixels.shape == (32, 64, 3)
    np.testing.assert_allclose(
        sample.boxes, [[place.left, place.top, place.left + place.width, place.top + place.height]], atol=1e-3
    )
    np.testing.assert_allclose(truth_in(sample, [RED, DOT]).boxes_xyxy, [[0, 0, *size]], atol=1e-2)


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path):
    samples = samples_of(tmp_path, ((64, 32), {}), ((64, 32), {}), ((64, 32), {}))
    (tmp_path / "0.jpg").unlink()
    (tmp_path / "1.jpg").write_bytes(b"no image")
    with pytest.raises(InvalidImageError, match=r"0\.jpg cannot be read: No such file"):
        samples[0]
    samples.leave_out_unreadable()
    assert [record["id"] for record in samples.records] == ["2"]
    assert samples[0].pixels.shape == (32, 64, 3)


def test_images_are_kept_as_far_as_they_fit(tmp_path: Path):
    samples = samples_of(tmp_path, ((64, 32), {}), ((64, 32), {}), cache_bytes=64 * 32 * 3)
    samples.leave_out_unreadable()
    assert samples[0] is samples[0]
    assert samples[1] is not samples[1]


@pytest.mark.parametrize(
    ("sizes", "resolution", "expected"),
    [
        pytest.param([], None, (640, 640), id="nothing known"),
        pytest.param([(320, 240)], None, (320, 256), id="small images"),
        pytest.param([(4000, 3000)], None, (640, 480), id="large images"),
        pytest.param([(320, 240)], 256, (256, 192), id="wide"),
        pytest.param([(240, 320)], 256, (192, 256), id="high"),
        pytest.param([(320, 240), (320, 240), (1, 900)], 256, (256, 192), id="one odd image"),
        pytest.param([(3000, 10)], 320, (320, 32), id="extreme"),
    ],
)
def test_input_size(sizes, resolution, expected):
    records = [{"width": width, "height": height} for width, height in sizes]
    found = input_size(records, resolution)
    assert (found.width, found.height) == expected


def test_size_of_points():
    assert point_side(InputSize(width=240, height=96), None) == 20
    assert point_side(InputSize(width=64, height=64), None) == 8
    assert point_side(InputSize(width=64, height=64), 30) == 30


def test_what_a_model_finds_comes_back_in_pixels_of_the_image(tmp_path: Path):
    sample = samples_of(tmp_path, ((128, 64), {}))[0]
    output = np.zeros((4 + 3, 5))
    output[:, 0] = [20, 10, 8, 6, 0.9, 0.1, 0]
    output[:, 1] = [20.5, 10, 8, 6, 0.7, 0, 0]  # the same thing
    output[:, 2] = [40, 20, 8, 8, 0, 0, 0.8]
    output[:, 3] = [50, 20, 8, 8, 0.005, 0, 0]  # not sure enough for anything
    found = found_in(sample, output, [RED, BLUE, DOT])
    assert found.scores.tolist() == [0.9, 0.8]
    assert found.classes.tolist() == [0, 2]
    np.testing.assert_allclose(found.boxes_xyxy[0], [32, 14, 48, 26])
    np.testing.assert_allclose((found.boxes_xyxy[1, :2] + found.boxes_xyxy[1, 2:]) / 2, [80, 40])
