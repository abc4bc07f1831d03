"""The first of several that ends counts, and ends the others."""

from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.runtime.race import first_of


async def test_the_first_one_counts_and_the_others_are_cancelled():
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def short() -> str:
        return "short"

    assert await first_of(endless(), short()) == "short"
    assert ended == ["endless"]


async def test_its_exception_counts_too():
    async def failing() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await first_of(asyncio.sleep(60, "late"), failing())


async def test_of_two_that_end_at_once_the_one_given_first_counts():
    assert await first_of(asyncio.sleep(0, "a"), asyncio.sleep(0, "b")) == "a"


async def test_cancelling_ends_all():
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(first_of(endless(), endless()), 0.01)
    assert ended == [1, 1]
