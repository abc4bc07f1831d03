from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.detector import intake as module
from learning_loop_node.detector.intake import Intake
from learning_loop_node.errors import StorageFullError
from learning_loop_node.images import ImageInput


class Says:
    """A filter that gives the image's own tags as causes."""

    def causes(self, metadata: ImageMetadata, camera_id: str | None) -> list[str]:
        return [f"{tag} of {camera_id}" for tag in metadata.tags]


class Box:
    """An outbox in memory; a full one refuses."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.saved: list[ImageMetadata] = []
        self.is_full = is_full

    async def save(
        self, image: ImageInput, image_metadata: ImageMetadata | None = None, upload_priority: bool = False
    ) -> None:
        if self.is_full:
            raise StorageFullError
        assert image_metadata is not None
        self.saved.append(image_metadata)


async def test_relevant_images_are_kept_with_their_causes():
    box = Box()
    intake = Intake(Says(), box)
    metadata = ImageMetadata(tags=["odd"])
    intake.put(b"1", metadata, "left")
    intake.put(b"2", ImageMetadata(), "left")
    await intake.drain()
    assert [entry.tags for entry in box.saved] == [["odd", "odd of left"]]
    assert metadata.tags == ["odd"], "the reply's tags stay as they are"
    assert intake.kept == {"odd of left": 1}
    assert (intake.kept_count, intake.not_relevant_count) == (1, 1)


async def test_a_disk_that_stays_full_is_said_once(caplog):
    intake = Intake(Says(), Box(is_full=True))
    for _ in range(20):
        intake.put(b"1", ImageMetadata(tags=["odd"]), None)
    await intake.drain()
    assert intake.dropped["storage_full"] == 20
    assert len(caplog.records) == 1


async def test_a_full_disk_is_counted_and_does_not_stop_the_service():
    box = Box(is_full=True)
    intake = Intake(Says(), box)
    running = asyncio.ensure_future(intake.run())
    intake.put(b"1", ImageMetadata(tags=["odd"]), None)
    while intake.dropped["storage_full"] == 0:
        await asyncio.sleep(0)
    box.is_full = False
    intake.put(b"2", ImageMetadata(tags=["odd"]), None)
    while intake.kept_count == 0:
        await asyncio.sleep(0)
    running.cancel()
    assert intake.dropped == {"storage_full": 1}


@pytest.mark.parametrize(
    ("images", "kept"),
    [
        pytest.param([b"1"] * (module.MAX_WAITING + 5), module.MAX_WAITING, id="too many"),
        pytest.param([bytes(module.MAX_WAITING_BYTES // 2)] * 3, 2, id="too large"),
    ],
)
async def test_what_does_not_fit_is_dropped_and_counted(images, kept):
    box = Box()
    intake = Intake(Says(), box)
    for image in images:
        intake.put(image, ImageMetadata(tags=["odd"]), None)
    assert intake.waiting_count == kept
    await intake.drain()
    assert len(box.saved) == kept
    assert intake.dropped == {"filter_busy": len(images) - kept}
    intake.put(b"1", ImageMetadata(tags=["odd"]), None)
    assert intake.waiting_count == 1


class SlowBox(Box):
    """An outbox that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def save(
        self, image: ImageInput, image_metadata: ImageMetadata | None = None, upload_priority: bool = False
    ) -> None:
        self.begun.set()
        await self.go_on.wait()
        await super().save(image, image_metadata, upload_priority)


async def test_an_image_that_is_being_kept_when_the_node_stops_is_waited_for_and_counted():
    box = SlowBox()
    intake = Intake(Says(), box)
    running = asyncio.ensure_future(intake.run())
    intake.put(b"1", ImageMetadata(tags=["odd"]), None)
    await box.begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    draining = asyncio.ensure_future(intake.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    box.go_on.set()
    await draining
    assert (len(box.saved), intake.kept_count, intake.waiting_count) == (1, 1, 0)
