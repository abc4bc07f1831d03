"""Looking after the outbox of a running node, over both transports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.data_classes import Retried
from learning_loop_node.errors import InvalidRequestError, NotFoundError
from tests.builders import jpeg, make_metadata
from tests.nodes import RunningNode, running_node
from tests.polling import until

GONE = "2020-01-02_03:04:05.000000"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path) as node:  # its loop is not there
        yield node


@pytest.fixture(params=list(Transport))
async def client(request: pytest.FixtureRequest, node: RunningNode) -> AsyncIterator[DetectorClient]:
    async with DetectorClient(node.url, transport=request.param) as client:
        yield client


async def test_nothing_there(client: DetectorClient):
    page = await client.outbox_page()
    assert (page.entries, page.next) == ([], None)
    assert await client.retry_outbox() == Retried()


async def test_listed_page_by_page(node: RunningNode, client: DetectorClient):
    for number in range(5):
        await client.upload(
            jpeg(seed=number), make_metadata(tags=[str(number)], source="me"), upload_priority=number > 2
        )
    whole = [entry async for entry in client.outbox_entries()]
    assert [(entry.lane, entry.tags[0], entry.source) for entry in whole] == [
        ("priority", "3", "me"),
        ("priority", "4", "me"),
        ("normal", "2", "me"),
        ("normal", "1", "me"),
        ("normal", "0", "me"),
    ]
    page = await client.outbox_page(limit=2)
    names = [entry.name for entry in page.entries]
    while page.next:
        page = await client.outbox_page(limit=2, cursor=page.next)
        names += [entry.name for entry in page.entries]
    assert names == [entry.name for entry in whole]


async def test_files(node: RunningNode, client: DetectorClient):
    await client.upload(jpeg(), make_metadata(tags=["mine"]))
    [entry] = (await client.outbox_page()).entries
    assert await client.outbox_image(entry.lane, entry.name) == jpeg()
    assert "mine" in json.loads(await client.outbox_metadata(entry.lane, entry.name))["tags"]
    for place, error in (("quarantine", NotFoundError), ("normal", NotFoundError), ("tmp", InvalidRequestError)):
        with pytest.raises(error):
            await client.outbox_image(place, GONE)
    with pytest.raises((InvalidRequestError, NotFoundError)):
        await client.outbox_image("normal", "../../current_model")
    async with aiohttp.ClientSession(node.url) as session, session.get(f"/outbox/normal/{entry.name}/key") as answer:
        assert answer.status == 404


async def test_quarantine_and_back(node: RunningNode, client: DetectorClient):
    await client.upload(jpeg())
    [entry] = (await client.outbox_page()).entries
    store = node.node.outbox.store
    await until(lambda: not node.node.outbox.in_flight)
    store.quarantine(store.listed(1)[0], "does not please")
    [apart] = (await client.outbox_page(quarantined=True)).entries
    assert (apart.name, apart.reason, apart.lane) == (entry.name, "does not please", "normal")
    assert await client.outbox_image("quarantine", apart.name) == jpeg()
    retried = await client.retry_outbox([apart.name, GONE])
    assert (retried.count, list(retried.left)) == (1, [GONE])
    assert (await client.outbox_page(quarantined=True)).entries == []
    assert [entry.name for entry in (await client.outbox_page()).entries] == [apart.name]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        pytest.param({"limit": "0"}, "limit must be between 1 and 1000", id="no limit"),
        pytest.param({"limit": "1001"}, "limit must be between 1 and 1000", id="large limit"),
        pytest.param({"limit": "many"}, "limit must be a number", id="limit in words"),
        pytest.param({"cursor": "elsewhere"}, "is no image of an outbox", id="cursor of nothing"),
        pytest.param({"quarantined": "perhaps"}, "quarantined must be true or false", id="perhaps"),
    ],
)
async def test_what_cannot_be_asked(node: RunningNode, asked: dict[str, Any], text: str):
    async with aiohttp.ClientSession(node.url) as session, session.get("/outbox", params=asked) as answer:
        assert answer.status == 422
        assert text in (await answer.json())["detail"]
    async with DetectorClient(node.url, transport=Transport.SOCKETIO) as client:
        with pytest.raises(InvalidRequestError, match=text):
            await client.outbox_page(**asked)


@pytest.mark.parametrize("body", ['{"names": "all"}', '{"names": [1]}', "[]", "{"])
async def test_what_cannot_be_retried(node: RunningNode, body: str):
    async with aiohttp.ClientSession(node.url) as session, session.post("/outbox/retry", data=body) as answer:
        assert answer.status == 422
        assert (await answer.json())["code"] in ("invalid_request", "invalid_data")
