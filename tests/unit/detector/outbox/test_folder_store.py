"""The folder store: every state of the disk is a start, and the layout is that of 0.27."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from learning_loop_node.detector.outbox.disk import Disk
from learning_loop_node.detector.outbox.folder_store import FolderStore
from learning_loop_node.detector.outbox.store import Item, ItemDamagedError, ItemGoneError
from learning_loop_node.errors import StorageFullError
from tests.builders import jpeg

from .crash_model import HastyDisk

EVERYTHING = 10**12
TIME = "2026-11-20_17:12:22.003245"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def opened(path: Path) -> FolderStore:
    store = FolderStore(path)
    store.open()
    return store


def waiting(store: FolderStore) -> list[Item]:
    return store.first(100_000, EVERYTHING)


def put_older_item(path: Path, name: str = TIME, image: bytes = b"", *, lane: str = "normal") -> Path:
    """An item as 0.27 leaves it."""
    folder = path / lane / name
    folder.mkdir(parents=True)
    metadata = {"box_detections": [], "tags": ["a"], "created": "2026-11-20_17:12:22.003", "source": None}
    (folder / f"image_{name}.json").write_text(json.dumps(metadata))
    (folder / f"image_{name}.jpg").write_bytes(image or jpeg())
    return folder


def test_layout(path: Path):
    store = opened(path)
    item = store.add(b"jpeg", b"{}", is_priority=True)
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert files == {f"priority/{item.name}/image_{item.name}.{ending}" for ending in ("jpg", "json", "key")}
    assert {folder.name for folder in path.iterdir()} == {"normal", "priority", "quarantine", "tmp"}


def test_constructing_touches_nothing(path: Path):
    FolderStore(path)
    assert not path.exists()


def test_order_and_keys_survive_a_restart(path: Path):
    store = opened(path)
    for number in range(5):
        store.add(b"%d" % number, b"{}", is_priority=number % 2 == 0)
    before = [(item, store.read(item)) for item in waiting(store)]
    again = opened(path)
    assert [(item.name, again.read(item)) for item in waiting(again)] == [(item.name, read) for item, read in before]
    assert again.usage().size_bytes == store.usage().size_bytes


def test_new_names_follow_those_found_even_if_the_clock_was_reset(path: Path):
    opened(path).add(b"1", b"{}", is_priority=False)
    store = FolderStore(path, wall_clock=lambda: 0.0)
    store.open()
    item = store.add(b"2", b"{}", is_priority=False)
    assert waiting(store)[0] == item


def test_items_of_0_27_have_a_key_that_stays(path: Path):
    put_older_item(path, image=b"jpeg")
    [item] = waiting(opened(path))
    expected = hashlib.sha256(f"{TIME} {hashlib.sha256(b'jpeg').hexdigest()}".encode()).hexdigest()[:32]
    assert opened(path).read(item).key == expected


def empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def without(ending: str) -> Callable[[Path], None]:
    return lambda folder: next(folder.glob(f"*.{ending}")).unlink()


def written(ending: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        file = next(folder.glob(f"*.{ending}"))
        file.write_bytes(change(file.read_bytes()))

    return write


def linked(ending: str) -> Callable[[Path], None]:
    def link(folder: Path) -> None:
        file = next(folder.glob(f"*.{ending}"))
        file.unlink()
        file.symlink_to("/etc/hostname")

    return link


def renamed(name: str) -> Callable[[Path], None]:
    def rename(folder: Path) -> None:
        folder.rename(folder.parent / name)

    return rename


def replaced_by_link(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


def replaced_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("what am I?")


AT_START = [
    pytest.param(empty_folder, "image_.*json is missing", id="empty folder"),
    pytest.param(without("json"), "json is missing", id="no metadata"),
    pytest.param(without("jpg"), "jpg is missing", id="no image"),
    pytest.param(written("jpg", lambda _: b""), "jpg is empty", id="image of length 0"),
    pytest.param(written("json", lambda _: b""), "json is empty", id="metadata of length 0"),
    pytest.param(written("key", lambda _: b""), "key is empty", id="key of length 0"),
    pytest.param(linked("jpg"), "jpg is not a file", id="image is a link"),
    pytest.param(replaced_by_link, "not a folder", id="folder is a link"),
    pytest.param(replaced_by_file, "not a folder", id="file instead of folder"),
    pytest.param(renamed("2026..x"), "not a time", id="dots in the name"),
    pytest.param(renamed('a"\r\nb'), "not a time", id="lines in the name"),
]


@pytest.mark.parametrize(("damage", "reason"), AT_START)
def test_what_is_no_item_goes_to_quarantine_at_start(path: Path, damage: Callable[[Path], None], reason: str):
    store = opened(path)
    bad = store.add(b"bad", b"{}", is_priority=False)
    good = store.add(b"good", b"{}", is_priority=False)
    damage(path / "normal" / bad.name)
    store = opened(path)
    assert [item.name for item in waiting(store)] == [good.name]
    assert store.usage().quarantined == 1
    [reason_file] = path.glob("quarantine/*/reason.txt")
    assert re.search(reason, reason_file.read_text())
    assert Path("/etc/hostname").exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(written("jpg", lambda data: data[:2]), "image file is not the one", id="truncated"),
        pytest.param(written("jpg", lambda data: b"x" + data[1:]), "image file is not the one", id="flipped byte"),
        pytest.param(written("json", lambda _: b"{"), "not valid JSON", id="broken JSON"),
        pytest.param(written("json", lambda _: b"[1]"), "no JSON object", id="wrong JSON"),
        pytest.param(written("json", lambda _: b'{"a": 1}'), "metadata file is not the one", id="other metadata"),
        pytest.param(written("key", lambda _: b"{}"), "key file", id="broken key"),
        pytest.param(without("jpg"), "jpg is missing", id="image deleted"),
    ],
)
def test_damage_is_found_before_sending(path: Path, damage: Callable[[Path], None], reason: str):
    store = opened(path)
    item = store.add(b"image", b"{}", is_priority=False)
    damage(path / "normal" / item.name)
    with pytest.raises(ItemDamagedError, match=reason):
        store.read(item)


def test_an_extra_file_does_no_harm(path: Path):
    store = opened(path)
    item = store.add(b"image", b"{}", is_priority=False)
    (path / "normal" / item.name / "note.txt").write_text("mine")
    [found] = waiting(opened(path))
    store = opened(path)
    assert store.read(found).jpeg == b"image"
    assert store.remove([found]) == 1
    assert list((path / "normal").iterdir()) == []


@pytest.mark.parametrize("name", ["normal", "priority", "quarantine", "tmp"])
def test_a_file_in_the_place_of_a_folder_is_put_aside(path: Path, name: str):
    path.mkdir()
    (path / name).write_text("mine")
    store = opened(path)
    item = store.add(b"image", b"{}", is_priority=True)
    assert waiting(store) == [item]
    assert any(file.read_text() == "mine" for file in path.glob(f"{name}.*"))


def test_leftovers_of_a_crash_are_cleaned(path: Path):
    (path / "tmp" / "half").mkdir(parents=True)
    (path / "tmp" / "half" / "image.jpg").write_bytes(b"half")
    store = opened(path)
    assert waiting(store) == []
    assert list((path / "tmp").iterdir()) == []


@pytest.mark.parametrize("mode", [pytest.param(0, id="not read"), pytest.param(0o500, id="read only")])
def test_a_folder_without_rights(path: Path, mode: int):
    folder = put_older_item(path)
    folder.chmod(mode)
    if os.access(folder, os.W_OK):
        pytest.skip("root may read and write everywhere")
    store = opened(path)
    assert len(waiting(store)) == (1 if mode else 0)
    assert store.remove(waiting(store)) + store.usage().quarantined == 1
    store.refresh()
    assert waiting(store) == []


def test_opening_again_finds_what_became_of_it(path: Path):
    store = opened(path)
    store.add(b"1", b"{}", is_priority=False)
    shutil.rmtree(path)
    store.open()
    assert (path / "normal").is_dir()
    assert (store.usage().items, store.usage().gone) == (0, 1)


class RefusingDisk(HastyDisk):
    """Refuses every step."""

    def make_folder(self, folder: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def make_folder_aside(self, folder: Path) -> None:
        self.make_folder(folder)

    def sync(self, folder: Path) -> None:
        self.make_folder(folder)

    def delete(self, path: Path) -> None:
        self.make_folder(path)

    def write(self, file: Path, content: bytes) -> None:
        self.make_folder(file)

    def move(self, source: Path, target: Path) -> None:
        self.make_folder(source)


def test_a_disk_that_refuses_everything_is_a_start_too(path: Path):
    put_older_item(path)
    put_older_item(path, "2026-11-20_17:12:23.000000").joinpath("image_2026-11-20_17:12:23.000000.jpg").unlink()
    store = FolderStore(path, disk=RefusingDisk())
    store.open()
    [item] = waiting(store)
    with pytest.raises(StorageFullError, match="Read-only"):
        store.add(b"image", b"{}", is_priority=False)
    store.remove([item])
    store.refresh()
    assert waiting(store) == []


class FaultyDisk(Disk):
    """Fails at one step: the one of this number."""

    def __init__(self, step: int, number: int) -> None:
        self.left = step
        self.number = number

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.number, os.strerror(self.number))

    def make_folder_aside(self, folder: Path) -> None:
        self._step()
        super().make_folder_aside(folder)

    def write(self, file: Path, content: bytes) -> None:
        file.write_bytes(content[: len(content) // 2])
        self._step()
        super().write(file, content)

    def sync(self, folder: Path) -> None:
        self._step()
        super().sync(folder)

    def move(self, source: Path, target: Path) -> None:
        self._step()
        super().move(source, target)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("step", range(1, 8))
def test_a_failing_step_is_told_and_leaves_nothing(path: Path, step: int, number: int):
    opened(path)
    store = FolderStore(path, disk=FaultyDisk(step, number))
    store.open()
    with pytest.raises(StorageFullError, match=os.strerror(number)):
        store.add(b"image", b"{}", is_priority=False)
    assert not any(file.is_file() for file in path.rglob("*"))
    assert waiting(store) == []
    item = store.add(b"image", b"{}", is_priority=False)
    assert waiting(store) == waiting(opened(path)) == [item]


def test_deleting_by_hand_while_it_runs(path: Path):
    store = opened(path)
    first = store.add(b"1", b"{}", is_priority=False)
    second = store.add(b"2", b"{}", is_priority=False)
    shutil.rmtree(path / "normal" / first.name)
    with pytest.raises(ItemGoneError):
        store.read(first)
    shutil.rmtree(path)
    assert store.remove([second]) == 0
    store.refresh()
    assert (store.usage().items, store.usage().gone) == (0, 2)
    third = store.add(b"3", b"{}", is_priority=False)
    assert waiting(opened(path)) == [third]


def test_what_is_brought_back_from_quarantine_is_sent(path: Path):
    store = opened(path)
    item = store.add(b"1", b"{}", is_priority=False)
    key = store.read(item).key
    store.quarantine(item, "refused")
    (path / "quarantine" / item.name).rename(path / "normal" / item.name)
    store.refresh()
    [again] = waiting(store)
    assert store.read(again).key == key
    assert store.usage().quarantine_items == 0
    store.remove([again])
    assert list(path.glob("normal/*")) == []


def test_what_was_repaired_is_sent_once_its_key_file_is_deleted(path: Path, caplog: pytest.LogCaptureFixture):
    store = opened(path)
    item = store.add(b"image", b"{}", is_priority=False)
    written("jpg", lambda _: b"")(path / "normal" / item.name)
    opened(path)
    folder = path / "quarantine" / item.name
    assert f"{item.name} goes to quarantine, to the folder {folder.parent}: " in caplog.text
    assert "delete the .key file" in (folder / "reason.txt").read_text()

    (folder / f"{item.stem}.jpg").write_bytes(b"repaired")
    (folder / f"{item.stem}.key").unlink()
    folder.rename(path / "normal" / item.name)
    store = opened(path)
    assert [store.read(found).jpeg for found in waiting(store)] == [b"repaired"]


def test_a_quarantine_deleted_by_hand_is_noticed(path: Path):
    store = opened(path)
    store.quarantine(store.add(b"image", b"{}", is_priority=False), "the loop refused it")
    shutil.rmtree(path / "quarantine")
    store.refresh()
    assert store.usage().quarantine_items == 0
    store.quarantine(store.add(b"image", b"{}", is_priority=False), "the loop refused it")
    assert store.usage().quarantine_items == 1


def test_quarantine_is_bounded(path: Path):
    store = FolderStore(path, quarantine_items=2)
    store.open()
    items = [store.add(b"%d" % number, b"{}", is_priority=False) for number in range(4)]
    for item in items:
        store.quarantine(item, "refused")
    assert {folder.name for folder in (path / "quarantine").iterdir()} == {item.name for item in items[2:]}
    assert store.usage().quarantine_dropped == 2
    again = FolderStore(path, quarantine_items=1)
    again.open()
    assert [folder.name for folder in (path / "quarantine").iterdir()] == [items[3].name]


def test_ten_thousand_items_are_found_within_two_seconds(path: Path):
    put_older_item(path)
    content = path / "normal" / TIME
    for number in range(10_000):
        name = f"2026-11-20_18:00:00.{number:06}"
        folder = path / "normal" / name
        folder.mkdir()
        for ending in ("jpg", "json"):
            os.link(content / f"image_{TIME}.{ending}", folder / f"image_{name}.{ending}")
    started = time.process_time()
    store = opened(path)
    assert time.process_time() - started < 2
    assert store.usage().items == 10_001
