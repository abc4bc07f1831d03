"""Whoever guesses has to wait; the others do not."""

from __future__ import annotations

import pytest

from learning_loop_node.errors import RateLimitedError
from learning_loop_node.loop_server.access import attempts
from learning_loop_node.loop_server.access.attempts import FAILURES, WITHIN_S, Attempts
from tests.clock import ManualClock


def test_after_ten_failures_there_is_a_pause_that_ends():
    clock = ManualClock(now=1000)
    guard = Attempts(clock)
    for _ in range(FAILURES):
        guard.check("1.2.3.4", "eve")
        guard.failed("1.2.3.4", "eve")
        clock.advance(1)
    with pytest.raises(RateLimitedError) as caught:
        guard.check("1.2.3.4", "eve")
    assert caught.value.retry_after_s == WITHIN_S - FAILURES
    guard.check("1.2.3.5", "eve")
    guard.check("1.2.3.4", "admin")
    clock.advance(caught.value.retry_after_s)
    guard.check("1.2.3.4", "eve")


def test_the_memory_is_bounded():
    guard = Attempts(ManualClock())
    for number in range(attempts.REMEMBERED + 10):
        guard.failed("1.2.3.4", str(number))
    assert len(guard._failures) == attempts.REMEMBERED
