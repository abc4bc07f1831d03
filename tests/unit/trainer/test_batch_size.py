from __future__ import annotations

import doctest

import pytest

from learning_loop_node.errors import CriticalError, InsufficientMemoryError
from learning_loop_node.trainer import batch_size
from learning_loop_node.trainer.batch_size import (
    dataset_limit,
    find_batch_size,
    is_out_of_memory,
    no_gpu_batch_size,
    requested_batch_size,
    smaller_pot,
)

ENDLESS = 10**6


@pytest.mark.parametrize(
    ("room", "limit", "minimum", "candidate", "expected", "asked"),
    [
        pytest.param(20, 64, 1, 0, 16, [1, 2, 4, 8, 16, 32], id="a power of two"),
        pytest.param(ENDLESS, 64, 1, 0, 64, [1, 2, 4, 8, 16, 32, 64], id="up to the limit"),
        pytest.param(ENDLESS, 100, 1, 0, 64, [1, 2, 4, 8, 16, 32, 64], id="below the limit"),
        pytest.param(ENDLESS, 100, 1, 100, 100, [1, 2, 4, 8, 16, 32, 64, 100], id="a size of one's own"),
        pytest.param(ENDLESS, 32, 1, 20, 32, [1, 2, 4, 8, 16, 20, 32], id="a size of one's own in between"),
        pytest.param(24, 32, 1, 20, 20, [1, 2, 4, 8, 16, 20, 32], id="a size of one's own is the largest"),
        pytest.param(ENDLESS, 64, 1, 100, 64, [1, 2, 4, 8, 16, 32, 64], id="a size above the limit"),
        pytest.param(ENDLESS, 1, 1, 0, 1, [1], id="limit 1"),
        pytest.param(ENDLESS, 0, 1, 0, 1, [1], id="limit 0"),
        pytest.param(20, 64, 6, 5, 16, [6, 8, 16, 32], id="a minimum between"),
        pytest.param(ENDLESS, 2, 3, 0, 3, [3], id="a minimum above the limit"),
    ],
)
def test_the_largest_size_that_fits(
    room: int, limit: int, minimum: int, candidate: int, expected: int, asked: list[int]
):
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= room

    assert find_batch_size(fits, limit=limit, minimum=minimum, candidate=candidate) == expected
    assert tried == asked


@pytest.mark.parametrize("minimum", [1, 3])
def test_not_even_the_smallest_fits(minimum: int):
    with pytest.raises(InsufficientMemoryError, match=f"a batch of {minimum}; use smaller images") as caught:
        find_batch_size(lambda _: False, limit=64, minimum=minimum)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize(
    ("hyperparameters", "expected"),
    [
        ({}, 0),
        ({"max_batch_size": None}, 0),
        ({"max_batch_size": ""}, 0),
        ({"max_batch_size": 0}, 0),
        ({"max_batch_size": 8}, 8),
        ({"max_batch_size": "8"}, 8),
        ({"max_batch_size": 8.0}, 8),
    ],
)
def test_what_a_training_asks_for(hyperparameters: dict[str, object], expected: int):
    assert requested_batch_size(hyperparameters) == expected


@pytest.mark.parametrize("value", [-1, "many", [8], float("nan"), float("inf")])
def test_what_makes_no_sense(value: object):
    with pytest.raises(CriticalError, match="max_batch_size must be a number of images, or 0"):
        requested_batch_size({"max_batch_size": value})


@pytest.mark.parametrize(("images", "expected"), [(1, 1), (7, 1), (8, 1), (16, 2), (17, 2), (8000, 1000)])
def test_an_epoch_keeps_several_steps(images: int, expected: int):
    assert dataset_limit(images) == expected


@pytest.mark.parametrize(
    ("limit", "minimum", "expected"),
    [(0, 1, 1), (1, 1, 1), (4, 1, 4), (100, 1, 8), (3, 4, 4), (100, 16, 16), (3, 3, 4)],
)
def test_without_a_gpu(limit: int, minimum: int, expected: int, caplog: pytest.LogCaptureFixture):
    assert no_gpu_batch_size(limit, "the probe of x", minimum) == expected
    assert f"the probe of x: there is no GPU to try it on; the batch size is {expected}" in caplog.text


@pytest.mark.parametrize("function", [smaller_pot, dataset_limit])
@pytest.mark.parametrize("value", [0, -1])
def test_nothing_of_nothing(function, value: int):
    with pytest.raises(ValueError, match=f"must be 1 or more, not {value}"):
        function(value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("the memory of an elephant"), False),
    ],
)
def test_running_out_of_memory(error: Exception, expected: bool):
    assert is_out_of_memory(error) is expected


def test_examples():
    assert doctest.testmod(batch_size) == (0, 2)
