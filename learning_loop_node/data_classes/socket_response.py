"""How a node acknowledges an event of the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True, slots=True)
class SocketResponse:
    """Success or failure, and what comes with it."""

    success: bool
    error_msg: str | None = None
    payload: Any | None = None

    @staticmethod
    def for_failure(error_msg: str) -> SocketResponse:
        return SocketResponse(success=False, error_msg=error_msg)

    @staticmethod
    def for_success(payload: Any = "") -> SocketResponse:
        return SocketResponse(success=True, payload=payload)

    @staticmethod
    def from_bool(success: bool) -> SocketResponse:
        return SocketResponse(success=success)
