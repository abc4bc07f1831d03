"""Counts what lies in the loop, but not all the time."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import case, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import TrainingState
from ...runtime.clock import Clock, SystemClock
from ...runtime.threads import io_bound
from ..storage.database import Database
from ..storage.tables import DetectorRow, ImageRow, ModelFormatRow, ModelRow, ProjectRow, TrainingRow, UserRow

logger = logging.getLogger(__name__)

REST = 100
"""After a count that took a second, the next one is made 100 seconds later at the earliest."""

DELETED = "deleted"
CONTACTS: Mapping[str, timedelta] = MappingProxyType(
    {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
)
OLDER = "older"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was there at the last count. Images that wait for the end of their grace period have the state `deleted`."""

    images: Mapping[str, int] = field(default_factory=dict)
    image_bytes: int = 0
    models: int = 0
    model_bytes: int = 0
    projects: int = 0
    users: int = 0
    trainings: Mapping[str, int] = field(default_factory=dict)
    detectors: Mapping[str, int] = field(default_factory=dict)
    """By how long ago they were heard last: within the time that names the entry, not within a shorter one."""
    database_bytes: int = 0
    blobs: int = 0
    free_bytes: int = 0


class Census:
    """The figures of a loop, as fresh as counting them costs little: at most a hundredth of the time."""

    def __init__(self, database: Database, folder: Path, blobs_folder: Path, clock: Clock | None = None) -> None:
        self.figures = Figures()
        self.is_complete = True
        """Whether the last count came to its end; else the figures are those of the one before."""
        self._database = database
        self._folder = folder
        self._blobs_folder = blobs_folder
        self._clock = clock or SystemClock()
        self._next_at = self._clock.now()
        self._counting = asyncio.Lock()

    async def refresh(self) -> None:
        """Count again, if it is time. What keeps it from that is logged, and the figures stay as they are."""
        async with self._counting:
            began = self._clock.now()
            if began < self._next_at:
                return
            try:
                await self._count()
            except (SQLAlchemyError, OSError) as error:
                self.is_complete = False
                logger.warning("what lies in the loop cannot be counted: %s", error)
            else:
                self.is_complete = True
            ended = self._clock.now()
            self._next_at = ended + REST * (ended - began)

    async def _count(self) -> None:
        async with self._database.reading() as session:
            counted = await _counted(session)
        blobs = await io_bound(_file_count, self._blobs_folder)
        free_bytes = (await io_bound(shutil.disk_usage, self._folder)).free
        self.figures = Figures(**counted, blobs=blobs, free_bytes=free_bytes)


async def _counted(session: AsyncSession) -> dict[str, Any]:
    is_deleted = ImageRow.deleted.is_not(None)
    images: dict[str, int] = {}
    image_bytes = 0
    query = select(ImageRow.state, is_deleted, func.count(), func.sum(ImageRow.size_bytes))
    for state, deleted, count, size_bytes in await session.execute(query.group_by(ImageRow.state, is_deleted)):
        name = DELETED if deleted else state
        images[name] = images.get(name, 0) + count
        image_bytes += size_bytes
    return {
        "images": images,
        "image_bytes": image_bytes,
        "models": await _count(session, ModelRow),
        "model_bytes": await session.scalar(select(func.coalesce(func.sum(ModelFormatRow.size_bytes), 0))),
        "projects": await session.scalar(
            select(func.count()).select_from(ProjectRow).where(ProjectRow.deleted.is_(None))
        ),
        "users": await _count(session, UserRow),
        "trainings": await _trainings(session),
        "detectors": await _detectors(session, datetime.now(UTC)),
        "database_bytes": await _database_bytes(session),
    }


async def _count(session: AsyncSession, table: type[Any]) -> int:
    return await session.scalar(select(func.count()).select_from(table)) or 0


async def _trainings(session: AsyncSession) -> dict[str, int]:
    """By their states, and all states, so that what is over shows as 0."""
    query = select(TrainingRow.state, func.count()).group_by(TrainingRow.state)
    found = {state: count for state, count in await session.execute(query)}  # noqa: C416
    return {state.value: found.get(state.value, 0) for state in TrainingState}


async def _detectors(session: AsyncSession, now: datetime) -> dict[str, int]:
    contact = case(*((DetectorRow.received > now - age, name) for name, age in CONTACTS.items()), else_=OLDER)
    found = {name: count for name, count in await session.execute(select(contact, func.count()).group_by(contact))}  # noqa: C416
    return dict.fromkeys((*CONTACTS, OLDER), 0) | found


async def _database_bytes(session: AsyncSession) -> int:
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    query = (
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if is_sqlite
        else "SELECT pg_database_size(current_database())"
    )
    return await session.scalar(text(query)) or 0


def _file_count(folder: Path) -> int:
    """Files in the folders of this one, without looking at each."""
    count = 0
    for inner in os.scandir(folder):
        if inner.is_dir():
            with os.scandir(inner) as entries:
                count += sum(1 for _ in entries)
    return count
