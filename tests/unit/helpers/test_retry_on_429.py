"""Asking again when the loop says "too many requests"."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from learning_loop_node.loop_communication import retry_on_429
from tests.clock import ManualClock


@pytest.mark.parametrize(
    ("statuses", "expected", "waits"),
    [([200], 200, []), ([429, 429, 404], 404, [5, 5]), ([429] * 30, 429, [5] * 20)],
)
async def test_retry(statuses, expected, waits):
    left, clock = iter(statuses), ManualClock()

    async def ask(path):
        return SimpleNamespace(status_code=next(left))

    assert (await retry_on_429(ask, clock)("/status")).status_code == expected
    assert clock.waits == waits
