"""Batches: each image once, in an order that the seed decides."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from learning_loop_node.errors import InvalidImageError
from learning_loop_node.trainer.backends.torch_detection.augmentation import Augmentation
from learning_loop_node.trainer.backends.torch_detection.batches import images_of, plain_batches, training_batches
from learning_loop_node.trainer.backends.torch_detection.samples import InputSize, Samples

from .pictures import DOT, RED, draw

SIZE = InputSize(width=64, height=64)


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    records = [draw(tmp_path, number, "train", [RED, DOT][: number % 3]) for number in range(7)]
    return Samples(records=records, folder=tmp_path, size=SIZE, classes={"id-red": 0, "id-dot": 1}, point_side=8)


def sums(samples: Samples, seed: list[int], batch_size: int = 3) -> list[int]:
    batches = training_batches(samples, batch_size, Augmentation(), seed)
    return [int(image.sum()) for batch in batches for image in batch.pixels]


def test_each_image_once_and_the_last_batch_filled_up(samples: Samples):
    found = sums(samples, [0, 1])
    own = sorted(int(samples[index].pixels.astype(int).sum()) for index in range(7))
    assert len(found) == 9
    assert sorted(found[:7]) == own
    assert found[7:] == found[:2]


def test_another_order_in_each_epoch(samples: Samples):
    assert sums(samples, [0, 1]) == sums(samples, [0, 1])
    assert sums(samples, [0, 1]) != sums(samples, [0, 2])


def test_things_are_filled_up_to_the_same_number(samples: Samples):
    batches = list(plain_batches(samples, 3))
    assert [len(batch.pixels) for batch in batches] == [3, 3, 1]
    assert batches[0].truth.is_true.tolist() == [[False, False], [True, False], [True, True]]
    assert batches[0].truth.classes[2].tolist() == [0, 1]
    assert batches[2].truth.boxes.shape == (1, 0, 4)


def test_what_the_model_gets(samples: Samples):
    images = images_of(next(plain_batches(samples, 2)), torch.device("cpu"))
    assert images.shape == (2, 3, 64, 64)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= images.min() < images.max() <= 1


def test_no_thread_is_left_when_somebody_has_seen_enough(samples: Samples):
    batches = plain_batches(samples, 1)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_image_that_is_gone_is_told(samples: Samples, tmp_path: Path):
    (tmp_path / "i-3.jpg").unlink()
    with pytest.raises(InvalidImageError, match="i-3"):
        list(plain_batches(samples, 2))
