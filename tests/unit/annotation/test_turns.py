from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.annotation.turns import Turns
from learning_loop_node.errors import BusyError


async def test_those_of_one_person_come_one_after_the_other():
    turns = Turns()
    order: list[tuple[str, int]] = []

    async def take(number: int) -> None:
        async with turns.of("ada"):
            order.append(("begin", number))
            await asyncio.sleep(0)
            order.append(("end", number))

    await asyncio.gather(*(take(number) for number in range(5)))
    assert order == [(what, number) for number in range(5) for what in ("begin", "end")]
    assert not turns.is_busy("ada")


async def test_others_do_not_wait():
    turns = Turns()
    async with turns.of("ada"), asyncio.timeout(5), turns.of("bob"):
        assert turns.is_busy("ada")
        assert turns.is_busy("bob")


async def test_too_many_at_once_are_refused():
    turns = Turns(most_waiting=1)
    async with turns.of("ada"):
        with pytest.raises(BusyError, match="1 inputs of ada wait"):
            async with turns.of("ada"):
                pytest.fail("must not begin")
    async with turns.of("ada"):
        pass


async def test_an_error_ends_the_turn():
    turns = Turns()
    with pytest.raises(ValueError, match="x"):
        async with turns.of("ada"):
            raise ValueError("x")
    assert not turns.is_busy("ada")
