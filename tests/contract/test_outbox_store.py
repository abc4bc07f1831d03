"""What every outbox store must do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from learning_loop_node.detector.outbox.folder_store import FolderStore
from learning_loop_node.detector.outbox.memory_store import MemoryStore
from learning_loop_node.detector.outbox.store import Item, ItemGoneError, OutboxStore

Clocked = Callable[[Callable[[], float]], OutboxStore]
EVERYTHING = 10**12


@pytest.fixture(params=["folder", "memory"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Clocked:
    def make(wall_clock: Callable[[], float]) -> OutboxStore:
        if request.param == "folder":
            return FolderStore(tmp_path / "outbox", wall_clock=wall_clock)
        return MemoryStore(wall_clock=wall_clock)

    return make


@pytest.fixture
def store(make_store: Clocked) -> OutboxStore:
    store = make_store(lambda: 1_700_000_000.0)
    store.open()
    return store


def put(store: OutboxStore, *contents: bytes, is_priority: bool = False) -> list[Item]:
    return [store.add(content, b"{}", is_priority=is_priority) for content in contents]


def waiting(store: OutboxStore) -> list[bytes]:
    return [store.read(item).jpeg for item in store.first(1000, EVERYTHING)]


def test_empty(store: OutboxStore):
    assert store.first(10, EVERYTHING) == []
    assert store.oldest() is None
    assert store.usage().items == 0
    assert store.usage().oldest_at is None
    assert store.free_bytes() > 0
    assert store.remove([]) == 0


def test_gives_back_what_was_added(store: OutboxStore):
    item = store.add(b"jpeg", b'{"tags": []}', is_priority=True)
    content = store.read(item)
    assert (content.jpeg, content.metadata) == (b"jpeg", b'{"tags": []}')
    assert len(content.key) == 32
    assert store.read(item).key == content.key


def test_the_same_image_twice_has_two_keys(store: OutboxStore):
    first, second = put(store, b"a", b"a")
    assert store.read(first).key != store.read(second).key


def test_a_key_that_is_given_is_kept(store: OutboxStore):
    item = store.add(b"a", b"{}", is_priority=False, key="of the sender")
    assert store.read(item).key == "of the sender"


def test_priority_oldest_first_then_the_newest(store: OutboxStore):
    put(store, b"1", b"2")
    put(store, b"3", b"4", is_priority=True)
    put(store, b"5")
    assert waiting(store) == [b"3", b"4", b"5", b"2", b"1"]


@pytest.mark.parametrize(
    ("count", "size_bytes", "expected"),
    [
        pytest.param(2, EVERYTHING, 2, id="count"),
        pytest.param(9, 1, 1, id="one may be larger than all"),
        pytest.param(9, 100_000, 3, id="all"),
    ],
)
def test_first_is_bounded(store: OutboxStore, count: int, size_bytes: int, expected: int):
    put(store, b"1", b"2", b"3")
    assert len(store.first(count, size_bytes)) == expected


def test_first_is_bounded_by_bytes(store: OutboxStore):
    items = put(store, bytes(1000), bytes(1000), bytes(1000))
    assert len(store.first(9, items[0].size_bytes * 2)) == 2


def test_skips_what_it_is_told_to_skip(store: OutboxStore):
    first, second = put(store, b"1", b"2")
    assert store.first(9, EVERYTHING, {second}) == [first]
    assert store.oldest({first}) == second
    assert store.oldest({first, second}) == first


def test_the_oldest_is_never_one_with_priority(store: OutboxStore):
    put(store, b"1", is_priority=True)
    assert store.oldest() is None
    [normal] = put(store, b"2")
    assert store.oldest() == normal


def test_removed_is_gone(store: OutboxStore):
    first, second = put(store, b"1", b"2")
    assert store.remove([first]) == 1
    assert store.remove([first, second]) == 1
    assert store.usage().items == 0
    assert store.usage().size_bytes == 0
    with pytest.raises(ItemGoneError):
        store.read(first)


def test_quarantined_is_not_sent(store: OutboxStore):
    first, second = put(store, b"1", b"2")
    store.quarantine(first, "does not please")
    store.quarantine(first, "twice")
    assert store.first(9, EVERYTHING) == [second]
    assert store.usage().quarantined == 1


def test_usage(store: OutboxStore):
    put(store, b"1")
    put(store, b"2", is_priority=True)
    usage = store.usage()
    assert (usage.items, usage.priority_items, usage.oldest_at) == (2, 1, 1_700_000_000.0)
    assert usage.size_bytes == sum(item.size_bytes for item in store.first(9, EVERYTHING))


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([5e8, 5e8, 5e8], id="stands still"),
        pytest.param([5e8, 5e8 - 86400, 5e8 + 86400], id="jumps by a day"),
        pytest.param([1.0, 5e8, 2.0], id="1970 at boot"),
        pytest.param([5e8, 5e8 - 3600, 5e8 - 3599], id="end of summer time"),
    ],
)
def test_order_is_that_of_saving_whatever_the_clock_does(make_store: Clocked, times: list[float]):
    moments = iter(time for time in times for _ in range(2))
    store = make_store(lambda: next(moments))
    put(store, b"1", b"2", b"3")
    assert waiting(store) == [b"3", b"2", b"1"]
    assert len({item.name for item in store.first(9, EVERYTHING)}) == 3


# Looking after it


def test_nothing_to_look_after(store: OutboxStore):
    assert store.listed(10) == []
    assert store.quarantined(10) == []
    with pytest.raises(ItemGoneError):
        store.retry("2026-01-02_03:04:05.000000")


def test_listed_in_the_order_of_sending_page_by_page(store: OutboxStore):
    put(store, b"1", b"2")
    put(store, b"3", b"4", is_priority=True)
    everything = store.first(9, EVERYTHING)
    assert store.listed(9) == everything
    for at, item in enumerate(everything):
        assert store.listed(9, item) == everything[at + 1 :]
        assert store.listed(1, item) == everything[at + 1 : at + 2]


def test_listing_goes_on_behind_an_item_that_is_gone(store: OutboxStore):
    put(store, b"1", b"2", b"3")
    [first, second, third] = store.listed(9)
    store.remove([second])
    assert store.listed(9, second) == [third]
    store.remove([third])
    assert store.listed(9, first) == []


def test_image_and_metadata_alone(store: OutboxStore):
    item = store.add(b"jpeg", b'{"tags": ["a"]}', is_priority=False)
    assert (store.jpeg(item), store.metadata(item)) == (b"jpeg", b'{"tags": ["a"]}')
    store.quarantine(item, "does not please")
    [apart] = store.quarantined(9)
    assert (store.jpeg(apart), store.metadata(apart)) == (b"jpeg", b'{"tags": ["a"]}')
    store.retry(apart.name)
    with pytest.raises(ItemGoneError):
        store.jpeg(apart)


def test_quarantined_by_name_page_by_page(store: OutboxStore):
    items = put(store, b"1", b"2", b"3")
    for item in items:
        store.quarantine(item, f"{item.name} does not please")
    entries = store.quarantined(9)
    assert [(entry.name, entry.reason) for entry in entries] == [
        (item.name, f"{item.name} does not please") for item in items
    ]
    assert [entry.is_priority for entry in entries] == [False] * 3
    assert store.quarantined(1, items[0].name) == entries[1:2]


@pytest.mark.parametrize("is_priority", [pytest.param(True, id="priority"), pytest.param(False, id="normal")])
def test_retried_waits_where_it_waited_with_its_key(store: OutboxStore, is_priority: bool):
    put(store, b"1", b"2")
    [item] = put(store, b"3", is_priority=is_priority)
    order, key = store.first(9, EVERYTHING), store.read(item).key
    store.quarantine(item, "does not please")
    store.retry(item.name)
    assert store.first(9, EVERYTHING) == order
    assert store.read(item).key == key
    usage = store.usage()
    assert (usage.items, usage.quarantine_items, usage.quarantined, usage.found) == (3, 0, 1, 1)
    with pytest.raises(ItemGoneError):
        store.retry(item.name)
    store.quarantine(item, "again")
    assert [entry.reason for entry in store.quarantined(9)] == ["again"]
