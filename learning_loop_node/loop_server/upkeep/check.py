"""Compares what a loop says it has with what is in its folder, and repairs what can be repaired.

Looking is safe while the loop runs. Repairing needs the folder for itself, so that nobody writes a content at the same
moment as it is taken for an orphan; a running loop removes orphans by its own service.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import SettingError
from ...runtime.files import make_folder, sync_folder
from ...runtime.threads import io_bound
from ...settings import LoopServerSettings
from ..storage import facets
from ..storage.blobs import FRESH_S, disk_errors, is_hash
from ..storage.database import Database, sqlite_file, sqlite_url
from ..storage.recount import broken_rules, recount, wrong_counts
from ..storage.tables import ImageRow, ModelFormatRow, ModelRow
from .backup import BLOBS, hash_of, place_of
from .folder_lock import alone_in

DAMAGED = "damaged"
THUMBNAILS = "thumbnails"
LEFT_OVERS = ("incoming", "blobs/unfinished", "blobs/leaving")

Progress = Callable[[int, int], None]
"""Is told how many contents of how many are done."""


class Subject(StrEnum):
    """What is wrong."""

    DATABASE = "database"
    COUNTS = "counts"
    MISSING = "missing content"
    DAMAGED = "damaged content"
    ORPHAN = "orphaned content"
    THUMBNAIL = "orphaned thumbnail"
    LEFT_OVER = "left-over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong. `remedy` is what has been done about it or, if it is not `repaired`, what can be."""

    subject: Subject
    what: str
    remedy: str
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was looked at, and what was found."""

    contents: int
    is_running: bool
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look through a data folder.

    `quick` trusts the lengths of files instead of reading them all. With `backup`, contents that are missing or damaged
    are brought back from there.
    """

    settings: LoopServerSettings
    repair: bool = False
    quick: bool = False
    backup: Path | None = None
    on_progress: Progress | None = None

    async def run(self) -> CheckReport:
        """`SettingError` if the folder is not a loop's, or if it is to be repaired while the loop runs."""
        url = self.settings.database_url or sqlite_url(self.folder)
        file = sqlite_file(url)
        if not self.folder.is_dir() or (file is not None and not file.is_file()):
            raise SettingError(f"LOOP_DATA_FOLDER={self.folder} (--data) holds no loop")
        async with AsyncExitStack() as stack:
            is_alone = stack.enter_context(_alone_if_possible(self.folder))
            if self.repair and not is_alone:
                raise SettingError(f"the loop in {self.folder} is running; stop it to repair, or look without --repair")
            database = Database(url)
            stack.push_async_callback(database.aclose)
            await database.open(as_it_is=True)
            with disk_errors():
                return await self._look(database, is_alone)

    @property
    def folder(self) -> Path:
        return self.settings.data_folder.absolute()

    async def _look(self, database: Database, is_alone: bool) -> CheckReport:
        findings: list[Finding] = []
        async with database.reading() as session:
            findings += [
                Finding(subject=Subject.DATABASE, what=text, remedy="restore a backup")
                for text in await broken_rules(session)
            ]
            known = await _references(session)
        async for entry in self._contents(database, known):
            findings.append(entry)
        async with database.reading() as session:
            known |= await _references(session)  # of what has come while we were reading
        findings += await io_bound(lambda: list(self._orphans(known)))
        if is_alone:
            findings += await io_bound(lambda: list(self._left_overs()))
        findings += await self._counts(database)
        return CheckReport(contents=len(known), is_running=not is_alone, findings=findings)

    async def _contents(self, database: Database, known: dict[str, int]) -> AsyncIterator[Finding]:
        """Those that are missing, or not what their name says."""
        for number, (sha256, size_bytes) in enumerate(known.items(), start=1):
            subject = await io_bound(self._state_of, sha256, size_bytes)
            if subject is not None and await _is_used(database, sha256):
                yield await self._mended(database, subject, sha256)
            if self.on_progress is not None:
                self.on_progress(number, len(known))

    def _state_of(self, sha256: str, size_bytes: int) -> Subject | None:
        try:
            place = place_of(self.folder / BLOBS, sha256)
            if place.stat().st_size != size_bytes or not (self.quick or hash_of(place) == sha256):
                return Subject.DAMAGED
        except FileNotFoundError:
            return Subject.MISSING
        return None

    async def _mended(self, database: Database, subject: Subject, sha256: str) -> Finding:
        if not self.repair:
            users = ", ".join(await _users_of(database, sha256))
            remedy = "--repair --backup FOLDER brings it back; --repair alone deletes what needs it"
            return Finding(subject=subject, what=f"{sha256} of {users}", remedy=remedy)
        if subject is Subject.DAMAGED:
            await io_bound(self._set_aside, sha256)
        if self.backup is not None and await io_bound(self._bring_back, self.backup, sha256):
            return Finding(subject=subject, what=sha256, remedy="brought back from the backup", repaired=True)
        users = ", ".join(await _give_up(database, sha256))
        remedy = f"deleted: {users}; images can be restored while their grace period lasts"
        return Finding(subject=subject, what=sha256, remedy=remedy, repaired=True)

    def _set_aside(self, sha256: str) -> None:
        """Out of the way: as long as it is there, the same content cannot be stored again."""
        make_folder(self.folder / DAMAGED)
        place_of(self.folder / BLOBS, sha256).replace(self.folder / DAMAGED / sha256)
        sync_folder(self.folder / DAMAGED)

    def _bring_back(self, backup: Path, sha256: str) -> bool:
        source, place = place_of(backup / BLOBS, sha256), place_of(self.folder / BLOBS, sha256)
        if not source.is_file() or hash_of(source) != sha256:
            return False
        make_folder(place.parent)
        aside = place.with_name(f".{sha256}.tmp")
        shutil.copyfile(source, aside)
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        aside.replace(place)
        sync_folder(place.parent)
        return True

    def _orphans(self, known: dict[str, int]) -> Iterator[Finding]:
        for file in sorted((self.folder / BLOBS).glob("??/*")):
            if not is_hash(file.name) or (file.name not in known and file.stat().st_mtime < time.time() - FRESH_S):
                yield self._removed(Subject.ORPHAN, file)
        for file in sorted((self.folder / THUMBNAILS).glob("??/*")):
            if file.name.partition("-")[0] not in known:
                yield self._removed(Subject.THUMBNAIL, file)

    def _left_overs(self) -> Iterator[Finding]:
        for name in LEFT_OVERS:
            for entry in sorted((self.folder / name).glob("*")):
                yield self._removed(Subject.LEFT_OVER, entry)

    def _removed(self, subject: Subject, path: Path) -> Finding:
        if self.repair:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        what = str(path.relative_to(self.folder))
        remedy = "removed" if self.repair else "--repair removes it"
        return Finding(subject=subject, what=what, remedy=remedy, repaired=self.repair)

    async def _counts(self, database: Database) -> list[Finding]:
        if self.repair:
            async with database.writing() as session:
                wrong = await recount(session)
        else:
            async with database.reading() as session:
                wrong = await wrong_counts(session)
        remedy = "counted anew" if self.repair else "--repair counts anew"
        return [Finding(subject=Subject.COUNTS, what=text, remedy=remedy, repaired=self.repair) for text in wrong]


@contextmanager
def _alone_if_possible(folder: Path) -> Iterator[bool]:
    """Whether no loop uses the folder; if so, none can while the block is open."""
    with ExitStack() as stack:
        try:
            stack.enter_context(alone_in(folder))
            is_alone = True
        except SettingError:
            is_alone = False
        yield is_alone


async def _references(session: AsyncSession) -> dict[str, int]:
    """All contents that are used, with their lengths."""
    known: dict[str, int] = {}
    for table in (ImageRow, ModelFormatRow):
        rows = await session.execute(select(table.sha256, table.size_bytes).distinct())
        known.update((row.sha256, row.size_bytes) for row in rows)
    return known


async def _is_used(database: Database, sha256: str) -> bool:
    """Whether it still is: a running loop may have removed it with its image meanwhile."""
    async with database.reading() as session:
        return bool(await _images_with(session, sha256) or await _formats_with(session, sha256))


async def _users_of(database: Database, sha256: str) -> list[str]:
    async with database.reading() as session:
        return _named(await _images_with(session, sha256), await _formats_with(session, sha256))


async def _give_up(database: Database, sha256: str) -> list[str]:
    """Delete what needs a content that is lost: images for their grace period, formats of models at once."""
    async with database.writing() as session:
        images, formats = await _images_with(session, sha256), await _formats_with(session, sha256)
        going = [image for image in images if image.deleted is None]
        for image in going:
            image.deleted = image.changed = datetime.now(UTC)
            image.version += 1
        await session.flush()
        await facets.deleted_or_restored(session, [image.number for image in going], -1)
        for entry in formats:
            await session.delete(entry)
        await session.flush()
        empty = ModelRow.id.in_([entry.model_id for entry in formats]) & ModelRow.id.not_in(
            select(ModelFormatRow.model_id)
        )
        await session.execute(delete(ModelRow).where(empty))
        return _named(images, formats)


async def _images_with(session: AsyncSession, sha256: str) -> Sequence[ImageRow]:
    return (await session.scalars(select(ImageRow).where(ImageRow.sha256 == sha256))).all()


async def _formats_with(session: AsyncSession, sha256: str) -> Sequence[ModelFormatRow]:
    return (await session.scalars(select(ModelFormatRow).where(ModelFormatRow.sha256 == sha256))).all()


def _named(images: Iterable[ImageRow], formats: Iterable[ModelFormatRow]) -> list[str]:
    return [f"image {image.id}" for image in images] + [
        f"format {entry.format} of model {entry.model_id}" for entry in formats
    ]
