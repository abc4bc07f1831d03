"""The tokens that programs carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .tables import ProjectRow, TokenRow, UserRow


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token with whom it acts for: a user, or (then it has no user) an organization or a project of it."""

    row: TokenRow
    user: UserRow | None
    project: ProjectRow | None


async def usable_token(session: AsyncSession, token_hash: str, now: datetime) -> KnownToken | None:
    """None if it was revoked, has expired, or is that of a disabled user or of a deleted project."""
    found = await _found(
        session, TokenRow.token_hash == token_hash, or_(TokenRow.expires.is_(None), TokenRow.expires > now)
    )
    if not found:
        return None
    token = found[0]
    if token.user is not None and token.user.disabled:
        return None
    return None if token.project is not None and token.project.deleted is not None else token


async def token_by_id(session: AsyncSession, token_id: str) -> KnownToken | None:
    found = await _found(session, TokenRow.id == token_id)
    return found[0] if found else None


async def all_tokens(session: AsyncSession) -> Sequence[KnownToken]:
    return await _found(session)


async def tokens_of(session: AsyncSession, user_id: str | None, organizations: Iterable[str]) -> Sequence[KnownToken]:
    """Those in the name of this user, and those of nodes of these organizations."""
    nodes = TokenRow.user_id.is_(None) & TokenRow.organization.in_(list(organizations))
    return await _found(session, or_(TokenRow.user_id == user_id, nodes) if user_id is not None else nodes)


async def keep_uses(session: AsyncSession, uses: Mapping[str, datetime]) -> None:
    """Note when tokens, by their ids, were used last."""
    for token_id, moment in uses.items():
        await session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used=moment))


async def _found(session: AsyncSession, *conditions: object) -> list[KnownToken]:
    query = (
        select(TokenRow, UserRow, ProjectRow)
        .outerjoin(UserRow, UserRow.id == TokenRow.user_id)
        .outerjoin(ProjectRow, ProjectRow.id == TokenRow.project_id)
        .where(*conditions)  # type: ignore[arg-type]  # conditions are what SQLAlchemy makes of comparisons
        .order_by(TokenRow.created, TokenRow.id)
    )
    return [KnownToken(row, user, project) for row, user, project in await session.execute(query)]
