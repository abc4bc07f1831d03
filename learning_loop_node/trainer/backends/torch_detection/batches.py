"""Puts images together to batches, some of them ahead of time, in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from .augmentation import Augmentation
from .family import Truth
from .samples import Sample, Samples

AHEAD = 3
"""Batches that are made while one is trained with."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`pixels` `(N, H, W, 3)` uint8; see `images_of`."""

    pixels: Tensor
    truth: Truth


def training_batches(
    samples: Samples, batch_size: int, augmentation: Augmentation, seed: Sequence[int]
) -> Iterator[Batch]:
    """All images once, in an order and with changes that the seed decides; the last batch is filled up."""
    order = np.random.default_rng(seed).permutation(len(samples))
    step_count = -(-len(order) // batch_size)
    order = np.resize(order, step_count * batch_size)
    places = [range(start, start + batch_size) for start in range(0, len(order), batch_size)]

    def make(part: range) -> Batch:
        return batch_of(
            [
                augmentation.apply(samples, int(order[place]), np.random.default_rng([*seed, place + 1]))
                for place in part
            ]
        )

    return _ahead([partial(make, part) for part in places])


def plain_batches(samples: Samples, batch_size: int) -> Iterator[Batch]:
    """All images as they are, in their order."""
    count = len(samples)
    parts = [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    return _ahead([partial(_unchanged, samples, part) for part in parts])


def _unchanged(samples: Samples, chosen: Sequence[int]) -> Batch:
    return batch_of([samples[index] for index in chosen])


def batch_of(samples: Sequence[Sample]) -> Batch:
    """Images of one size, with what is in them filled up to the same number."""
    most = max(len(sample.boxes) for sample in samples)
    boxes = torch.zeros(len(samples), most, 4)
    classes = torch.zeros(len(samples), most, dtype=torch.int64)
    is_true = torch.zeros(len(samples), most, dtype=torch.bool)
    for number, sample in enumerate(samples):
        count = len(sample.boxes)
        boxes[number, :count] = torch.from_numpy(sample.boxes)
        classes[number, :count] = torch.from_numpy(sample.classes)
        is_true[number, :count] = True
    pixels = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    return Batch(pixels, Truth(boxes=boxes, classes=classes, is_true=is_true))


def images_of(batch: Batch, device: torch.device) -> Tensor:
    """What the model gets: `(N, 3, H, W)` RGB between 0 and 1, in the memory's order of the pixels."""
    return batch.pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255


def truth_of(batch: Batch, device: torch.device) -> Truth:
    truth = batch.truth
    return Truth(boxes=truth.boxes.to(device), classes=truth.classes.to(device), is_true=truth.is_true.to(device))


def _ahead(makers: Sequence[Callable[[], Batch]]) -> Iterator[Batch]:
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="batches") as threads:
        try:
            for maker in makers:
                waiting.append(threads.submit(maker))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
