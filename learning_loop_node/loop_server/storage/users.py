"""Who can log in, and who is logged in."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from .tables import SessionRow, UserRow


async def user_named(session: AsyncSession, name: str) -> UserRow | None:
    return await session.scalar(select(UserRow).where(UserRow.name == name))


async def has_users(session: AsyncSession) -> bool:
    return await session.scalar(select(UserRow.id).limit(1)) is not None


def add_user(session: AsyncSession, *, name: str, password_hash: str, role: str, now: datetime) -> None:
    session.add(UserRow(id=str(uuid4()), name=name, password_hash=password_hash, role=role, created=now))


def add_session(session: AsyncSession, *, token_hash: str, user_id: str, now: datetime, expires: datetime) -> None:
    session.add(SessionRow(token_hash=token_hash, user_id=user_id, created=now, expires=expires))


async def user_of_session(session: AsyncSession, token_hash: str, now: datetime) -> UserRow | None:
    """Whose session this is; None if it has ended."""
    mine = SessionRow.user_id == UserRow.id
    query = select(UserRow).join(SessionRow, mine).where(SessionRow.token_hash == token_hash, SessionRow.expires > now)
    return await session.scalar(query)


async def end_session(session: AsyncSession, token_hash: str) -> None:
    await session.execute(delete(SessionRow).where(SessionRow.token_hash == token_hash))


async def end_sessions_of(session: AsyncSession, user_id: str) -> None:
    await session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))


async def forget_expired(session: AsyncSession, now: datetime) -> None:
    await session.execute(delete(SessionRow).where(SessionRow.expires <= now))
