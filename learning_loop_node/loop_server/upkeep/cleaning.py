"""Removes what nobody can get back: images and projects after their grace period, contents that nothing uses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..storage import facets, image_changes, projects
from ..storage.blobs import BlobStore
from ..storage.database import Database
from ..storage.references import unreferenced
from ..thumbnails import Thumbnails

logger = logging.getLogger(__name__)

AT_ONCE = 200
"""Images in one portion; whoever else wants to write waits for it."""


class Cleaning:
    """Rows go first, contents after them: a crash in between leaves contents that `remove_orphans` finds."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        thumbnails: Thumbnails,
        *,
        grace_period_days: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._thumbnails = thumbnails
        self._grace = timedelta(days=grace_period_days)
        self._now = now

    async def remove_expired(self) -> int:
        """Remove the images whose grace period is over; returns how many."""
        count = 0
        while True:
            async with self._database.writing() as session:
                hashes = await image_changes.forget_expired(session, self._now() - self._grace, AT_ONCE)
            if not hashes:
                break
            count += len(hashes)
            await self.remove_unused(hashes)
        if count:
            logger.info("%s deleted images are gone for good, since their grace period is over", count)
        return count

    async def remove_expired_projects(self) -> int:
        """Remove the projects whose grace period is over, in portions that hold nobody up; returns how many."""
        count = 0
        while True:
            async with self._database.writing() as session:
                project = await projects.expired_project(session, self._now() - self._grace)
                if project is None:
                    break
                hashes, is_gone = await projects.forget_some(session, project, AT_ONCE)
            count += is_gone
            await self.remove_unused(hashes)
        if count:
            logger.info("%s deleted projects are gone for good, since their grace period is over", count)
        return count

    async def remove_unused(self, hashes: Sequence[str]) -> Sequence[str]:
        """Remove those of these contents that no image and no model uses, with their thumbnails; returns which."""
        async with self._database.reading() as session:
            unused = await unreferenced(session, hashes)
        removed = await self._blobs.remove(unused)
        await self._thumbnails.remove(removed)
        return removed

    async def remove_orphans(self) -> int:
        """Look through all contents for such that nothing uses, and remove them; returns how many."""
        count = 0
        async for hashes in self._blobs.all():
            count += len(await self.remove_unused(hashes))
        if count:
            logger.info("%s contents that nothing used are removed", count)
        return count

    async def remove_unused_facets(self) -> None:
        """Forget tags, sources and the like that no image has any more."""
        last: int | None = 0
        while last is not None:
            async with self._database.writing() as session:
                last = await facets.forget_unused(session, last, AT_ONCE)
