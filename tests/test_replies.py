"""Every error has a status of its own or of its base, and one shape on each transport."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from learning_loop_node import errors
from learning_loop_node.api.replies import (
    STATUS,
    error_acknowledgement,
    error_event,
    error_reply,
    json_reply,
    status_of,
    text_reply,
)
from learning_loop_node.errors import NodeError, UnavailableError
from tests.builders import make_metadata

STATUSES = {
    "InvalidRequestError": 422,
    "InvalidImageError": 422,
    "InvalidDataError": 422,
    "BadModeError": 400,
    "ArchiveRefusedError": 422,
    "SettingError": 422,
    "TooLargeError": 413,
    "NotAuthenticatedError": 401,
    "ForbiddenError": 403,
    "NotFoundError": 404,
    "RefusedError": 409,
    "UnavailableError": 503,
    "BusyError": 503,
    "NoModelError": 503,
    "RateLimitedError": 429,
    "DeadlineError": 504,
    "StorageFullError": 507,
    "DetectionFailedError": 500,
    "ToolFailedError": 502,
    "ToolTimedOutError": 504,
    "ModelRefusedError": 409,
    "LoopError": 502,
    "LoopUnreachableError": 502,
    "LoopRefusedError": 502,
    "LoginRefusedError": 502,
    "TransferBrokenError": 502,
}
ALL_ERRORS = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, NodeError)]


@pytest.mark.parametrize("cls", ALL_ERRORS, ids=lambda cls: cls.__name__)
def test_every_error_has_a_row_of_its_own_or_of_a_base(cls):
    assert set(cls.__mro__) & set(STATUS)
    assert status_of(cls()) == STATUSES.get(cls.__name__, status_of(cls()))


@pytest.mark.parametrize("cls", ALL_ERRORS, ids=lambda cls: cls.__name__)
def test_the_same_text_and_code_on_every_transport(cls):
    error = cls("the field x is missing")
    body = body_of(error)
    event, acknowledgement = error_event(error), error_acknowledgement(error)
    assert body["detail"] == event["error"] == acknowledgement["error_msg"] == "the field x is missing"
    assert body["code"] == event["code"] == acknowledgement["code"] == error.code
    assert set(body) == {"detail", "code"}
    assert acknowledgement["success"] is False
    assert acknowledgement["payload"] == ("refused" if isinstance(error, errors.TrainingRefusedError) else None)


@pytest.mark.parametrize(("wait_s", "header"), [(0.2, "1"), (1, "1"), (2.1, "3")])
def test_what_may_work_later_says_when(wait_s, header):
    assert error_reply(UnavailableError(retry_after_s=wait_s)).headers["Retry-After"] == header


def test_missing_login_asks_for_one():
    assert error_reply(errors.NotAuthenticatedError()).headers["WWW-Authenticate"] == "Bearer"


def test_of_the_unexpected_only_the_log_knows(caplog):
    error = KeyError("secret detail")
    assert error_reply(error).status_code == 500
    for text in (str(body_of(error)), str(error_event(error)), str(error_acknowledgement(error))):
        assert "internal error" in text
        assert "secret" not in text
    assert "secret detail" in caplog.text


def test_errors_of_the_framework_have_the_same_shape():
    missing = HTTPException(405, headers={"Allow": "GET"})
    assert body_of(missing) == {"detail": "Method Not Allowed", "code": "method_not_allowed"}
    assert error_reply(missing).status_code == 405
    assert error_reply(missing).headers["Allow"] == "GET"
    invalid = RequestValidationError([{"loc": ("query", "limit"), "msg": "Field required", "type": "missing"}])
    assert error_reply(invalid).status_code == 422
    assert body_of(invalid) == {"detail": "query.limit is missing", "code": "invalid_request"}
    text = RequestValidationError([{"loc": ("body",), "msg": "Input should be", "type": "model_attributes_type"}])
    assert "Content-Type: application/json" in body_of(text)["detail"]
    odd = HTTPException(499, detail="gone")
    assert body_of(odd) == {"detail": "gone", "code": "status_499"}


def test_results():
    assert json_reply("OK").body == b'"OK"'
    assert json.loads(bytes(json_reply(make_metadata()).body))["box_detections"][0]["category_name"] == "face"
    assert json_reply([], 201).status_code == 201
    assert text_reply("idle").body == b"idle"
    assert text_reply("idle").headers["content-type"] == "text/plain; charset=utf-8"


def body_of(error: Exception) -> dict[str, Any]:
    response = error_reply(error)
    assert response.headers["content-type"] == "application/json"
    return json.loads(bytes(response.body))  # type: ignore[no-any-return]
