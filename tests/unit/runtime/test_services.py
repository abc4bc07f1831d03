"""Services run while the block is open; a crash is told once and the block still ends in order."""

from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.runtime.services import supervise


class Noted:
    """Notes when it starts and ends; crashes when told to."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes, self.crash = name, notes, asyncio.Event()

    async def run(self) -> None:
        self.notes.append(f"{self.name} started")
        try:
            await self.crash.wait()
            raise RuntimeError("told to crash")
        finally:
            self.notes.append(f"{self.name} ended")


class Stubborn:
    """Fails while it is being stopped."""

    name = "stubborn"

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("cannot stop")


async def test_no_services():
    async with supervise([], on_crash=pytest.fail):
        pass


async def test_runs_while_open_and_ends_in_reverse_order():
    notes: list[str] = []
    async with supervise([Noted("a", notes), Noted("b", notes)], on_crash=pytest.fail):
        await asyncio.sleep(0)
        assert notes == ["a started", "b started"]
    assert notes == ["a started", "b started", "b ended", "a ended"]


async def test_a_crash_is_told_once_and_leaves_the_others_running(caplog):
    notes: list[str] = []
    crashes: list[str] = []
    services = [Noted(name, notes) for name in "abc"]
    async with supervise(services, on_crash=lambda: crashes.append("crash")):
        await asyncio.sleep(0)
        services[0].crash.set()
        services[1].crash.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert notes[3:] == ["a ended", "b ended"]
    assert crashes == ["crash"]
    assert notes[-1] == "c ended"
    assert "the service a crashed, ending the process" in caplog.text


async def test_a_service_that_ends_by_itself_is_no_crash():
    class Short:
        name = "short"

        async def run(self) -> None:
            return

    async with supervise([Short()], on_crash=pytest.fail):
        await asyncio.sleep(0)


async def test_failing_to_stop_is_a_crash_and_does_not_keep_the_others():
    notes: list[str] = []
    crashes: list[str] = []
    async with supervise([Noted("a", notes), Stubborn()], on_crash=lambda: crashes.append("crash")):
        await asyncio.sleep(0)
    assert (notes[-1], crashes) == ("a ended", ["crash"])


async def test_an_error_inside_the_block_comes_out_after_the_services_ended():
    notes: list[str] = []

    async def fail_inside() -> None:
        async with supervise([Noted("a", notes)], on_crash=pytest.fail):
            await asyncio.sleep(0)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        await fail_inside()
    assert notes[-1] == "a ended"
