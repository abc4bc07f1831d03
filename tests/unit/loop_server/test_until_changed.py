from __future__ import annotations

import pytest

from learning_loop_node.loop_server.changes import Changes
from learning_loop_node.loop_server.until_changed import UntilChanged


class Table:
    def __init__(self) -> None:
        self.looked = 0

    async def look(self) -> int:
        self.looked += 1
        return self.looked


async def test_it_is_looked_at_once_until_something_changes():
    changes, table = Changes(), Table()
    known: UntilChanged[int] = UntilChanged(changes)
    assert [await known.get(("a",), table.look) for _ in range(3)] == [1, 1, 1]
    assert await known.get(("b",), table.look) == 2
    changes.tell("images", "zauberzeug", "demo", ["x"])
    assert [await known.get((name,), table.look) for name in ("a", "b", "a")] == [3, 4, 3]


async def test_what_changes_while_it_is_looked_at_is_looked_at_again():
    changes, table = Changes(), Table()
    known: UntilChanged[int] = UntilChanged(changes)

    async def look_meanwhile() -> int:
        changes.tell("categories", "zauberzeug", "demo", ["x"])
        return await table.look()

    assert await known.get(("a",), look_meanwhile) == 1
    assert await known.get(("a",), table.look) == 2


async def test_a_failure_is_not_remembered():
    known: UntilChanged[int] = UntilChanged(Changes())

    async def fail() -> int:
        raise ValueError("nothing there")

    with pytest.raises(ValueError, match="nothing there"):
        await known.get(("a",), fail)
    assert await known.get(("a",), Table().look) == 1


async def test_of_many_the_last_are_remembered():
    table = Table()
    known: UntilChanged[int] = UntilChanged(Changes(), most=2)
    for name in ("a", "b", "c"):
        await known.get((name,), table.look)
    assert await known.get(("c",), table.look) == 3
    assert await known.get(("a",), table.look) == 4
