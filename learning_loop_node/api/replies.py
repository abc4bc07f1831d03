"""Results and errors become replies here, and nowhere else: the only table of statuses."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..data_classes import SocketResponse, codec
from ..errors import (
    BadModeError,
    ConversionRefusedError,
    DeadlineError,
    DetectionFailedError,
    ForbiddenError,
    InsufficientMemoryError,
    InvalidRequestError,
    LoopError,
    ModelRefusedError,
    NodeError,
    NotAuthenticatedError,
    NotFoundError,
    OutdatedError,
    RateLimitedError,
    RefusedError,
    StorageFullError,
    TooLargeError,
    ToolFailedError,
    ToolTimedOutError,
    UnavailableError,
)
from .field_texts import field_text

logger = logging.getLogger(__name__)

STATUS: dict[type[NodeError], HTTPStatus] = {
    BadModeError: HTTPStatus.BAD_REQUEST,  # model_version, debug_logging, socketio: as 0.27
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotAuthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    RefusedError: HTTPStatus.CONFLICT,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    DeadlineError: HTTPStatus.GATEWAY_TIMEOUT,
    StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    InsufficientMemoryError: HTTPStatus.INSUFFICIENT_STORAGE,
    DetectionFailedError: HTTPStatus.INTERNAL_SERVER_ERROR,
    ToolFailedError: HTTPStatus.BAD_GATEWAY,
    ToolTimedOutError: HTTPStatus.GATEWAY_TIMEOUT,
    ModelRefusedError: HTTPStatus.CONFLICT,
    ConversionRefusedError: HTTPStatus.CONFLICT,
    LoopError: HTTPStatus.BAD_GATEWAY,
    NodeError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

INTERNAL = "internal_error"
LONGEST_TEXT = 900
"""Characters of what an error says."""


def status_of(error: BaseException) -> HTTPStatus:
    """The HTTP status of an error, looked up along its base classes."""
    for cls in type(error).__mro__:
        if cls in STATUS:
            return STATUS[cls]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def json_reply(result: Any, status: int = 200) -> Response:
    """A result as JSON."""
    return Response(codec.to_json(result), status, media_type="application/json")


def text_reply(result: Any) -> Response:
    """A result as plain text."""
    return Response(str(result), media_type="text/plain; charset=utf-8")


def metrics_reply(exposition: tuple[bytes, str]) -> Response:
    """Metrics as text of this content type."""
    content, content_type = exposition
    return Response(content, headers={"Content-Type": content_type})


def error_reply(error: Exception) -> Response:
    """An error as HTTP response: `{"detail": text, "code": name}`, with `conflicts` if something is outdated."""
    text, code = _describe(error)
    status = error.status_code if isinstance(error, HTTPException) else _status_with_validation(error)
    conflicts = {"conflicts": error.conflicts} if isinstance(error, OutdatedError) and error.conflicts else {}
    response = json_reply({"detail": text, "code": code} | conflicts, status)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, NotAuthenticatedError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def error_event(error: Exception) -> dict[str, Any]:
    """An error as the acknowledgement that clients of a detector get."""
    text, code = _describe(error)
    return {"error": text, "code": code}


def acknowledgement(result: Any) -> dict[str, Any] | None:
    """A result as the acknowledgement that the loop gets from a node, or a node from the loop.

    A boolean says whether it succeeded, None stays as it is, everything else comes with a success.
    """
    match result:
        case None:
            return None
        case bool():
            response = SocketResponse.from_bool(result)
        case SocketResponse():
            response = result
        case _:
            response = SocketResponse.for_success(result)
    return codec.to_dict(response)


def error_acknowledgement(error: Exception) -> dict[str, Any]:
    """An error as such an acknowledgement; an error may say what comes with it in an attribute `payload`."""
    text, code = _describe(error)
    return {"success": False, "error_msg": text, "payload": getattr(error, "payload", None), "code": code}


def outcome_of(error: BaseException) -> str:
    """The code of an error as its reply names it, for counting."""
    match error:
        case NodeError():
            return error.code
        case RequestValidationError():
            return "invalid_request"
        case HTTPException():
            return _name_of_status(error.status_code)
        case _:
            return INTERNAL


def _status_with_validation(error: Exception) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(error, RequestValidationError) else status_of(error)


def _describe(error: Exception) -> tuple[str, str]:
    """What to say about an error, and its name. Of what is not ours, nothing leaves the process but the log.

    What a text repeats of the request may be endless; its beginning and its end, where the remedy is, remain.
    """
    text = _text_of(error)
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT // 2]}…{text[-LONGEST_TEXT // 2 :]}"
    return text, outcome_of(error)


def _text_of(error: Exception) -> str:
    match error:
        case NodeError():
            return str(error)
        case RequestValidationError():
            return "; ".join(_field_text(entry) for entry in error.errors())
        case HTTPException():
            return str(error.detail)
        case _:
            logger.error("unexpected error", exc_info=error)
            return "internal error; the log of the process says more"


def _name_of_status(status: int) -> str:
    known = status in set(HTTPStatus)
    return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("'", "") if known else f"status_{status}"


def _field_text(entry: dict[str, Any]) -> str:
    if entry["loc"] == ("body",) and entry["type"] not in ("missing", "value_error"):
        return "the body must be a JSON object, sent with the header Content-Type: application/json"
    return field_text(entry)
