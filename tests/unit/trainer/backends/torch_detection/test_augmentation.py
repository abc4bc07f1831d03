"""Changed images: what was labelled is where the changed label says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learning_loop_node.trainer.backends.torch_detection.augmentation import Augmentation
from learning_loop_node.trainer.backends.torch_detection.samples import InputSize, Sample, Samples

from .pictures import DOT, RED, draw

SIZE = InputSize(width=64, height=64)
STRONG: dict[str, Any] = {"zoom": 0.4, "shift": 0.2, "flip_lr": True, "flip_ud": True}


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    records = [draw(tmp_path, number, "train", [RED]) for number in range(4)]
    return Samples(records=records, folder=tmp_path, size=SIZE, classes={"id-red": 0}, point_side=8)


def changed(samples: Samples, augmentation: Augmentation, seed: int) -> Sample:
    return augmentation.apply(samples, seed % 4, np.random.default_rng(seed))


def red_pixels(sample: Sample) -> np.ndarray:
    red, green = sample.pixels[..., 0].astype(int), sample.pixels[..., 1].astype(int)
    return np.asarray(red - green > 100)


def test_without_changes_an_image_stays_as_it_is(samples: Samples):
    sample = changed(samples, Augmentation(), 1)
    assert np.array_equal(sample.pixels, samples[1].pixels)
    np.testing.assert_allclose(sample.boxes, samples[1].boxes)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"flip_lr": True}, id="left and right"),
        pytest.param({"flip_ud": True}, id="up and down"),
        pytest.param({"zoom": 0.5}, id="zoom"),
        pytest.param({"shift": 0.3}, id="shift"),
        pytest.param(STRONG, id="all of it"),
        pytest.param(STRONG | {"mosaic": 1.0}, id="mosaic"),
    ],
)
def test_boxes_stay_around_what_they_label(samples: Samples, options):
    augmentation = Augmentation(**options)
    count = 0
    for seed in range(40):
        sample = changed(samples, augmentation, seed)
        assert sample.pixels.shape == (64, 64, 3)
        is_red = red_pixels(sample)
        if not options.get("mosaic"):  # there, parts too small for a label may be left
            for left, top, right, bottom in sample.boxes:
                rows, columns = np.nonzero(is_red)
                found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                np.testing.assert_allclose(found, [left, top, right, bottom], atol=2.0)
        for left, top, right, bottom in sample.boxes.round().astype(int):
            assert is_red[top + 1 : bottom - 1, left + 1 : right - 1].mean() > 0.9
        count += len(sample.boxes)
    assert count > 20


def test_the_same_seed_gives_the_same_image(samples: Samples):
    augmentation = Augmentation(**STRONG, mosaic=0.5, colour=0.4, cutout=0.5)
    first, second, other = (changed(samples, augmentation, seed) for seed in (5, 5, 9))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.boxes, second.boxes)
    assert not np.array_equal(first.pixels, other.pixels)


def test_things_that_leave_the_image_have_no_label(samples: Samples):
    sizes = [len(changed(samples, Augmentation(shift=0.5, zoom=0.9), seed).boxes) for seed in range(60)]
    assert 0 in sizes
    assert 1 in sizes


def test_points_keep_their_size_and_their_middle(tmp_path: Path):
    records = [draw(tmp_path, number, "train", [DOT]) for number in range(4)]
    samples = Samples(records=records, folder=tmp_path, size=SIZE, classes={"id-dot": 0}, point_side=8)
    augmentation = Augmentation(**STRONG, point_classes=frozenset({0}), point_side=8)
    for seed in range(20):
        sample = changed(samples, augmentation, seed)
        for left, top, right, bottom in sample.boxes:
            assert (right - left, bottom - top) == pytest.approx((8, 8), abs=1e-3)
            x, y = int((left + right) / 2), int((top + bottom) / 2)
            assert sample.pixels[y, x, 1] > 180


def test_colours_change_and_boxes_do_not(samples: Samples):
    sample = changed(samples, Augmentation(colour=0.5), 3)
    np.testing.assert_allclose(sample.boxes, samples[3].boxes)
    assert not np.array_equal(sample.pixels, samples[3].pixels)


def test_what_a_hole_hides_has_no_label(samples: Samples):
    for seed in range(60):
        sample = changed(samples, Augmentation(cutout=1.0), seed)
        visible = red_pixels(sample).sum() / red_pixels(samples[seed % 4]).sum()
        assert len(sample.boxes) == 1 or visible < 0.4 or visible > 1
