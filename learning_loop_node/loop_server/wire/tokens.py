"""Tokens that programs carry."""

from __future__ import annotations

from pydantic import Field

from ..access.secret_texts import TokenKind
from .ground import Asked, ShortText, Wire
from .people import MemberRole

LONGEST_DAYS = 3650


class NewToken(Asked):
    """A token to make.

    One of kind `node` is for an organization or for one project of it. One of kind `user` acts as the user who makes
    it, with `role` at most.
    """

    name: ShortText = Field(min_length=1, description="By which people recognise it.")
    kind: TokenKind
    organization: ShortText | None = Field(default=None, description="Only of a node.")
    project: ShortText | None = Field(default=None, description="Only of a node; without it, all of the organization.")
    role: MemberRole | None = Field(default=None, description="Only of a user; without it, all that the user may.")
    expires_in_days: float | None = Field(default=None, gt=0, le=LONGEST_DAYS, description="Without it, never.")


class TokenRecord(Wire):
    """A token, without what opens; `last_used` is correct to the minute after a restart."""

    id: str
    name: str
    kind: TokenKind
    user: str | None
    organization: str | None
    project: str | None
    role: MemberRole | None
    made_by: str
    created: str
    expires: str | None
    last_used: str | None


class MadeToken(TokenRecord):
    """`token` is what opens: to be sent as `Authorization: Bearer …`. It is not shown again."""

    token: str


class Tokens(Wire):
    tokens: list[TokenRecord]
