"""What the server logs of a websocket that is refused: nothing, unless it was forgotten."""

from __future__ import annotations

import logging

import aiohttp
import pytest
from starlette.types import Receive, Scope, Send

from learning_loop_node.api.refused_websockets import MISTAKEN, SERVER_LOGGER, as_no_mistake, refuse
from learning_loop_node.errors import UnavailableError
from tests.serving import served


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        await refuse(UnavailableError("the loop ends", retry_after_s=5), scope, receive, send)


async def forgetful(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Neither accepts nor refuses."""


@pytest.mark.parametrize(
    ("application", "status", "expected"),
    [
        pytest.param(refusing, 503, [], id="refused"),
        pytest.param(forgetful, 500, [MISTAKEN], id="forgotten"),
    ],
)
async def test_only_a_mistake_is_logged(
    application: object, status: int, expected: list[str], caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.ERROR), as_no_mistake():
        async with served(application, lifespan="off") as url, aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
    assert refused.value.status == status
    assert [record.getMessage() for record in caplog.records if record.name == SERVER_LOGGER] == expected
