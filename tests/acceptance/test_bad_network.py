"""Images over a line on which one try in three goes wrong: none is lost, none is stored twice, few tries are wasted."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path

import pytest

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.data_classes import Context, ImageMetadata
from learning_loop_node.detector.outbox import Outbox
from learning_loop_node.detector.outbox.inventory import Inventory
from learning_loop_node.detector.outbox.uploader import Uploader
from learning_loop_node.runtime.services import supervise
from learning_loop_node.settings import LoopSettings, OutboxSettings
from tests.bad_network import FAULTS, bad_network
from tests.builders import jpeg, make_settings
from tests.clock import HurriedClock
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, running_loop
from tests.polling import until

SHARE = 0.3
PRIORITY_SHARE = 0.1
TIMES_FASTER = 100
TIMEOUT_S = 0.3
BATCH_SIZE = 5
"""Smaller than that of a node, so that more goes wrong in the same time."""


@pytest.mark.timeout(3600)
async def test_one_try_in_three_goes_wrong(tmp_path: Path, request: pytest.FixtureRequest):
    count = 10_000 if request.config.getoption("long") else 500
    async with (
        running_loop(tmp_path) as loop,
        bad_network(loop.host, share=SHARE, matches=rf"POST /api{P}/images ") as network,
    ):
        await loop.create_project()
        place = LoopSettings(host=network.host, organization=ORGANIZATION, project=PROJECT)
        settings = make_settings(tmp_path, loop=place, outbox=OutboxSettings(max_size=count, min_free_bytes=0))
        outbox = Outbox(None, settings)
        outbox.UPLOAD_TIMEOUT_S, outbox.BATCH_SIZE = TIMEOUT_S, BATCH_SIZE
        sent = await fill(outbox, count)
        async with LoopHttp(place) as http, aclosing(outbox):
            context = Context(organization=ORGANIZATION, project=PROJECT)
            async with supervise([Uploader(outbox, http, context, HurriedClock(TIMES_FASTER))]):
                await until(lambda: outbox.status().items == 0, within_s=3600)
                quarantined = outbox.status().quarantine_items
                Inventory(outbox.store).retry()
                outbox.changed.set()
                await until(lambda: outbox.status().items == 0, within_s=60)
        status = outbox.status()
        records = await all_records(loop)
    tries = (status.sent + status.retried) / count
    print(f"{count} images, {dict(network.met)}, {tries:.2f} tries per image, {quarantined} in quarantine")  # noqa: T201
    stored = Counter(record["sha256"] for record in records)
    assert stored == Counter(sent.keys()), "each image exactly once"
    assert tries <= 1.6
    assert quarantined <= 1 + count / 1000
    assert network.met.total() >= SHARE * network.requests * 0.8
    assert len(network.met) >= len(FAULTS) / 2, "there was little variety"
    arrived_first = [record["source"] for record in records[: sum(source == "priority" for source in sent.values())]]
    assert arrived_first.count("priority") >= 0.9 * len(arrived_first)


async def fill(outbox: Outbox, count: int) -> dict[str, str]:
    """Save images, some with priority; their hashes, and which kind they are."""
    dice = random.Random(1)
    sent: dict[str, str] = {}
    for number in range(count):
        kind = "priority" if dice.random() < PRIORITY_SHARE else "normal"
        image = jpeg(seed=number)
        sent[sha256(image).hexdigest()] = kind
        await outbox.save(image, ImageMetadata(source=kind), kind == "priority")
    return sent


async def all_records(loop: RunningLoop) -> list[dict[str, str]]:
    return await loop.list_images()
