"""Who makes the request, and their password."""

from __future__ import annotations

from typing import Any

from fastapi import Depends
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import ForbiddenError
from ..access.auth import caller_of
from ..access.rights import Caller, Right, Role
from ..loop import Loop
from ..storage import users
from ..wire.ground import Done
from ..wire.people import Me, MemberRole, NewPassword


def endpoints(loop: Loop) -> list[Endpoint]:
    known = [Depends(loop.auth.needs(Right.ASK))]

    async def who_am_i(request: Request) -> Me:
        """Who makes this request, and what they are in which organization."""
        return me_of(caller_of(request))

    async def change_my_password(request: Request, new: NewPassword) -> Done:
        """Change one's own password; all other sessions end. Tokens stay valid until they are revoked."""
        caller = caller_of(request)
        if caller.user_id is None:
            raise ForbiddenError(f"{caller.name} is no user and has no password")
        address = request.client.host if request.client else ""
        checked = await loop.auth.check_password(caller, new.old_password, address)
        password_hash = await loop.auth.passwords.hash(new.new_password)
        async with loop.database.writing() as session:
            user = await loop.auth.unchanged(session, checked)
            user.password_hash = password_hash
            await users.end_sessions_of(session, user.id, but=loop.auth.session_of(request))
        loop.auth.revise()
        return Done()

    def row(method: str, path: str, run: Any, summary: str) -> Endpoint:
        options = {"tags": ["login"], "summary": summary}
        return Endpoint(method=method, path=path, run=run, access=known, options=options)

    return [
        row("GET", "/api/me", who_am_i, "Who makes this request, and what they may"),
        row("PUT", "/api/me/password", change_my_password, "Change one's own password"),
    ]


def me_of(caller: Caller) -> Me:
    is_node = caller.user_id is None and caller.token_id is not None
    return Me.model_validate(
        {
            "name": caller.name,
            "role": "node" if is_node else "admin" if caller.role is Role.ADMIN else "user",
            "organizations": {name: role.value.lower() for name, role in caller.roles.items()},
            "project": caller.project,
            "limit": MemberRole[caller.limit.name] if caller.limit else None,
        }
    )
