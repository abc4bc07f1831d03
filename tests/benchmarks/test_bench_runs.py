"""The bench works: its load generators against a server, and the table. No speed is asserted."""

from __future__ import annotations

import doctest
import math
from pathlib import Path

import pytest

from tests.benchmarks import figures, report
from tests.benchmarks.event_load import burst as event_burst
from tests.benchmarks.figures import Figure, Goal, Who
from tests.benchmarks.rest_load import Burst, burst, detect_request
from tests.benchmarks.servers import Server, Servers, request
from tests.benchmarks.turns import in_turns, rates
from tests.builders import jpeg

OURS, THEIRS, BARE = Who.OURS, Who.THEIRS, Who.BARE


async def test_a_node_is_loaded_over_both_transports(tmp_path: Path):
    servers = Servers(tmp_path)
    async with servers.loop() as loop, servers.node(OURS, loop) as node:

        async def load_rest(server: Server) -> Burst:
            return await burst(server.port, [detect_request(jpeg())], connections=2, seconds=0.05)

        found = await in_turns({OURS: node}, 1, load_rest)
        events = await event_burst(node.port, [{"format": "jpeg", "bytes": jpeg()}], clients=1, seconds=0.05)
        status, body = await request(node.port, "GET", "/status")
    figure = rates("anything", found, Goal(ratio=2))
    assert figure.values[OURS][0] > 0
    assert figure.is_met is None, "there was nothing to compare with"
    assert events.rate > 0
    assert status == 200
    assert b'"failed":0' in body


@pytest.mark.parametrize(
    ("values", "goal", "expected"),
    [
        pytest.param({OURS: [30, 60], THEIRS: [10, 10], BARE: [80]}, Goal(ratio=4), (4.5, True), id="pairs of turns"),
        pytest.param({OURS: [30, 60, 90], THEIRS: [10]}, Goal(ratio=7), (6, False), id="other counts of turns"),
        pytest.param({OURS: [5], THEIRS: [10]}, Goal(ratio=0.3, is_limit=True), (0.5, False), id="a limit exceeded"),
        pytest.param({OURS: [5]}, Goal(value=5, is_limit=True), (None, True), id="a limit of its own"),
        pytest.param({OURS: [5]}, Goal(ratio=2), (None, None), id="nothing to compare with"),
        pytest.param({OURS: [5], THEIRS: [10]}, Goal(), (0.5, None), id="nothing wanted"),
    ],
)
def test_a_figure_is_judged(values: dict[Who, list[float]], goal: Goal, expected: tuple[float | None, bool | None]):
    figure = Figure(what="anything", unit="/s", values=values, goal=goal)
    assert (figure.ratio, figure.is_met) == expected


def test_the_table_shows_what_was_found():
    values = {OURS: [1234.0], THEIRS: [100.0]}
    figure = Figure(what="a", unit="/s", values=values, goal=Goal(ratio=3), p99_ms={OURS: 1.4}, note="b")
    shown = report.markdown([figure])
    assert "| a | 1234 /s (1 ms) | 100 /s | 12.3× | – | ≥ 3× | met |" in shown
    assert shown.endswith("- a: b\n")
    assert math.isclose(figure.ratio or 0, 12.34)
    readme = f"before {report.BEGIN} old {report.END} after"
    assert report.into(readme, "new ") == f"before {report.BEGIN}\nnew {report.END} after"


def test_examples():
    assert doctest.testmod(figures) == (0, 2)
