"""An outbox as people see it: page by page, from a store and from the folder alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from learning_loop_node.data_classes import OutboxEntry, OutboxPage, Retried
from learning_loop_node.detector.outbox.folder_store import FolderStore
from learning_loop_node.detector.outbox.folder_view import FolderView
from learning_loop_node.detector.outbox.inventory import Inventory, ItemFile
from learning_loop_node.errors import InvalidRequestError, NotFoundError, SettingError

NOW = 1_700_000_000.0
View = Callable[[], Inventory]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "outbox")
    store.open()
    return store


@pytest.fixture(params=["of a node", "of a folder"])
def view(request: pytest.FixtureRequest, store: FolderStore) -> View:
    """Looks as the node itself does, or as somebody with access to the folder."""
    if request.param == "of a node":
        return lambda: Inventory(store)
    return lambda: Inventory(FolderView(store.path))


def test_empty(view: View):
    assert view().page() == view().page(quarantined=True) == OutboxPage()
    assert view().retry() == Retried()


def test_entries(store: FolderStore, view: View):
    put(store, 1, is_priority=True, tags=["a", "b"], source="robot")
    put(store, 1)
    first, second = view().page().entries
    assert (first.lane, first.tags, first.source, first.reason) == ("priority", ["a", "b"], "robot", None)
    assert (second.lane, second.tags, second.source, second.reason) == ("normal", [], None, None)
    assert first.size_bytes == sum(file.stat().st_size for file in (store.path / "priority" / first.name).iterdir())
    assert 0 <= first.age_s < 60


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_pages_add_up(store: FolderStore, view: View, limit: int):
    put(store, 2, is_priority=True)
    put(store, 5)
    for item in store.first(3, 10**9)[1:]:
        store.quarantine(item, "does not please")
    for quarantined, count in ((False, 5), (True, 2)):
        pages = all_pages(view(), quarantined=quarantined, limit=limit)
        names = [entry.name for page in pages for entry in page.entries]
        assert len(names) == len(set(names)) == count
        assert all(len(page.entries) == limit for page in pages[:-1])
        assert pages[-1].next is None


def test_a_page_has_at_most_a_thousand(store: FolderStore):
    put(store, 3)
    assert len(Inventory(store).page(limit=10**9).entries) == 3
    with pytest.raises(InvalidRequestError, match="is no image of an outbox"):
        Inventory(store).page(cursor="../../etc")


def test_what_is_damaged_is_listed_with_its_reason(store: FolderStore, view: View):
    put(store, 2)
    newest, oldest = store.first(2, 10**9)
    (store.path / "normal" / oldest.name / f"{oldest.stem}.json").write_text("{")
    assert view().page().entries[0].reason is None
    assert "not valid JSON" in (view().page().entries[1].reason or "")
    assert newest.name == view().page().entries[0].name


def test_files(store: FolderStore, view: View):
    put(store, 2, tags=["mine"])
    waiting, apart = store.first(2, 10**9)
    store.quarantine(apart, "does not please")
    for place, name in (("normal", waiting.name), ("quarantine", apart.name)):
        assert view().file(place, name, ItemFile.IMAGE).startswith(b"image")
        assert json.loads(view().file(place, name, ItemFile.METADATA))["tags"] == ["mine"]


@pytest.mark.parametrize(
    ("place", "name", "error"),
    [
        pytest.param("normal", "2020-01-02_03:04:05.000000", NotFoundError, id="not there"),
        pytest.param("quarantine", "2020-01-02_03:04:05.000000", NotFoundError, id="not in quarantine"),
        pytest.param("quarantine", "..", NotFoundError, id="above the quarantine"),
        pytest.param("normal", "..", InvalidRequestError, id="above the lane"),
        pytest.param("normal", "a/../../b", InvalidRequestError, id="somewhere else"),
        pytest.param("tmp", "2020-01-02_03:04:05.000000", InvalidRequestError, id="no lane"),
    ],
)
def test_files_that_are_none(store: FolderStore, view: View, place: str, name: str, error: type[Exception]):
    with pytest.raises(error):
        view().file(place, name, ItemFile.IMAGE)


def test_retry_all_and_some(store: FolderStore, view: View):
    put(store, 3, is_priority=True)
    items = store.first(3, 10**9)
    for item in items:
        store.quarantine(item, "does not please")
    unknown = "2020-01-02_03:04:05.000000"
    result = view().retry([items[1].name, unknown, items[1].name])
    assert (result.count, list(result.left)) == (1, [unknown])
    assert view().retry() == Retried(count=2)
    store.refresh()
    assert store.first(9, 10**9) == items
    assert not any((store.path / item.lane / item.name / "reason.txt").exists() for item in items)
    assert store.usage().quarantine_items == 0


def test_what_is_no_image_stays_in_quarantine(store: FolderStore, view: View):
    (store.path / "normal" / "stray.txt").write_text("what is this?")
    (store.path / "normal" / "2026-01-02_03:04:05.000000").mkdir()
    store.refresh()
    result = view().retry()
    assert result.count == 0
    assert result.left == {
        "2026-01-02_03:04:05.000000": "image_2026-01-02_03:04:05.000000.json is missing",
        "stray.txt": "image_stray.txt.json is missing",
    }
    assert [entry.name for entry in view().page(quarantined=True).entries] == sorted(result.left)


def test_two_of_one_name_in_quarantine(store: FolderStore, view: View):
    put(store, 1)
    [item] = store.first(1, 10**9)
    for _ in range(2):
        store.quarantine(item, "does not please")
        (store.path / "quarantine" / item.name).rename(store.path / "quarantine" / f"{item.name}.{_}")
        leave(store, item.name)
    store.refresh()
    store.remove(store.first(1, 10**9))
    assert view().retry() == Retried(
        count=1, left={f"{item.name}.1": f"another image called {item.name} waits already"}
    )


def test_looking_at_a_folder_changes_nothing(store: FolderStore):
    put(store, 2)
    store.quarantine(store.first(1, 10**9)[0], "does not please")
    (store.path / "normal" / "stray.txt").write_text("what is this?")
    (store.path / "tmp" / "being written").mkdir()
    before = sorted(map(str, store.path.rglob("*")))
    view = FolderView(store.path)
    assert len(Inventory(view).page().entries) == 1
    assert len(Inventory(view).page(quarantined=True).entries) == 1
    assert view.damaged == {"normal/stray.txt": "not a folder"}
    assert sorted(map(str, store.path.rglob("*"))) == before


def test_a_folder_that_is_no_outbox(tmp_path: Path):
    with pytest.raises(SettingError, match="no outbox"):
        FolderView(tmp_path)
    with pytest.raises(SettingError, match="no folder"):
        FolderView(tmp_path / "nowhere")


def test_age_is_never_negative(store: FolderStore):
    put(store, 1)
    [entry] = Inventory(store, wall_clock=lambda: 0.0).page().entries
    assert isinstance(entry, OutboxEntry)
    assert entry.age_s == 0


def put(store: FolderStore, count: int, *, is_priority: bool = False, **metadata: object) -> None:
    for number in range(count):
        store.add(b"image %d" % number, json.dumps(metadata).encode(), is_priority=is_priority)


def leave(store: FolderStore, name: str) -> None:
    folder = store.path / "normal" / name
    folder.mkdir()
    for ending in ("jpg", "json"):
        (folder / f"image_{name}.{ending}").write_text("{}")


def all_pages(inventory: Inventory, *, quarantined: bool, limit: int) -> list[OutboxPage]:
    pages = [inventory.page(quarantined=quarantined, limit=limit)]
    while pages[-1].next is not None:
        pages.append(inventory.page(quarantined=quarantined, limit=limit, cursor=pages[-1].next))
    return pages
