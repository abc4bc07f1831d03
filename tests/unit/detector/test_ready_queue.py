from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from learning_loop_node.detector.ready_queue import Exclusive, Job, ReadyQueue


def job(width: int = 4, *, explicit: bool = False) -> Job:
    pixels = np.zeros((4, width, 3), np.uint8)
    return Job([pixels], asyncio.get_running_loop().create_future(), explicit, [pixels])


def function() -> Exclusive:
    return Exclusive(lambda: None, asyncio.get_running_loop().create_future())


def filled(*work: Job | Exclusive) -> ReadyQueue:
    queue = ReadyQueue(ahead_bytes=1000)
    for entry in work:
        queue.put(entry)
    return queue


async def test_an_empty_queue_that_is_closed_gives_nothing():
    queue = filled()
    assert queue.close() == []
    assert queue.take() is None


async def test_first_in_first_out():
    one, two, three = job(), function(), job()
    queue = filled(one, two, three)
    assert [queue.take() for _ in range(3)] == [one, two, three]


@pytest.mark.parametrize(("limit", "taken"), [(1, [0]), (2, [0, 1]), (9, [0, 1, 3])])
async def test_what_fits_is_taken_together_and_the_rest_keeps_its_order(limit, taken):
    work = [job(), job(), job(6), job(), job(explicit=True), job(7)]
    queue = filled(*work)
    first = queue.take()
    assert isinstance(first, Job)
    assert queue.take_alike(first, limit) == [work[index] for index in taken]
    rest = [entry for index, entry in enumerate(work) if index not in taken]
    assert [queue.take() for _ in rest] == rest


async def test_nothing_is_taken_from_behind_a_function():
    work: list[Job | Exclusive] = [job(), function(), job()]
    queue = filled(*work)
    first = queue.take()
    assert isinstance(first, Job)
    assert queue.take_alike(first, 9) == [first]
    assert queue.take() is work[1]


async def test_decoders_wait_while_too_much_is_decoded():
    queue = filled(*(job(30) for _ in range(3)))  # 360 bytes each, 1000 are the limit
    decoder = threading.Thread(target=queue.wait_for_room)
    decoder.start()
    assert decoder.is_alive()
    queue.take()
    await asyncio.to_thread(decoder.join, 10)
    assert not decoder.is_alive()


async def test_closing_lets_everyone_go_and_hands_back_what_was_left():
    work = [job(30) for _ in range(3)]
    queue = filled(*work)
    decoder = threading.Thread(target=queue.wait_for_room)
    decoder.start()
    assert queue.close() == work
    await asyncio.to_thread(decoder.join, 10)
    assert not decoder.is_alive()
    assert queue.take() is None
