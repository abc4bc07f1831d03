"""What went wrong on the other side, or on the way there, as our own errors."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from .. import errors
from ..errors import (
    LoopError,
    LoopRefusedError,
    LoopUnreachableError,
    NodeError,
    OutdatedError,
    TransferBrokenError,
    UnavailableError,
)

FOREIGN = (aiohttp.ClientError, OSError, TimeoutError)
"""What aiohttp and the system raise when a request fails."""

LONGEST_TEXT = 500
"""Characters of a foreign error page that go into a message."""


def error_of_exception(error: BaseException, where: str) -> LoopError:
    """Ours for one of `FOREIGN`; `where` says which address was asked and which setting changes it."""
    match error:
        case ssl.SSLCertVerificationError() | aiohttp.ClientConnectorCertificateError():
            return LoopUnreachableError(
                f"the certificate of {where} is not accepted ({cause_of(error)}); "
                "LOOP_SSL_CERT_PATH names the file of another authority"
            )
        case aiohttp.ClientPayloadError() | aiohttp.UploadAbortedError() | aiohttp.ClientConnectionResetError():
            return TransferBrokenError(f"the transfer with {where} broke off: {_text_of(error)}")
        case TimeoutError():
            return LoopUnreachableError(f"no answer in time from {where}")
        case aiohttp.InvalidURL():
            return LoopUnreachableError(f"{where} is not an address that can be asked")
        case _:
            return LoopUnreachableError(f"no connection to {where}: {cause_of(error)}")


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> NodeError:
    """An answer with an error status as an error.

    Our own servers name the error in `code`, and the same class is raised again, caused by a `LoopRefusedError` with
    the status. Every other server's answer becomes a `LoopRefusedError` with its text.
    """
    text, code = _read_body(body)
    text = text or f"status {status} {_phrase(status)}".strip()
    pause_s = retry_after_s(headers)
    refusal = LoopRefusedError(text, status=status, retry_after_s=pause_s)
    error = error_of_code(code, text, status=status, pause_s=pause_s)
    if error is None:
        return refusal
    error.__cause__ = refusal
    if isinstance(error, OutdatedError):
        error.conflicts = _conflicts_in(body)
    return error


def error_of_code(code: Any, text: str, *, status: int = 0, pause_s: float | None = None) -> NodeError | None:
    """The error that the other side names, None if it names none of ours."""
    cls = dict(_codes()).get(code) if isinstance(code, str) else None
    if cls is None:
        return None
    if issubclass(cls, LoopRefusedError):
        return cls(text, status=status, retry_after_s=pause_s)
    if issubclass(cls, UnavailableError):
        return cls(text) if pause_s is None else cls(text, retry_after_s=pause_s)
    return cls(text)


def status_of_refusal(error: BaseException | None) -> int | None:
    """The HTTP status behind an error, None if there was no answer."""
    while error is not None:
        if isinstance(error, LoopRefusedError) and error.status:
            return error.status
        error = error.__cause__
    return None


def retry_hint_of(error: BaseException | None) -> float | None:
    """Seconds that the other side asked us to wait, None if it did not."""
    while error is not None:
        if isinstance(error, LoopRefusedError) and error.retry_after_s is not None:
            return error.retry_after_s
        error = error.__cause__
    return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the other side asks us to wait, given as seconds or as a date; None if it asks for nothing."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    then, now = _date(text), _date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds()) if then else None


def _codes(base: type[NodeError] = NodeError) -> Iterator[tuple[str, type[NodeError]]]:
    """Every error of `errors.py` by its name on the wire; those that other files derive are not for the wire."""
    for cls in base.__subclasses__():
        if cls.__module__ == errors.__name__:
            yield errors.code_of(cls), cls
            yield from _codes(cls)


def _read_body(body: bytes) -> tuple[str, Any]:
    """The text of an error answer and its code, whatever the server wrote."""
    text = body.decode(errors="replace").strip()
    try:
        data = json.loads(text)
    except ValueError:
        return _shortened(text), None
    if not isinstance(data, dict):
        return _shortened(data if isinstance(data, str) else text), None
    detail = data.get("detail", data.get("error", data.get("message", text)))
    return _shortened(detail if isinstance(detail, str) else json.dumps(detail)), data.get("code")


def _conflicts_in(body: bytes) -> list[dict[str, Any]]:
    """What is outdated, as our own loop lists it; `_read_body` has found the body to be an object."""
    conflicts = json.loads(body).get("conflicts")
    return [entry for entry in conflicts if isinstance(entry, dict)] if isinstance(conflicts, list) else []


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def cause_of(error: BaseException) -> str:
    """Why there is no connection, without the address, which aiohttp repeats."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return str(error.certificate_error)
        case aiohttp.ClientConnectorDNSError():
            return f"the name is not known ({error.strerror})"
        case aiohttp.ClientSSLError():
            return _text_of(error)
        case OSError() if error.errno is not None and error.errno > 0:
            return os.strerror(error.errno).lower()
        case aiohttp.ClientConnectorError():
            return str(error.os_error) if error.os_error.args else "the connection was closed"
        case _:
            return _text_of(error)


def _text_of(error: BaseException) -> str:
    return str(error) or type(error).__name__
