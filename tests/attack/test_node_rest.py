"""Malformed requests over HTTP: each is refused by name, and a node answers afterwards exactly as before."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from yarl import URL

from learning_loop_node.settings import DetectorSettings
from tests.builders import make_settings
from tests.nodes import RunningNode, running_node

from .node_requests import CASES, MAX_REQUEST_BYTES, detect
from .wire import SLOWEST_S, Answer, Case, case, exchange, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = [
    case("detect", detect(("autoupload", "disabled")), 200),
    case("about", request("GET", "/about"), 200),
    case("outbox mode", request("GET", "/outbox_mode"), 200),
    case("operation mode", request("GET", "/operation_mode"), 200),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    tmp_path = tmp_path_factory.mktemp("node")
    limits = DetectorSettings(max_pixels=20_000, max_request_bytes=MAX_REQUEST_BYTES)
    async with running_node(tmp_path, settings=make_settings(tmp_path, detector=limits)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def before(node: RunningNode) -> list[bytes]:
    """What good requests are answered with at first."""
    return await answers_to_good(node)


@pytest.mark.parametrize("attack", CASES, ids=lambda attack: attack.name)
async def test_malformed_request(attack: Case, node: RunningNode, before: list[bytes]):
    answer = await exchange(address_of(node), attack)
    assert_named(attack, answer)
    assert await answers_to_good(node) == before
    assert node.node.outbox.status().items == 0
    assert node.node.inference.pending == 0


async def test_there_are_enough():
    assert len(CASES) >= 60
    assert len({attack.name for attack in CASES}) == len(CASES)


def assert_named(attack: Case, answer: Answer) -> None:
    """The answer has one of the statuses, in time; if it is ours and an error, it is JSON and says what is wrong."""
    assert answer.status in attack.status, answer
    assert answer.seconds < SLOWEST_S or attack.is_left_open
    if answer.status < 400 or (not attack.is_ours and not answer.is_json):
        return
    body = answer.json()
    assert sorted(body) == ["code", "detail"]
    assert len(body["detail"]) < 1000
    for word in attack.words:
        assert word in body["detail"], body


async def answers_to_good(node: RunningNode) -> list[bytes]:
    answers = [await exchange(address_of(node), good) for good in GOOD]
    assert [answer.status for answer in answers] == [200] * len(GOOD)
    return [answer.body for answer in answers]


def address_of(node: RunningNode) -> tuple[str, int]:
    url = URL(node.url)
    assert url.host
    assert url.port
    return url.host, url.port
