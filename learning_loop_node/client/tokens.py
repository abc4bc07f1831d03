"""The tokens that programs carry in place of a login. Only our own loop has these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from .http import LoopHttp
from .place import entries_of, part_of_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token, without what opens.

    `kind` is `node`, for an organization or one project of it, or `user`, with the rights of that user, or of `role` if
    these are fewer.
    """

    id: str
    name: str
    kind: str
    made_by: str
    created: str
    user: str | None = None
    organization: str | None = None
    project: str | None = None
    role: str | None = None
    expires: str | None = None
    last_used: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeToken(Token):
    """A new token; `token` is what opens (`LOOP_TOKEN`), and is not told again."""

    token: str = field(repr=False)


class Tokens:
    """The tokens that we may manage: our own ones, and those of the nodes of organizations that we own."""

    def __init__(self, http: LoopHttp) -> None:
        self._http = http

    async def list(self, organization: str | None = None) -> Sequence[Token]:
        """All of them, or those of the nodes of an organization; oldest first."""
        parameters = {"organization": organization} if organization else {}
        answer = await self._http.json("GET", "/tokens", params=parameters)
        return [from_dict(Token, entry) for entry in entries_of(answer, "tokens")]

    async def add_node(
        self, name: str, organization: str, project: str | None = None, *, expires_in_days: float | None = None
    ) -> MadeToken:
        """A token for a node of this project, or of all projects of the organization."""
        return await self._add(
            name=name, kind="node", organization=organization, project=project, expires_in_days=expires_in_days
        )

    async def add_user(self, name: str, *, role: str | None = None, expires_in_days: float | None = None) -> MadeToken:
        """A token in our own name, with the rights of this role at most. We must have logged in by a password."""
        return await self._add(name=name, kind="user", role=role, expires_in_days=expires_in_days)

    async def revoke(self, token_id: str) -> None:
        """The next request with this token is refused."""
        await self._http.json("DELETE", f"/tokens/{part_of_path(token_id)}")

    async def _add(self, **given: Any) -> MadeToken:
        body = {key: value for key, value in given.items() if value is not None}
        return from_dict(MadeToken, await self._http.json("POST", "/tokens", json=body))
