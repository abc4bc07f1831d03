"""Who can log in, who is logged in, and what they are in which organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..access.rights import Role
from .tables import MembershipRow, SessionRow, UserRow


async def user_named(session: AsyncSession, name: str) -> UserRow | None:
    return await session.scalar(select(UserRow).where(UserRow.name == name))


async def has_users(session: AsyncSession) -> bool:
    return await session.scalar(select(UserRow.id).limit(1)) is not None


async def users_after(
    session: AsyncSession, after: str, limit: int, organizations: Iterable[str] | None = None
) -> Sequence[UserRow]:
    """Users by name, from after this one on; all, or those who belong to one of the organizations."""
    query = select(UserRow).where(UserRow.name > after).order_by(UserRow.name).limit(limit)
    if organizations is not None:
        members = select(MembershipRow.user_id).where(MembershipRow.organization.in_(list(organizations)))
        query = query.where(UserRow.id.in_(members))
    return (await session.scalars(query)).all()


def add_user(session: AsyncSession, *, name: str, password_hash: str, role: str, now: datetime) -> UserRow:
    user = UserRow(id=str(uuid4()), name=name, password_hash=password_hash, role=role, disabled=False, created=now)
    session.add(user)
    return user


async def has_other_admin(session: AsyncSession, user_id: str) -> bool:
    """Whether somebody else can manage the loop."""
    query = select(UserRow.id).where(UserRow.role == Role.ADMIN.name, UserRow.id != user_id, ~UserRow.disabled)
    return await session.scalar(query.limit(1)) is not None


# --- memberships


async def roles_of(session: AsyncSession, user_ids: Sequence[str]) -> dict[str, dict[str, Role]]:
    """By the user's id, what they are in which organization."""
    roles: dict[str, dict[str, Role]] = {user_id: {} for user_id in user_ids}
    query = select(MembershipRow).where(MembershipRow.user_id.in_(user_ids)).order_by(MembershipRow.organization)
    for row in await session.scalars(query):
        roles[row.user_id][row.organization] = Role[row.role]
    return roles


async def set_roles(session: AsyncSession, user_id: str, changes: Mapping[str, Role | None]) -> None:
    """What a user is in these organizations from now on; None ends a membership."""
    for organization, role in changes.items():
        row = await session.get(MembershipRow, (user_id, organization))
        if role is None:
            if row is not None:
                await session.delete(row)
        elif row is None:
            session.add(MembershipRow(user_id=user_id, organization=organization, role=role.name))
        else:
            row.role = role.name


# --- sessions


def add_session(session: AsyncSession, *, token_hash: str, user_id: str, now: datetime, expires: datetime) -> None:
    session.add(SessionRow(token_hash=token_hash, user_id=user_id, created=now, expires=expires))


async def user_of_session(session: AsyncSession, token_hash: str, now: datetime) -> UserRow | None:
    """Whose session this is; None if it has ended, or the user is disabled."""
    mine = SessionRow.user_id == UserRow.id
    query = select(UserRow).join(SessionRow, mine).where(SessionRow.token_hash == token_hash, SessionRow.expires > now)
    return await session.scalar(query.where(~UserRow.disabled))


async def end_session(session: AsyncSession, token_hash: str) -> None:
    await session.execute(delete(SessionRow).where(SessionRow.token_hash == token_hash))


async def end_sessions_of(session: AsyncSession, user_id: str, but: str = "") -> None:
    """End all sessions of a user but the one with this hash."""
    await session.execute(delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.token_hash != but))


async def count_sessions_of(session: AsyncSession, user_id: str) -> int:
    return await session.scalar(select(func.count()).where(SessionRow.user_id == user_id)) or 0


async def forget_expired(session: AsyncSession, now: datetime) -> None:
    await session.execute(delete(SessionRow).where(SessionRow.expires <= now))
