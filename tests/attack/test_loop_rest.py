"""Malformed requests to the loop: each is refused by name, and it answers afterwards exactly as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.builders import jpeg
from tests.loop import P, RunningLoop, running_loop

from .loop_requests import MAX_REQUEST_BYTES, cases_for, names
from .test_node_rest import assert_named
from .wire import Case, case, exchange, request

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Attacked:
    """A running loop with three images and a model, and what it is asked before and after each attack."""

    loop: RunningLoop
    cases: dict[str, Case]
    good: list[Case]
    before: list[bytes]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    async with running_loop(tmp_path_factory.mktemp("loop"), max_request_bytes=MAX_REQUEST_BYTES) as loop:
        await loop.create_project()
        await loop.post_images([jpeg(seed=number) for number in range(3)])
        await loop.push_model(deploy=True)
        async with loop.nobody.post(
            "/api/token", data={"username": loop.username, "password": loop.password}
        ) as answer:
            headers = [("Authorization", f"Bearer {(await answer.json())['access_token']}")]
        paths = [f"/api{P}/data", f"/api{P}/models", "/api/projects"]
        good = [case(path, request("GET", path, headers), 200) for path in paths]
        before = await answers(loop, good)
        yield Attacked(loop, {attack.name: attack for attack in cases_for(headers)}, good, before)


@pytest.mark.parametrize("name", names())
async def test_malformed_request(name: str, attacked: Attacked):
    attack = attacked.cases[name]
    answer = await exchange(address_of(attacked.loop), attack)
    assert_named(attack, answer)
    assert await answers(attacked.loop, attacked.good) == attacked.before
    assert not list((attacked.loop.app.state.loop.folder / "incoming").iterdir())


async def test_there_are_enough():
    found = names()
    assert len(set(found)) == len(found) >= 60


async def answers(loop: RunningLoop, good: list[Case]) -> list[bytes]:
    found = [await exchange(address_of(loop), request_) for request_ in good]
    assert [answer.status for answer in found] == [200] * len(good)
    return [answer.body for answer in found]


def address_of(loop: RunningLoop) -> tuple[str, int]:
    host, _, port = loop.host.partition(":")
    return host, int(port)
