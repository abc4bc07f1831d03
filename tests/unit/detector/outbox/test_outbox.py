"""The outbox: what is saved, what is refused, what gives way, and what programs written for 0.27 do with it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from learning_loop_node.data_classes import BoxDetection, ImageMetadata
from learning_loop_node.data_classes.codec import from_json
from learning_loop_node.detector.outbox import Outbox
from learning_loop_node.detector.outbox.folder_store import FolderStore
from learning_loop_node.detector.outbox.memory_store import MemoryStore
from learning_loop_node.detector.outbox.outbox import IMAGES_AT_ONCE
from learning_loop_node.errors import InvalidDataError, InvalidImageError, StorageFullError
from learning_loop_node.images import read_header
from learning_loop_node.settings import GLOBALS, DiskFull, LoopSettings, NodeSettings, OutboxSettings, Settings
from tests.builders import jpeg, make_box, make_metadata, make_settings, pixels

from .loops import LOST, OK, Answer, Upload, socket_loop
from .test_folder_store import put_older_item

EVERYTHING = 10**12


def png() -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels()).save(stream, "PNG")
    return stream.getvalue()


PNG = png()


def make_outbox(store: MemoryStore | FolderStore | None = None, **limits: Any) -> Outbox:
    return Outbox(store or MemoryStore(), Settings(outbox=OutboxSettings(**{"min_free_bytes": 0} | limits)))


def tags(outbox: Outbox) -> list[str]:
    """The first tag of each waiting image, in order of sending."""
    items = outbox.store.first(1000, EVERYTHING)
    return [from_json(outbox.store.read(item).metadata)["tags"][0] for item in items]


async def save(outbox: Outbox, *names: str, priority: bool = False) -> None:
    for name in names:
        await outbox.save(jpeg(), ImageMetadata(tags=[name]), priority)


def test_constructing_touches_nothing(tmp_path: Path):
    Outbox(settings=make_settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


async def test_empty(tmp_path: Path):
    outbox = Outbox(settings=make_settings(tmp_path))
    await outbox.open()
    status = outbox.status()
    assert (status.items, status.size_bytes, status.oldest_age_s, status.dropped) == (0, 0, None, {})
    assert outbox.get_upload_folders() == []
    await outbox.aclose()
    await outbox.aclose()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(jpeg(), id="JPEG"),
        pytest.param(pixels(), id="pixels"),
        pytest.param(pixels()[:, :, 0], id="grey"),
        pytest.param(pixels().astype(np.float32), id="float"),
    ],
)
async def test_keeps_images_as_jpeg(image: np.ndarray | bytes):
    outbox = make_outbox()
    await outbox.save(image)
    [item] = outbox.store.first(9, EVERYTHING)
    stored = outbox.store.read(item).jpeg
    assert read_header(stored, max_pixels=10_000).format == "jpeg"
    if isinstance(image, bytes):
        assert stored == image
    await outbox.aclose()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"this is text", id="text"),
        pytest.param(np.zeros((0, 0, 3), np.uint8), id="no pixels"),
        pytest.param(np.zeros((4,), np.uint8), id="one dimension"),
        pytest.param("image.jpg", id="a name"),
    ],
)
async def test_refuses_what_is_no_image(image: Any):
    outbox = make_outbox()
    with pytest.raises(InvalidImageError):
        await outbox.save(image)
    assert outbox.status().items == 0
    await outbox.aclose()


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        pytest.param(jpeg(), bytes, id="JPEG"),
        pytest.param(PNG, bytes, id="PNG"),
        pytest.param(pixels(), np.ndarray, id="pixels"),
    ],
)
async def test_what_was_checked_can_be_saved(image: np.ndarray | bytes, kind: type):
    outbox = make_outbox()
    checked = await outbox.checked(image)
    assert isinstance(checked, kind)
    assert not isinstance(checked, bytes) or read_header(checked, max_pixels=10_000).format == "jpeg"
    await outbox.save(checked)
    await outbox.aclose()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(jpeg()[:400] + b"\xff\xd9", id="JPEG that ends early"),
        pytest.param(PNG[:-40], id="PNG that ends early"),
    ],
)
async def test_a_check_looks_at_every_pixel(image: bytes):
    outbox = make_outbox()
    with pytest.raises(InvalidImageError):
        await outbox.checked(image)
    await outbox.aclose()


async def test_few_images_are_decoded_at_a_time():
    outbox = make_outbox()
    before = {thread.name for thread in threading.enumerate()}
    await asyncio.gather(*(outbox.checked(PNG) for _ in range(8)), *(outbox.save(PNG) for _ in range(8)))
    started = {thread.name for thread in threading.enumerate()} - before
    assert sorted(name.rpartition("_")[0] for name in started) == ["outbox images"] * IMAGES_AT_ONCE + ["outbox saver"]
    await outbox.aclose()


async def test_refuses_numbers_that_json_does_not_know():
    outbox = make_outbox()
    with pytest.raises(InvalidDataError, match=r"metadata.box_detections\[0\].confidence"):
        await outbox.save(jpeg(), make_metadata(box_detections=[make_box(confidence=float("nan"))]))
    await outbox.aclose()


async def test_keeps_metadata_without_detections():
    outbox = make_outbox()
    await outbox.save(jpeg(), ImageMetadata(tags=["empty"], created=None, state="trash"))
    await outbox.save(jpeg(), make_metadata())
    metadata = [from_json(outbox.store.read(item).metadata) for item in outbox.store.first(9, EVERYTHING)]
    assert metadata[1]["tags"] == ["empty"]
    assert metadata[1]["created"] is None
    assert BoxDetection(**metadata[0]["box_detections"][0]) == make_box()
    await outbox.aclose()


async def test_the_oldest_without_priority_gives_way():
    outbox = make_outbox(max_size=2)
    await save(outbox, "p1", "p2", "p3", priority=True)
    await save(outbox, "n1", "n2", "n3")
    assert tags(outbox) == ["p1", "p2", "p3", "n3", "n2"]
    status = outbox.status()
    assert (status.saved, status.items, status.dropped) == (6, 5, {"max_size": 1})
    await outbox.aclose()


async def test_what_is_on_its_way_does_not_give_way():
    outbox = make_outbox(max_size=2)
    await save(outbox, "n1", "n2")
    outbox.in_flight = {outbox.store.first(9, EVERYTHING)[1]}
    await save(outbox, "n3")
    assert tags(outbox) == ["n3", "n1"]
    await outbox.aclose()


async def test_the_new_image_is_refused_if_wanted():
    outbox = make_outbox(max_size=2, disk_full=DiskFull.REFUSE)
    await save(outbox, "n1", "n2")
    with pytest.raises(StorageFullError, match="MAX_OUTBOX_SIZE"):
        await save(outbox, "n3")
    await save(outbox, "p1", priority=True)
    assert tags(outbox) == ["p1", "n2", "n1"]
    assert (outbox.status().refused, outbox.status().dropped) == (1, {})
    await outbox.aclose()


async def test_bytes_are_limited():
    size_bytes = len(jpeg()) + 16_384 + 500
    outbox = make_outbox(max_bytes=2 * size_bytes)
    for number in range(100):
        await save(outbox, f"n{number}")
        assert outbox.status().size_bytes <= 2 * size_bytes
    assert outbox.status().dropped["max_bytes"] == 100 - outbox.status().items
    await outbox.aclose()


async def test_a_disk_filled_by_others_does_not_empty_the_outbox():
    store = MemoryStore(capacity_bytes=1_000_000)
    outbox = make_outbox(store)
    await save(outbox, *(f"n{number}" for number in range(30)))
    store._capacity_bytes = store.usage().size_bytes
    before = outbox.status()
    await save(outbox, "new")
    after = outbox.status()
    assert tags(outbox)[0] == "new"
    assert after.size_bytes <= before.size_bytes
    assert 0 < after.dropped["disk_full"] < 20
    await outbox.aclose()


async def test_nothing_left_to_give_way_is_told():
    outbox = make_outbox(MemoryStore(capacity_bytes=20_000))
    await save(outbox, "p1", priority=True)
    with pytest.raises(StorageFullError, match="OUTBOX_MIN_FREE_BYTES"):
        await save(outbox, *(f"p{number}" for number in range(20)), priority=True)
    await outbox.aclose()


async def test_limits_hold_over_a_restart(tmp_path: Path):
    outbox = make_outbox(FolderStore(tmp_path))
    await save(outbox, "n1", "n2", "n3")
    await outbox.aclose()
    again = make_outbox(FolderStore(tmp_path), max_size=2)
    await again.open()
    assert tags(again) == ["n3", "n2"]
    status = again.status()
    assert (status.found, status.items, status.dropped) == (3, 2, {"max_size": 1})
    await again.aclose()


async def test_saves_run_in_one_thread_of_their_own_and_cancelling_is_safe(tmp_path: Path):
    class WatchedStore(FolderStore):
        threads: set[str] = set()

        def add(self, jpeg: bytes, metadata: bytes, *, is_priority: bool, key: str | None = None) -> Any:
            self.threads.add(threading.current_thread().name)
            return super().add(jpeg, metadata, is_priority=is_priority)

    store = WatchedStore(tmp_path)
    outbox = make_outbox(store)
    saves = [asyncio.ensure_future(save(outbox, f"n{number}")) for number in range(40)]
    while not outbox.status().saved:
        await asyncio.sleep(0)
    for task in saves[::2]:
        task.cancel()
    await asyncio.gather(*saves, return_exceptions=True)
    await outbox.aclose()
    assert {name.partition("_")[0] for name in store.threads} == {"outbox saver"}
    found = make_outbox(FolderStore(tmp_path))
    await found.open()
    assert found.status().items == outbox.status().items == outbox.status().saved >= 20
    assert {f"n{number}" for number in range(1, 40, 2)} <= set(tags(found))
    assert list((tmp_path / "tmp").iterdir()) == []
    await found.aclose()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("policy", DiskFull)
async def test_a_full_disk_is_told(small_disk: Path, policy: DiskFull):
    outbox = make_outbox(FolderStore(small_disk / "outbox"), disk_full=policy)
    await outbox.open()
    picture, refused = jpeg(400, 300, quality=100), 0
    for _ in range(40):
        try:
            await outbox.save(picture)
        except StorageFullError:
            refused += 1
    status = outbox.status()
    assert status.saved + refused == 40
    assert status.items == status.saved - status.dropped.get("disk_full", 0) > 0
    assert (refused > 0) is (policy is DiskFull.REFUSE)
    assert list((small_disk / "outbox" / "tmp").iterdir()) == []
    outbox.store.remove(outbox.store.first(5, EVERYTHING))
    await outbox.save(picture)
    await outbox.aclose()


# Over real sockets, and without a node, as in programs written for 0.27


def old_style(tmp_path: Path, host: str, **login: Any) -> Outbox:
    loop = LoopSettings(host=host, organization="zauberzeug", project="demo", **login)
    limits = OutboxSettings(min_free_bytes=0)
    return Outbox(settings=Settings(loop=loop, node=NodeSettings(data_folder=tmp_path), outbox=limits))


async def test_constructed_without_anything(tmp_path: Path):
    GLOBALS.data_folder = str(tmp_path)
    outbox = Outbox()
    assert outbox.path == f"{tmp_path}/outbox"
    assert outbox.get_mode() == "stopped"
    assert (outbox.BATCH_SIZE, outbox.MAX_UPLOAD_LENGTH, outbox.UPLOAD_INTERVAL_S) == (20, 1000, 5)
    await save(outbox, "a")
    [folder] = outbox.get_upload_folders()
    assert Path(folder).parent == tmp_path / "outbox" / "normal"
    await outbox.aclose()


async def test_upload_sends_what_0_27_has_left(tmp_path: Path):
    put_older_item(tmp_path / "outbox", "2026-11-20_17:12:22.003245")
    put_older_item(tmp_path / "outbox", "2026-11-20_17:12:22.104000", lane="priority")
    async with socket_loop(lambda _: OK) as (host, got):
        outbox = old_style(tmp_path, host)
        assert outbox.target_uri == f"http://{host}/api/zauberzeug/projects/demo/images"
        await outbox.upload()
        await outbox.aclose()
    [upload] = got.tries
    assert [part.file_name for part in upload.parts] == [
        "image_2026-11-20_17:12:22.104000.json",
        "image_2026-11-20_17:12:22.104000.jpg",
        "image_2026-11-20_17:12:22.003245.json",
        "image_2026-11-20_17:12:22.003245.jpg",
    ]
    assert outbox.upload_counter == 2
    assert outbox.get_upload_folders() == []


async def test_upload_again_after_a_lost_answer_stores_once(tmp_path: Path):
    answers = iter([LOST, LOST, LOST])
    async with socket_loop(lambda _: next(answers, OK)) as (host, got):
        outbox = old_style(tmp_path, host)
        await save(outbox, "a", "b", "c")
        while outbox.get_upload_folders():
            await outbox.upload()
        await outbox.aclose()
    assert len(got.stored) == 3
    assert got.arrivals.total() > 3


async def test_continuous_upload_starts_and_stops(tmp_path: Path):
    async with socket_loop(lambda _: OK) as (host, got):
        outbox = old_style(tmp_path, host)
        outbox.ensure_continuous_upload()
        assert outbox.get_mode() == "continuous_upload"
        for number in range(30):
            await save(outbox, f"n{number}")
        while outbox.status().items:
            await asyncio.sleep(0)
        assert await outbox.ensure_continuous_upload_stopped()
        assert outbox.get_mode() == "stopped"
        await save(outbox, "late")
        assert len(outbox.get_upload_folders()) == 1
        await outbox.set_mode("continuous_upload")
        while outbox.status().items:
            await asyncio.sleep(0)
        await outbox.aclose()
    assert set(got.arrivals.values()) == {1}
    assert len(got.stored) == 31


async def test_the_whole_body_goes_again_after_a_new_login(tmp_path: Path):
    answers = iter([Answer(status=401)])
    async with socket_loop(lambda _: next(answers, OK)) as (host, got):
        outbox = old_style(tmp_path, host, username="robot", password="secret")
        await save(outbox, "a")
        await outbox.upload()
        await outbox.aclose()
    assert [upload.images for upload in got.tries] == [[jpeg()], [jpeg()]]
    assert outbox.status().sent == 1


async def test_a_large_batch_arrives_whole(tmp_path: Path):
    """Bodies of megabytes are written in pieces."""
    async with socket_loop(lambda _: OK) as (host, got):
        outbox = old_style(tmp_path, host)
        await outbox.open()
        images = [os.urandom(3_000_000) for _ in range(4)]
        for image in images:
            outbox.store.add(image, b"{}", is_priority=True)
        await outbox.upload()
        await outbox.aclose()
    assert [image for upload in got.tries for image in upload.images] == images


async def test_a_loop_that_refuses_one_image(tmp_path: Path):
    def answer(upload: Upload) -> Answer:
        return Answer(status=422) if any(b"bad" in part.data for part in upload.parts) else OK

    async with socket_loop(answer) as (host, got):
        outbox = old_style(tmp_path, host)
        await save(outbox, *(f"n{number}" for number in range(10)), "bad", "n10")
        await outbox.upload()
        status = outbox.status()
        await outbox.aclose()
    assert len(got.stored) == 11
    assert (status.sent, status.quarantined, status.items) == (11, 1, 0)
    assert status.found + status.saved == status.sent + status.items + status.quarantined + sum(status.dropped.values())
