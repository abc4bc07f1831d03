"""Threads of our own run what they are given in order, and no more at once than there are."""

from __future__ import annotations

import asyncio
import threading

import pytest

from learning_loop_node.runtime.threads import OwnThreads


async def test_nothing_to_close():
    threads = OwnThreads("test")
    await threads.aclose()
    await threads.aclose()


async def test_one_thread_keeps_the_order():
    threads = OwnThreads("test")
    done: list[int] = []
    await asyncio.gather(*(threads.run(done.append, number) for number in range(20)))
    await threads.aclose()
    assert done == list(range(20))


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_so_many_run_at_once_and_no_more(count: int):
    threads, together, lock = OwnThreads("test", count), threading.Barrier(count), threading.Lock()
    running = most = 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(timeout=10)
        with lock:
            running -= 1
        together.wait(timeout=10)

    await asyncio.gather(*(threads.run(work) for _ in range(3 * count)))
    await threads.aclose()
    assert most == count


async def test_who_waits_no_longer_is_taken_out_of_the_queue():
    threads, begun, go_on = OwnThreads("test"), threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        go_on.wait(10)
        done.append("first")

    tasks = [asyncio.create_task(threads.run(first)), asyncio.create_task(threads.run(done.append, "second"))]
    await asyncio.to_thread(begun.wait, 10)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    go_on.set()
    await threads.aclose()
    assert done == ["first"]


async def test_what_is_raised_comes_back_and_the_thread_goes_on():
    threads = OwnThreads("test")
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: 1) == 1
    await threads.aclose()
    assert await threads.run(lambda: 2) == 2
    await threads.aclose()
