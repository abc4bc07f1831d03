"""Login and logout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from ...api.operation import Endpoint
from ...errors import InvalidRequestError, NotAuthenticatedError
from ..access.auth import COOKIE, SESSION, Login
from ..access.rights import Caller, Role
from ..loop import Loop
from ..wire.ground import Done
from ..wire.login import LoginAnswer, Token


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = LoginOperations(loop)
    return [
        Endpoint(
            method="POST",
            path="/api/login",
            run=operations.log_in,
            options={"tags": ["login"], "summary": "Log in by form; the session is kept in a cookie"},
        ),
        Endpoint(
            method="POST",
            path="/api/token",
            run=operations.make_token,
            options={"tags": ["login"], "summary": "Log in by form; the session comes as bearer token"},
        ),
        Endpoint(
            method="POST",
            path="/api/logout",
            run=operations.log_out,
            options={"tags": ["login"], "summary": "End this session"},
        ),
    ]


class LoginOperations:
    """Answers logins and logouts."""

    def __init__(self, loop: Loop) -> None:
        self._auth = loop.auth
        self._tool_inputs = loop.tool_inputs

    async def log_in(
        self, request: Request, response: Response, username: str = Form(default=""), password: str = Form(default="")
    ) -> LoginAnswer:
        """Log in. Earlier sessions stay valid. With empty name and password one is a guest, as a detector needs it."""
        login = await self._log_in(request, username, password)
        # Never Secure on plain http: nodes would keep such a cookie but not send it.
        response.set_cookie(
            COOKIE,
            login.token,
            max_age=int(SESSION.total_seconds()),
            path="/",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return LoginAnswer(username=login.caller.name, role=_role(login.caller))

    async def make_token(self, request: Request, username: str = Form(), password: str = Form()) -> Token:
        """Log in and get a token, to be sent with each request as `Authorization: Bearer …`."""
        login = await self._log_in(request, username, password)
        if login.expires is None and login.caller.token_id is None:
            raise NotAuthenticatedError("a token needs a user name")
        expires = login.expires or datetime.now(UTC) + SESSION  # such a token stays valid; it is to be asked for anew
        return Token(access_token=login.token, expires=int(expires.timestamp()))

    async def log_out(self, request: Request, response: Response) -> Done:
        """End the session of this request. Other sessions of the same user stay valid."""
        session = self._auth.session_of(request)
        await self._auth.log_out(request)
        if session:
            self._tool_inputs.leave(session)
        response.delete_cookie(COOKIE, path="/")
        return Done()

    async def _log_in(self, request: Request, username: str, password: str) -> Login:
        kind = request.headers.get("content-type", "")
        if kind and not kind.lower().startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
            raise InvalidRequestError(f"username and password must be fields of a form, not {kind}")
        return await self._auth.log_in(username, password, request.client.host if request.client else "")


def _role(caller: Caller) -> Literal["guest", "node", "user", "admin"]:
    if caller.role is Role.ADMIN:
        return "admin"
    if caller.role is Role.GUEST:
        return "guest"
    return "node" if caller.user_id is None else "user"
