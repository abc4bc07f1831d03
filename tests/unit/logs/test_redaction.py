"""No login, password or token leaves the process in a line of the log."""

from __future__ import annotations

import pytest

from learning_loop_node.logs import redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("rtsp://admin:hunter2@10.0.0.7/live", "rtsp://***@10.0.0.7/live", id="camera"),
        pytest.param("https://token@host", "https://***@host", id="user only"),
        pytest.param("rtsp://admin:hun/ter2@cam", "rtsp://***@cam", id="slash in the password"),
        pytest.param("sql+x://u:p%40w@db/loop", "sql+x://***@db/loop", id="quoted password"),
        pytest.param("?source=rtsp%3A//a%3Ahunter2%40cam&x", "?source=rtsp%3A//***%40cam&x", id="quoted address"),
        pytest.param("Authorization: Bearer abc.def-1", "Authorization: ***", id="bearer"),
        pytest.param("{'Authorization': 'Basic QWxh'}", "{'Authorization': '***'}", id="dictionary of headers"),
        pytest.param("(b'authorization', b'Bearer x1')", "(b'authorization', b'***')", id="bytes"),
        pytest.param("sent Bearer eyJhbGciOi1 to", "sent Bearer *** to", id="bearer alone"),
        pytest.param("Cookie: loop_session=abc; x=y", "Cookie: ***", id="cookie"),
        pytest.param("{'loop_session': 'abc'}", "{'loop_session': '***'}", id="dictionary of cookies"),
        pytest.param("LOOP_PASSWORD=hunter2 is short", "LOOP_PASSWORD=*** is short", id="setting"),
        pytest.param("/ws?token=abc&x=1", "/ws?token=***&x=1", id="query"),
        pytest.param('{"password": "a b", "x": 1}', '{"password": "***", "x": 1}', id="json"),
    ],
)
def test_redacted(text: str, expected: str):
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("model 1.3 is in use", id="plain"),
        pytest.param("write to somebody@example.com, see http://host:80/a", id="mail"),
        pytest.param("http://host:8000/path@2x.png", id="at in a path"),
        pytest.param("the token is not known", id="talks about tokens"),
        pytest.param("LOOP_REQUIRE_NODE_TOKEN=maybe is not a known value", id="a switch"),
    ],
)
def test_left_alone(text: str):
    assert redacted(text) == text


@pytest.mark.parametrize(
    "piece", ["://", "://a:b/", "token", "authorization: ", "cookie", "a-", "bearer 1", "password='"]
)
def test_long_texts_cost_little(piece: str):
    """Quadratic patterns would meet the time-out."""
    redacted(piece * (2_000_000 // len(piece)) + "@")
