"""Pages in browsers: those of the same host come in, others only when they are listed; programs are never asked."""

from __future__ import annotations

from typing import Any

import pytest

from learning_loop_node.api.access import Origins
from learning_loop_node.errors import ForbiddenError

PAGES = "http://ui.example:8080, https://Other.example/"


@pytest.mark.parametrize(
    ("listed", "origin", "host", "is_allowed"),
    [
        pytest.param("", None, "robot:8004", True, id="a program"),
        pytest.param("", "http://robot:8004", "robot:8004", True, id="the same page"),
        pytest.param("", "http://robot:8080", "robot:8004", True, id="another port"),
        pytest.param("", "https://ROBOT", "robot:8004", True, id="another spelling"),
        pytest.param("", "http://robot.company.example", "robot.company.example:8004", True, id="a long name"),
        pytest.param("", "http://192.168.0.7", "192.168.0.7:8004", True, id="an address"),
        pytest.param("", "http://[fe80::1]:80", "[fe80::1]:8004", True, id="an address of version 6"),
        pytest.param("", "http://elsewhere.example", "robot:8004", False, id="elsewhere"),
        pytest.param("", "http://robot.elsewhere.example", "robot:8004", False, id="beginning like us"),
        pytest.param("", "http://elsewhere-robot", "robot", False, id="ending like us"),
        pytest.param("", "null", "robot:8004", False, id="nowhere"),
        pytest.param("", "", "robot:8004", False, id="empty"),
        pytest.param("", "http://[", "robot:8004", False, id="broken"),
        pytest.param("", "http://elsewhere.example", "", False, id="no host"),
        pytest.param("*", "null", "robot:8004", True, id="everybody"),
        pytest.param(PAGES, "http://ui.example:8080", "robot:8004", True, id="listed"),
        pytest.param(PAGES, "https://other.example", "robot:8004", True, id="listed in another spelling"),
        pytest.param(PAGES, "http://ui.example:8081", "robot:8004", False, id="listed with another port"),
        pytest.param(PAGES, "http://lure.example:8004", "lure.example:8004", False, id="a name that leads here"),
        pytest.param(PAGES, "http://10.0.0.7:80", "10.0.0.7:8004", True, id="an address beside a list"),
        pytest.param(PAGES, "http://localhost:80", "localhost:8004", True, id="localhost beside a list"),
    ],
)
def test_who_may_come(listed: str, origin: str | None, host: str, is_allowed: bool):
    origins = Origins(listed)
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
    assert admits(origins, {"method": "POST", "headers": headers}) is is_allowed
    assert admits(origins, {"method": "GET", "headers": headers})
    if origin != "":  # engine.io takes an empty header for none
        assert origins.allows_events(origin, {"HTTP_HOST": host}) is is_allowed  # type: ignore[arg-type]


def test_a_proxy_says_how_it_is_called():
    headers = [
        (b"host", b"127.0.0.1:5004"),
        (b"x-forwarded-host", b"robot.example"),
        (b"origin", b"http://robot.example"),
    ]
    assert admits(Origins(), {"method": "PUT", "headers": headers})


def admits(origins: Origins, scope: dict[str, Any]) -> bool:
    try:
        origins.check(scope)
    except ForbiddenError as error:
        return "NODE_ALLOWED_ORIGINS" not in str(error)
    return True
