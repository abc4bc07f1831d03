"""Images reach the input of a model unharmed, and boxes find their way back to the pixel."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from learning_loop_node.errors import InvalidImageError
from tests.builders import pixels

pytest.importorskip("cv2", reason="needs OpenCV (extra [onnx])")

from learning_loop_node.onnx_models import letterbox as letterbox_module
from learning_loop_node.onnx_models.letterbox import GREY, Fit, letterbox, placement

SIZES = [(1, 1), (2, 1), (1, 3000), (10000, 3), (3, 10000), (640, 640), (640, 427), (333, 517), (1920, 1080), (31, 33)]


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (4, 4), (4, 4, 1), (4, 4, 4)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]):
    with pytest.raises(InvalidImageError):
        letterbox(np.zeros(shape, np.uint8), 32, 32)


def test_only_bytes_are_pixels():
    with pytest.raises(InvalidImageError, match="float32"):
        letterbox(np.zeros((4, 4, 3), np.float32), 32, 32)


@pytest.mark.parametrize("fit", [Fit.CENTRE, Fit.TOP_LEFT, Fit.STRETCH])
@pytest.mark.parametrize("size", SIZES)
def test_boxes_come_back_to_where_they_were(size: tuple[int, int], fit: Fit):
    width, height = size
    boxes = np.array([[0, 0, width, height], [width * 0.25, height * 0.5, width * 0.75, height * 0.9]])
    place = placement(width, height, 640, 416, fit)
    there = place.to_input(boxes)
    assert there[0] == pytest.approx([place.left, place.top, place.left + place.width, place.top + place.height])
    assert place.to_original(there) == pytest.approx(boxes)


@pytest.mark.parametrize("size", SIZES)
def test_one_factor_fits_and_the_rest_is_grey(size: tuple[int, int]):
    width, height = size
    canvas, place = letterbox(np.full((height, width, 3), 255, np.uint8), 320, 256)
    assert canvas.shape == (256, 320, 3)
    assert place.width == 320 or place.height == 256
    assert 1 <= place.width <= 320
    assert 1 <= place.height <= 256
    expected = np.full((256, 320, 3), GREY, np.uint8)
    expected[place.top : place.top + place.height, place.left : place.left + place.width] = 255
    assert (canvas == expected).all()


def test_the_factor_is_the_same_in_both_directions_up_to_whole_pixels():
    place = placement(1920, 1080, 640, 640)
    assert (place.width, place.height, place.left, place.top) == (640, 360, 0, 140)
    assert place.scale_x == pytest.approx(place.scale_y)
    place = placement(333, 517, 320, 320)
    assert abs(place.scale_x - place.scale_y) < 0.5 / 333


@pytest.mark.parametrize(
    ("fit", "corner"),
    [pytest.param(Fit.CENTRE, (0, 80), id="centre"), pytest.param(Fit.TOP_LEFT, (0, 0), id="top-left")],
)
def test_the_image_goes_where_it_should(fit: Fit, corner: tuple[int, int]):
    place = placement(100, 50, 320, 320, fit)
    assert (place.left, place.top) == corner


def test_stretching_leaves_nothing_free():
    canvas, place = letterbox(np.full((10, 70, 3), 7, np.uint8), 64, 32, Fit.STRETCH)
    assert (canvas == 7).all()
    assert (place.scale_x, place.scale_y) == (64 / 70, 3.2)


@pytest.mark.parametrize("size", SIZES)
def test_cropping_cuts_both_ends_and_leaves_nothing_free(size: tuple[int, int]):
    width, height = size
    canvas, _ = letterbox(np.full((height, width, 3), 7, np.uint8), 64, 32, Fit.CROP)
    assert canvas.shape == (32, 64, 3)
    assert (canvas == 7).all()


def test_cropping_keeps_the_middle():
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, 15:25] = 200
    canvas, _ = letterbox(image, 10, 10, Fit.CROP)
    assert (canvas == 200).all()


def test_an_image_of_the_right_size_stays_as_it_is():
    image = pixels(64, 64)
    canvas, place = letterbox(image, 64, 64)
    assert (canvas == image).all()
    assert canvas is not image
    assert (place.scale_x, place.scale_y, place.left, place.top) == (1, 1, 0, 0)


def test_edges_inside_the_image_stay_at_their_place():
    """Positions are borders of pixels: what begins at a quarter of the image begins at a quarter of the input."""
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, 100:] = 200
    canvas, place = letterbox(image, 640, 640)
    [[left, *_]] = place.to_input(np.array([[100, 0, 400, 100]]))
    row = canvas[320, :, 0].astype(int)
    assert left == 160
    assert row[157] == 0
    assert row[162] == 200


def test_a_buffer_is_written_whole():
    buffer = np.full((2, 48, 64, 3), 9, np.uint8)
    canvas, _ = letterbox(pixels(30, 50), 64, 48, out=buffer[1])
    assert np.shares_memory(canvas, buffer)
    assert (buffer[0] == 9).all()
    assert (buffer[1] == letterbox(pixels(30, 50), 64, 48)[0]).all()


def test_images_that_are_views_or_read_only_are_taken():
    image = pixels(60, 40)
    image.flags.writeable = False
    flipped = image[:, ::-1]
    expected = letterbox(np.ascontiguousarray(flipped), 32, 32)[0]
    assert (letterbox(flipped, 32, 32)[0] == expected).all()


def test_examples():
    results = doctest.testmod(letterbox_module)
    assert results.attempted
    assert not results.failed
