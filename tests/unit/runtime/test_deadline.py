from __future__ import annotations

import asyncio
import logging

import pytest

from learning_loop_node.runtime.deadline import TookTooLong, within
from tests.polling import until


async def give(value: int) -> int:
    return value


async def fail(error: Exception) -> None:
    raise error


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_is_quick_counts():
    assert await within(10, give(7)) == 7


async def test_errors_of_the_coroutine_are_its_own():
    with pytest.raises(TimeoutError):  # its own, which is no `TookTooLong`
        await within(10, fail(TimeoutError()))


async def test_what_takes_too_long_is_cancelled():
    cancelled = asyncio.Event()

    async def slow() -> None:
        try:
            await for_ever()
        finally:
            cancelled.set()

    with pytest.raises(TookTooLong):
        await within(0.01, slow())
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_what_refuses_to_be_cancelled_is_left_behind(caplog):
    caplog.set_level(logging.WARNING)
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise ValueError("at last")

    with pytest.raises(TookTooLong):
        await within(0.01, stubborn())
    assert "at last" not in caplog.text
    release.set()
    await until(lambda: "left behind failed: ValueError: at last" in caplog.text)


async def test_who_waits_may_be_cancelled():
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def slow() -> None:
        begun.set()
        try:
            await for_ever()
        finally:
            cancelled.set()

    waiting = asyncio.ensure_future(within(60, slow()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cancelled.wait(), 5)
