"""The client of a detector against a real node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.enums import OutboxMode
from learning_loop_node.errors import BadModeError, DetectionFailedError, InvalidRequestError, NoModelError
from tests.builders import jpeg, make_metadata
from tests.nodes import RunningNode, running_node

BOTH = pytest.mark.parametrize("transport", list(Transport))
PIXELS = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path) as running:
        yield running


@BOTH
async def test_detections(node: RunningNode, transport: Transport) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        for image in (PIXELS, jpeg(30, 20)):
            metadata = await detector.detect(
                image, camera_id="a", tags=["t"], source="s", autoupload="disabled", timeout_s=30
            )
            assert [(box.width, box.height) for box in metadata.box_detections] == [(30, 20)]
            assert (metadata.tags, metadata.source) == (["t"], "s")
        assert len(await detector.batch_detect([PIXELS, PIXELS], autoupload="disabled")) == 2


@BOTH
async def test_questions_and_modes(node: RunningNode, transport: Transport) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        about = await detector.about()
        assert about.model_info is not None
        assert about.model_info.version == "1.0"
        assert (await detector.model_version()).current_version == "1.0"
        await detector.set_outbox_mode("stopped")
        assert await detector.outbox_mode() is OutboxMode.STOPPED
        await detector.set_model_version("pause")
        await detector.set_operation_mode("detecting")
        await detector.upload(jpeg(), source="robot", upload_priority=True)
        await detector.upload(jpeg(), make_metadata())
        await detector.soft_reload()
        assert await detector.health()
        assert await detector.readiness()
        assert await detector.status()


@BOTH
async def test_errors(node: RunningNode, transport: Transport) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        with pytest.raises(DetectionFailedError, match="thirteen"):
            await detector.detect(PIXELS[:13])
        with pytest.raises(InvalidRequestError, match="autoupload"):
            await detector.detect(PIXELS, autoupload="sometimes")
        with pytest.raises(BadModeError, match="Invalid version number"):
            await detector.set_model_version("latest")
        with pytest.raises(InvalidRequestError):
            await detector.set_outbox_mode("sometimes")


@BOTH
async def test_without_a_model(tmp_path: Path, transport: Transport) -> None:
    async with (
        running_node(tmp_path, has_model=False) as node,
        DetectorClient(node.url, transport=transport) as detector,
    ):
        with pytest.raises(NoModelError):
            await detector.detect(PIXELS)
