"""Finds the largest batch that a training can use; without any library for GPUs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import CriticalError, InsufficientMemoryError
from ..runtime.entrypoint import VRAM_LIMIT_GB_FLAG, VRAM_LIMIT_GB_HELP

__all__ = [
    "MAX_BATCH_SIZE",
    "MIN_TRAIN_STEPS_PER_EPOCH",
    "NO_GPU_BATCH_SIZE",
    "REQUESTED_BATCH_SIZE",
    "VRAM_LIMIT_GB_FLAG",
    "VRAM_LIMIT_GB_HELP",
    "batch_count",
    "dataset_limit",
    "find_batch_size",
    "is_out_of_memory",
    "no_gpu_batch_size",
    "requested_batch_size",
    "smaller_pot",
]

logger = logging.getLogger(__name__)

REQUESTED_BATCH_SIZE = "max_batch_size"
"""The hyperparameter with the largest batch that is wanted."""

MAX_BATCH_SIZE = 1024
NO_GPU_BATCH_SIZE = 8
MIN_TRAIN_STEPS_PER_EPOCH = 8

_OUT_OF_MEMORY = re.compile(r"out of memory|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED", re.IGNORECASE)


def find_batch_size(fits: Callable[[int], bool], *, limit: int, minimum: int = 1, candidate: int = 0) -> int:
    """The largest size that fits: `minimum`, a power of two up to `limit`, or `candidate`, if it is not above either.

    `fits` is asked in growing order until it says no, so that the last size that ran was about the one to be used.
    Raises `InsufficientMemoryError` if not even `minimum` fits.
    """
    found = 0
    for size in _sizes(limit, minimum, candidate):
        if not fits(size):
            break
        found = size
    if not found:
        raise InsufficientMemoryError(
            f"there is not enough memory for a batch of {minimum}; use smaller images or a smaller model, "
            "or end what else uses the GPU"
        )
    return found


def _sizes(limit: int, minimum: int, candidate: int) -> Iterator[int]:
    powers = {2**exponent for exponent in range(limit.bit_length())} if limit > 0 else set()
    sizes = {size for size in powers | {candidate} if minimum < size <= limit}
    yield from (minimum, *sorted(sizes))


def requested_batch_size(hyperparameters: Mapping[str, Any]) -> int:
    """The largest batch that the training asks for, 0 if it leaves that to us; `CriticalError` if it makes no sense."""
    value = hyperparameters.get(REQUESTED_BATCH_SIZE)
    if value in (None, ""):
        return 0
    try:
        size = int(value)
    except (TypeError, ValueError, OverflowError):
        size = -1
    if size < 0:
        raise CriticalError(
            f"the hyperparameter {REQUESTED_BATCH_SIZE} must be a number of images, or 0 to let it be found, "
            f"not {value!r}"
        )
    return size


def dataset_limit(sample_count: int) -> int:
    """The largest batch with which an epoch of so many images still has several steps."""
    if sample_count < 1:
        raise ValueError(f"sample_count must be 1 or more, not {sample_count}")
    return max(1, sample_count // MIN_TRAIN_STEPS_PER_EPOCH)


def no_gpu_batch_size(limit: int, probe: str, minimum: int = 1) -> int:
    """A modest power of two, where no GPU says what fits. `probe` names the search in the log."""
    size = smaller_pot(max(minimum, min(limit, NO_GPU_BATCH_SIZE)))
    if size < minimum:
        size *= 2
    logger.warning("%s: there is no GPU to try it on; the batch size is %d", probe, size)
    return size


def smaller_pot(n: int) -> int:
    """The largest power of two that is not above `n`.

    >>> smaller_pot(1), smaller_pot(7), smaller_pot(8)
    (1, 4, 8)
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, not {n}")
    return 1 << (n.bit_length() - 1)


def batch_count(sample_count: int, batch_size: int) -> int:
    """How many batches so many images make; the last one may be smaller.

    >>> batch_count(0, 4), batch_count(5, 4)
    (0, 2)
    """
    return -(-sample_count // batch_size)


def is_out_of_memory(exception: BaseException) -> bool:
    """Whether an exception says that memory ran out: Python's own, or by its text one of a library for GPUs."""
    return isinstance(exception, MemoryError) or _OUT_OF_MEMORY.search(str(exception)) is not None
