"""Tokens: made, listed without what opens, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from fastapi import Depends, Query
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import ForbiddenError, InvalidRequestError, NotFoundError, RefusedError
from ..access.auth import caller_of, refusal
from ..access.rights import Caller, Right, Role
from ..access.secret_texts import TokenKind, hash_of, new_token
from ..loop import Loop
from ..names import check_name
from ..storage import projects, tokens
from ..storage.tables import TokenRow
from ..storage.tokens import KnownToken
from ..wire.ground import Done
from ..wire.people import MemberRole
from ..wire.tokens import MadeToken, NewToken, TokenRecord, Tokens


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = TokenOperations(loop)
    known = [Depends(loop.auth.needs(Right.ASK))]
    return [
        Endpoint(
            method="GET",
            path="/api/tokens",
            run=operations.list,
            access=known,
            options={"tags": ["tokens"], "summary": "One's own tokens, and those of nodes for those who manage them"},
        ),
        Endpoint(
            method="POST",
            path="/api/tokens",
            run=operations.add,
            access=known,
            options={"tags": ["tokens"], "summary": "Make a token"},
        ),
        Endpoint(
            method="DELETE",
            path="/api/tokens/{token_id}",
            run=operations.revoke,
            access=known,
            options={"tags": ["tokens"], "summary": "Revoke a token"},
        ),
    ]


class TokenOperations:
    """Answers requests about tokens.

    Everybody manages the tokens in their own name, owners those of the nodes of their organizations, administrators
    all. With a token that is limited to a role one revokes no other token.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def list(
        self,
        request: Request,
        organization: str | None = Query(default=None, description="Only those of nodes of this organization."),
    ) -> Tokens:
        """The tokens that one manages, oldest first, each with its last use."""
        caller = caller_of(request)
        async with self._loop.database.reading() as session:
            if caller.may(Right.ADMINISTER, None):
                found = await tokens.all_tokens(session)
            else:
                owned = [name for name in caller.roles if caller.may(Right.OWN, name)]
                found = await tokens.tokens_of(session, caller.user_id, owned)
        records = [self._record(token) for token in found]
        return Tokens(tokens=[entry for entry in records if organization in (None, entry.organization)])

    async def add(self, request: Request, new: NewToken) -> MadeToken:
        """Make a token; what opens is in this answer only."""
        caller = caller_of(request)
        now = datetime.now(UTC)
        row = TokenRow(
            id=str(uuid4()),
            name=new.name,
            made_by=caller.name,
            created=now,
            expires=now + timedelta(days=new.expires_in_days) if new.expires_in_days is not None else None,
        )
        if new.kind is TokenKind.NODE:
            await self._for_node(row, caller, new)
        else:
            self._for_user(row, caller, new)
        secret = new_token(new.kind)
        row.token_hash = hash_of(secret)
        async with self._loop.database.writing() as session:
            session.add(row)
            await session.flush()
            made = await tokens.token_by_id(session, row.id)
        assert made is not None
        self._loop.changes.tell("tokens", row.organization or "", None, [row.id])
        return MadeToken(**self._record(made).model_dump(), token=secret)

    async def revoke(self, request: Request, token_id: str) -> Done:
        """Revoke a token: the next request with it is refused."""
        async with self._loop.database.writing() as session:
            token = await tokens.token_by_id(session, token_id)
            if token is None or not _manages(caller_of(request), token.row):
                raise NotFoundError(f"there is no token {token_id}")
            await session.delete(token.row)
        self._loop.auth.revise()
        self._loop.changes.tell("tokens", token.row.organization or "", None, [token_id])
        return Done()

    async def _for_node(self, row: TokenRow, caller: Caller, new: NewToken) -> None:
        if new.organization is None:
            raise InvalidRequestError("organization is missing: a token of a node is for one")
        if new.role is not None:
            raise InvalidRequestError("role is for tokens of users; a node is always the same")
        check_name("organization", new.organization)
        if not caller.may(Right.OWN, new.organization):
            raise refusal(caller, Right.OWN, new.organization)
        row.organization, row.role = new.organization, Role.NODE.name
        if new.project is not None:
            async with self._loop.database.reading() as session:
                row.project_id = (await projects.project_named(session, new.organization, new.project)).id

    def _for_user(self, row: TokenRow, caller: Caller, new: NewToken) -> None:
        if new.organization is not None or new.project is not None:
            raise InvalidRequestError("organization and project are for tokens of nodes")
        if self._loop.settings.open:
            raise RefusedError("nobody has a name here, as the loop is open; only nodes can have tokens")
        if caller.user_id is None or caller.token_id is not None:
            raise ForbiddenError("make it after a login with user name and password, not with another token")
        row.user_id, row.role = caller.user_id, new.role.name if new.role else None

    def _record(self, token: KnownToken) -> TokenRecord:
        row, project = token.row, token.project
        last_used = self._loop.auth.last_use(row.id) or row.last_used
        is_node = row.user_id is None
        return TokenRecord(
            id=row.id,
            name=row.name,
            kind=TokenKind.NODE if is_node else TokenKind.USER,
            user=token.user.name if token.user else None,
            organization=project.organization if project else row.organization,
            project=project.name if project else None,
            role=MemberRole[row.role] if row.role and not is_node else None,
            made_by=row.made_by,
            created=row.created.isoformat(),
            expires=row.expires.isoformat() if row.expires else None,
            last_used=last_used.isoformat() if last_used else None,
        )


def _manages(caller: Caller, token: TokenRow) -> bool:
    if caller.may(Right.ADMINISTER, None):
        return True
    if token.user_id is not None:
        return token.user_id == caller.user_id and (caller.limit is None or caller.token_id == token.id)
    return caller.may(Right.OWN, token.organization)
