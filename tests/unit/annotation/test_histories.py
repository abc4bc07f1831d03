from __future__ import annotations

from typing import Any

from learning_loop_node.annotation.histories import Histories
from tests.clock import ManualClock


def make_histories(clock: ManualClock | None = None, **options: Any) -> Histories:
    return Histories(lambda: {"made": True}, clock=clock, **{"max_users": 2, "idle_s": 60} | options)


def test_nobody_has_a_history_at_first():
    histories = make_histories()
    assert dict(histories) == {}
    assert histories.surplus() == []
    assert histories.idle() == []


def test_each_person_has_one_of_their_own():
    histories = make_histories()
    histories.of("ada")["corner"] = 1
    assert histories.of("ada") == {"made": True, "corner": 1}
    assert histories.of("bob") == {"made": True}
    assert histories["ada"] is histories.of("ada")


def test_surplus_are_those_used_longest_ago():
    histories = make_histories()
    for name in ("ada", "bob", "eve", "ada"):
        histories.of(name)
    assert histories.surplus() == ["bob"]
    histories["bob"] = {}
    assert histories.surplus() == ["eve"]
    del histories["eve"]
    assert histories.surplus() == []


def test_idle_are_those_not_used_for_long():
    clock = ManualClock()
    histories = make_histories(clock)
    histories.of("ada")
    clock.advance(50)
    histories.of("bob")
    clock.advance(11)
    assert histories.idle() == ["ada"]
    histories.of("ada")
    assert histories.idle() == []


def test_who_is_busy_keeps_theirs():
    clock = ManualClock()
    histories = make_histories(clock, max_users=1, is_busy="ada".__eq__)
    for name in ("ada", "bob", "eve"):
        histories.of(name)
    assert histories.surplus() == ["bob", "eve"]
    clock.advance(61)
    assert histories.idle() == ["bob", "eve"]
