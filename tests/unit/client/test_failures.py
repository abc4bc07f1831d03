from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from learning_loop_node.api.replies import error_reply
from learning_loop_node.client.failures import (
    FOREIGN,
    error_of_answer,
    error_of_exception,
    retry_after_s,
    status_of_refusal,
)
from learning_loop_node.data_classes.codec import to_json
from learning_loop_node.errors import (
    LoginRefusedError,
    LoopError,
    LoopRefusedError,
    LoopUnreachableError,
    NodeError,
    OutdatedError,
    TransferBrokenError,
    UnavailableError,
)


def subclasses_of(base: type[Any]) -> Iterator[type[Any]]:
    for cls in base.__subclasses__():
        yield cls
        yield from subclasses_of(cls)


KEY = ConnectionKey("loop", 443, True, True, None, None, None)
INFO = aiohttp.RequestInfo(URL("https://loop/api"), "GET", {}, URL("https://loop/api"))  # type: ignore[arg-type]
OPERATING_SYSTEM = OSError(111, "refused")
CERTIFICATE = ssl.SSLCertVerificationError(1, "self-signed")

EXCEPTIONS: dict[type[BaseException], tuple[BaseException, type[LoopError]]] = {
    aiohttp.ClientResponseError: (aiohttp.ClientResponseError(INFO, (), status=400), LoopUnreachableError),
    aiohttp.ContentTypeError: (aiohttp.ContentTypeError(INFO, ()), LoopUnreachableError),
    aiohttp.WSServerHandshakeError: (aiohttp.WSServerHandshakeError(INFO, ()), LoopUnreachableError),
    aiohttp.ClientHttpProxyError: (aiohttp.ClientHttpProxyError(INFO, ()), LoopUnreachableError),
    aiohttp.TooManyRedirects: (aiohttp.TooManyRedirects(INFO, ()), LoopUnreachableError),
    aiohttp.ClientConnectionError: (aiohttp.ClientConnectionError(), LoopUnreachableError),
    aiohttp.ClientConnectionResetError: (aiohttp.ClientConnectionResetError(), TransferBrokenError),
    aiohttp.ClientOSError: (aiohttp.ClientOSError(104, "reset"), LoopUnreachableError),
    aiohttp.ClientConnectorError: (aiohttp.ClientConnectorError(KEY, OPERATING_SYSTEM), LoopUnreachableError),
    aiohttp.ClientConnectorDNSError: (aiohttp.ClientConnectorDNSError(KEY, OPERATING_SYSTEM), LoopUnreachableError),
    aiohttp.ClientProxyConnectionError: (
        aiohttp.ClientProxyConnectionError(KEY, OPERATING_SYSTEM),
        LoopUnreachableError,
    ),
    aiohttp.client_exceptions.UnixClientConnectorError: (
        aiohttp.client_exceptions.UnixClientConnectorError("/socket", KEY, OPERATING_SYSTEM),
        LoopUnreachableError,
    ),
    aiohttp.ClientSSLError: (aiohttp.ClientSSLError(KEY, OPERATING_SYSTEM), LoopUnreachableError),
    aiohttp.ClientConnectorSSLError: (aiohttp.ClientConnectorSSLError(KEY, OPERATING_SYSTEM), LoopUnreachableError),
    aiohttp.ClientConnectorCertificateError: (
        aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE),
        LoopUnreachableError,
    ),
    aiohttp.ServerConnectionError: (aiohttp.ServerConnectionError(), LoopUnreachableError),
    aiohttp.ServerDisconnectedError: (aiohttp.ServerDisconnectedError(), LoopUnreachableError),
    aiohttp.ServerTimeoutError: (aiohttp.ServerTimeoutError(), LoopUnreachableError),
    aiohttp.ConnectionTimeoutError: (aiohttp.ConnectionTimeoutError(), LoopUnreachableError),
    aiohttp.SocketTimeoutError: (aiohttp.SocketTimeoutError(), LoopUnreachableError),
    aiohttp.ServerFingerprintMismatch: (
        aiohttp.ServerFingerprintMismatch(b"a", b"b", "loop", 443),
        LoopUnreachableError,
    ),
    aiohttp.ClientPayloadError: (aiohttp.ClientPayloadError(), TransferBrokenError),
    aiohttp.client_exceptions.UploadAbortedError: (
        aiohttp.client_exceptions.UploadAbortedError(),
        TransferBrokenError,
    ),
    aiohttp.InvalidURL: (aiohttp.InvalidURL("x"), LoopUnreachableError),
    aiohttp.InvalidUrlClientError: (aiohttp.InvalidUrlClientError("x"), LoopUnreachableError),
    aiohttp.RedirectClientError: (aiohttp.RedirectClientError(), LoopUnreachableError),
    aiohttp.NonHttpUrlClientError: (aiohttp.NonHttpUrlClientError("x"), LoopUnreachableError),
    aiohttp.InvalidUrlRedirectClientError: (aiohttp.InvalidUrlRedirectClientError("x"), LoopUnreachableError),
    aiohttp.NonHttpUrlRedirectClientError: (aiohttp.NonHttpUrlRedirectClientError("x"), LoopUnreachableError),
    OSError: (OPERATING_SYSTEM, LoopUnreachableError),
    TimeoutError: (TimeoutError(), LoopUnreachableError),
    ssl.SSLCertVerificationError: (CERTIFICATE, LoopUnreachableError),
}


def test_every_exception_of_aiohttp_is_known() -> None:
    theirs = {cls for cls in subclasses_of(aiohttp.ClientError) if cls.__module__.startswith("aiohttp")}
    assert theirs <= set(EXCEPTIONS)


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_foreign_exceptions_become_ours(kind: type[BaseException]) -> None:
    exception, ours = EXCEPTIONS[kind]
    assert isinstance(exception, FOREIGN)
    error = error_of_exception(exception, "http://loop")
    assert type(error) is ours
    assert "http://loop" in str(error)


@pytest.mark.parametrize(
    ("exception", "text"),
    [
        pytest.param(
            aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "Connect call failed ('::1', 80)")),
            "no connection to the loop: connection refused",
            id="refused",
        ),
        pytest.param(
            aiohttp.ClientConnectorError(KEY, ConnectionResetError()),
            "no connection to the loop: the connection was closed",
            id="closed without a reason",
        ),
        pytest.param(
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name or service not known")),
            "no connection to the loop: the name is not known (Name or service not known)",
            id="no such name",
        ),
        pytest.param(
            aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE),
            "the certificate of the loop is not accepted (self-signed); "
            "LOOP_SSL_CERT_PATH names the file of another authority",
            id="certificate",
        ),
        pytest.param(
            aiohttp.ServerDisconnectedError(), "no connection to the loop: Server disconnected", id="disconnected"
        ),
    ],
)
def test_why_there_is_no_connection(exception: BaseException, text: str) -> None:
    assert str(error_of_exception(exception, "the loop")) == text


@pytest.mark.parametrize("kind", list(subclasses_of(NodeError)), ids=lambda kind: kind.__name__)
def test_every_error_survives_the_way_through_a_reply(kind: type[NodeError]) -> None:
    if not kind.__module__.startswith("learning_loop_node.errors"):
        return
    reply = error_reply(kind("what is wrong"))
    error = error_of_answer(reply.status_code, dict(reply.headers), bytes(reply.body))
    assert type(error) is kind
    assert str(error) == "what is wrong"
    assert status_of_refusal(error) == reply.status_code


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"", "status 500 Internal Server Error", id="nothing"),
        pytest.param(b"Internal Server Error", "Internal Server Error", id="text"),
        pytest.param(b'{"detail": "no"}', "no", id="FastAPI"),
        pytest.param(b'{"detail": [{"loc": ["body"]}]}', '[{"loc": ["body"]}]', id="FastAPI validation"),
        pytest.param(b'{"error": "no"}', "no", id="error"),
        pytest.param(b'{"detail": "no", "code": "of_the_future"}', "no", id="unknown code"),
        pytest.param(b'{"detail": "no", "code": {}}', "no", id="code that is no text"),
        pytest.param(b'"no"', "no", id="JSON text"),
        pytest.param(b"[1]", "[1]", id="JSON list"),
        pytest.param(b"\xff\xfe", "\ufffd\ufffd", id="no text at all"),
        pytest.param(b"x" * 1000, "x" * 500 + " …", id="long"),
    ],
)
def test_answers_of_other_loops(body: bytes, text: str) -> None:
    error = error_of_answer(500, {}, body)
    assert type(error) is LoopRefusedError
    assert (str(error), error.status) == (text, 500)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="not given"),
        pytest.param({"Retry-After": "120"}, 120, id="seconds"),
        pytest.param({"Retry-After": "soon"}, None, id="neither"),
        pytest.param({"Retry-After": "-1"}, None, id="negative"),
        pytest.param(
            {"Retry-After": "Fri, 20 Nov 2026 18:01:00 GMT", "Date": "Fri, 20 Nov 2026 18:00:00 GMT"}, 60, id="date"
        ),
        pytest.param(
            {"Retry-After": "Fri, 20 Nov 2026 18:00:00 GMT", "Date": "Fri, 20 Nov 2026 18:01:00 GMT"}, 0, id="past"
        ),
        pytest.param({"Retry-After": "Fri, 20 Nov 2020 18:00:00 GMT"}, 0, id="past by our own clock"),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_the_pause_is_part_of_the_error() -> None:
    headers = {"Retry-After": "7"}
    foreign = error_of_answer(429, headers, b"slow down")
    ours = error_of_answer(503, headers, b'{"detail": "later", "code": "busy"}')
    login = error_of_answer(429, headers, b'{"detail": "later", "code": "login_refused"}')
    assert isinstance(foreign, LoopRefusedError)
    assert foreign.retry_after_s == 7
    assert isinstance(ours, UnavailableError)
    assert ours.retry_after_s == 7
    assert isinstance(login, LoginRefusedError)
    assert login.retry_after_s == 7


def test_no_answer_has_no_status() -> None:
    assert status_of_refusal(LoopUnreachableError()) is None
    assert status_of_refusal(None) is None


def test_conflicts_arrive_as_they_were_raised():
    conflicts = [{"kind": "image", "id": f"i{number}", "version": 1, "present": 2} for number in range(1000)]
    reply = error_reply(OutdatedError("changed meanwhile", conflicts=conflicts))
    error = error_of_answer(reply.status_code, reply.headers, bytes(reply.body))
    assert isinstance(error, OutdatedError)
    assert (str(error), error.conflicts) == ("changed meanwhile", conflicts)


@pytest.mark.parametrize("conflicts", ["no list", [1, "a"], None], ids=str)
def test_conflicts_that_are_none(conflicts):
    body = to_json({"detail": "changed", "code": "outdated", "conflicts": conflicts})
    error = error_of_answer(409, {}, body)
    assert isinstance(error, OutdatedError)
    assert error.conflicts == []
