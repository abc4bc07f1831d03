"""Login, and whether the loop is there."""

from __future__ import annotations

from typing import Literal

from .ground import Done, Wire


class LoopStatus(Done):
    version: str


class LoginAnswer(Wire):
    """Who is logged in now; the session itself is in the cookie."""

    username: str
    role: Literal["guest", "node", "user", "admin"]


class Token(Wire):
    """To be sent as `Authorization: Bearer …`; `expires` in Unix seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires: int
