"""Names that are not known and ports on which nobody listens are told apart."""

from __future__ import annotations

import socket

import pytest

from learning_loop_node.doctor.finding import Level
from learning_loop_node.doctor.network import reach, resolve
from tests.tls import listening


@pytest.mark.parametrize(
    ("host", "level", "found"),
    [
        pytest.param("127.0.0.1", Level.OK, "127.0.0.1", id="address"),
        pytest.param("localhost", Level.OK, "127.0.0.1", id="name"),
        pytest.param("no such host", Level.ERROR, "not known", id="unknown"),
        pytest.param("x" * 70 + ".example", Level.ERROR, "not known", id="no name at all"),
    ],
)
async def test_resolve(host: str, level: Level, found: str):
    verdict = await resolve(host, 80)
    assert verdict.level == level
    assert found in verdict.found
    assert ("LOOP_HOST" in verdict.remedy) is (level is Level.ERROR)


async def test_a_port_that_answers():
    async with listening() as port:
        verdict = await reach("127.0.0.1", port)
    assert verdict.level is Level.OK


async def test_a_port_on_which_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        verdict = await reach("127.0.0.1", taken.getsockname()[1])
    assert verdict.level is Level.ERROR
    assert "nothing listens" in verdict.found
    assert "inside a container" in verdict.remedy


async def test_a_machine_that_does_not_answer():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for client in waiting:  # fill the queue of those that wait to be accepted
            client.setblocking(False)
            client.connect_ex(address)
        try:
            verdict = await reach("127.0.0.1", address[1], timeout_s=0.05)
        finally:
            for client in waiting:
                client.close()
    assert "no answer within 0.05 s" in verdict.found
    assert "firewall" in verdict.remedy
