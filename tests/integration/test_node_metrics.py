"""What a detector node tells Prometheus adds up, whatever happens to the requests and to the images."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from learning_loop_node import DetectorLogic
from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.data_classes import ImageMetadata, ModelInformation
from learning_loop_node.enums import OutboxMode
from learning_loop_node.errors import (
    BusyError,
    DeadlineError,
    DetectionFailedError,
    InvalidRequestError,
    NodeError,
)
from learning_loop_node.settings import DetectorSettings, LoopSettings, OutboxSettings
from tests.builders import jpeg, make_settings
from tests.loop import ORGANIZATION, PROJECT, running_loop
from tests.metrics import samples_of
from tests.nodes import BoxesFactory, running_node
from tests.polling import until

N = "learning_loop_node_"
SECRET = "rtsp://admin:hunter2@camera"


class Gated(DetectorLogic):
    """Holds its first call back until the gate opens."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate = gate

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        self.gate.wait()
        return ImageMetadata()


class GatedFactory:
    model_format = "mocked"

    def __init__(self) -> None:
        self.gate = threading.Event()

    async def build(self, model_info: ModelInformation) -> Gated:
        return Gated(self.gate)


async def test_requests_received_are_those_detected_and_those_refused(tmp_path: Path):
    settings = make_settings(tmp_path, detector=DetectorSettings(queue_size=1))
    factory = GatedFactory()
    async with running_node(tmp_path, factory, settings=settings) as running:
        counts = running.node.inference.counts
        async with (
            DetectorClient(running.url) as rest,
            DetectorClient(running.url, transport=Transport.SOCKETIO) as events,
        ):
            held = asyncio.ensure_future(rest.detect(jpeg(), camera_id=SECRET, source=SECRET, tags=[SECRET]))
            await until(lambda: running.node.inference.pending == 1)
            during = await samples_of(running.url)
            assert during.sum(N + "requests_in_progress", operation="detect", transport="rest") == 1
            assert during.sum(N + "queue_images") == during.sum(N + "queue_capacity_images") == 1
            await refused(events, BusyError, jpeg())
            await post_broken_image(running.url)
            factory.gate.set()
            await held
            await events.detect(np.zeros((4, 4, 3), np.uint8))
            factory.gate.clear()
            with pytest.raises(DeadlineError):
                await rest.detect(jpeg(), timeout_s=0.01)
            factory.gate.set()
            await until(lambda: running.node.inference.pending == 0)
            await refused(rest, InvalidRequestError, jpeg(), autoupload="sometimes")
        samples = await samples_of(running.url)
    outcomes = samples.by("code", N + "requests_total", operation="detect")
    assert outcomes == {"ok": 2, "busy": 1, "deadline": 1, "invalid_image": 1, "invalid_request": 1}
    assert samples.by("transport", N + "requests_total", operation="detect") == {"rest": 4, "socketio": 2}
    assert samples.sum(N + "images_detected_total") == outcomes["ok"] == counts.images
    reasons = samples.by("reason", N + "detections_refused_total")
    assert reasons == {"busy": 1, "deadline": 1, "failed": 1}
    assert sum(reasons.values()) + outcomes["invalid_request"] + outcomes["ok"] == 6
    assert samples.sum(N + "request_seconds_count", operation="detect") == 6
    assert samples.sum(N + "requests_in_progress", operation="detect") == 0
    assert SECRET not in samples.text
    assert "hunter2" not in samples.text


async def test_each_stage_is_measured_once_per_request(tmp_path: Path):
    async with running_node(tmp_path, BoxesFactory()) as running, DetectorClient(running.url) as client:
        for _ in range(3):
            await client.detect(jpeg())
        await refused(client, DetectionFailedError, jpeg(height=13))
        await running.node.get_batch_detections([np.zeros((4, 4, 3), np.uint8)] * 5, [])
        samples = await samples_of(running.url)
    counts = samples.by("stage", N + "stage_seconds_count")
    assert counts == {"wait": 5, "decode": 4, "inference": 5}  # the arrays were not decoded
    stages = samples.by("stage", N + "stage_seconds_sum")
    spent_s = samples.sum(N + "request_seconds_sum", operation="detect")
    reading_s = samples.sum(N + "request_reading_seconds_sum", operation="detect")
    assert 0 < reading_s < spent_s
    assert 0 < stages["decode"] < spent_s
    assert samples.sum(N + "batch_images_count") == 4
    assert samples.sum(N + "batch_images_sum") == samples.sum(N + "images_detected_total") == 8
    assert samples.by("version", N + "model_info") == {"1.0": 1}


async def test_images_kept_are_those_sent_queued_quarantined_and_dropped(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        settings = make_settings(
            tmp_path / "node",
            loop=LoopSettings(host=loop.host, organization=ORGANIZATION, project=PROJECT),
            outbox=OutboxSettings(max_size=4),
        )
        async with running_node(tmp_path / "node", settings=settings) as running, DetectorClient(running.url) as client:
            outbox = running.node.outbox
            for seed in (1, 2):
                await client.upload(jpeg(seed=seed))
            await until(lambda: outbox.status().items == 0)
            await client.set_outbox_mode(OutboxMode.STOPPED)
            for seed in range(3, 9):
                await client.upload(jpeg(seed=seed))
            await client.upload(jpeg(seed=9), upload_priority=True)
            stopped = await samples_of(running.url)
            damaged = next((tmp_path / "node" / "outbox" / "normal").glob("*/*.jpg"))
            damaged.write_bytes(b"not what was saved")
            await client.set_outbox_mode(OutboxMode.CONTINUOUS_UPLOAD)
            await until(lambda: outbox.status().items == 0)
            samples = await samples_of(running.url)
        assert len(await loop.image_ids()) == samples.sum(N + "outbox_sent_total")
    assert stopped.by("mode", N + "outbox_mode") == {"stopped": 1, "continuous_upload": 0}
    assert stopped.by("lane", N + "outbox_images") == {"priority": 1, "normal": 4}
    assert stopped.sum(N + "outbox_bytes") > 0
    assert stopped.sum(N + "outbox_oldest_age_seconds") > 0
    for seen in (stopped, samples):
        kept = seen.sum(N + "outbox_saved_total") + seen.sum(N + "outbox_found_total")
        gone = sum(seen.sum(f"{N}outbox_{what}_total") for what in ("sent", "quarantined", "dropped"))
        assert kept == gone + seen.sum(N + "outbox_images") == 9
    assert samples.by("reason", N + "outbox_dropped_total")["max_size"] == 2
    assert samples.sum(N + "outbox_quarantined_total") == samples.sum(N + "outbox_quarantine_images") == 1


async def refused(client: DetectorClient, error: type[NodeError], image: bytes, **options: str) -> None:
    with pytest.raises(error):
        await client.detect(image, **options)  # type: ignore[arg-type]


async def post_broken_image(url: str) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"no image", filename="image.jpg")
    async with aiohttp.ClientSession() as session, session.post(f"{url}/detect", data=form) as answer:
        assert answer.status == 422
