"""Copies everything that a loop keeps, while it runs, and puts it back.

A backup is a folder: `manifest.json` names a copy of the database, and `blobs/` holds every content that this copy
refers to, under its hash. A new backup into the same folder copies what is new; until its manifest is in place, the
former backup is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from ...data_classes.codec import from_dict, from_json, to_json
from ...errors import InvalidDataError, NotFoundError, RefusedError
from ...runtime.files import make_folder, replace_file, sync_folder, sync_tree
from ..storage.blobs import disk_errors, is_hash
from ..storage.database import FILE_NAME

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
BLOBS = "blobs"
LOCK = "lock"
FORMAT = 1
TRIES = 3
"""So often the database is copied anew if contents vanish meanwhile."""

CHUNK_BYTES = 2**20
REFERENCES = "SELECT sha256 FROM images UNION SELECT sha256 FROM model_formats"
PRIVATE = 0o700

Progress = Callable[[int, int], None]
"""Is told how many contents of how many are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup consists of. `contents` counts the files below `blobs/`, whose names are their hashes."""

    format: int
    made: str
    schema: str
    database: str
    database_sha256: str
    contents: int
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup or a restore did. `missing` are contents that the loop itself has lost, or that are damaged."""

    contents: int
    copied: int
    copied_bytes: int
    removed: int = 0
    missing: list[str] = field(default_factory=list)


def back_up(
    database: Path, blobs: Path, target: Path, *, link: bool = False, on_progress: Progress | None = None
) -> BackupReport:
    """Copy a SQLite database and the contents it refers to into `target`, which may hold an earlier backup.

    Everything is synced before the manifest names it. With `link`, contents share the disk with those of the loop
    where that is possible: quick, but one bad sector then takes both. Works on a running loop.
    """
    if not database.is_file():
        raise NotFoundError(f"there is no loop in {database.parent}: {database.name} is missing")
    with disk_errors(), _alone_in(target):
        _sweep(target)
        for attempt in range(1, TRIES + 1):
            copy = target / f"{uuid4().hex}.sqlite"
            _copy_database(database, copy)
            wanted = references_of(copy)
            report = _copy_blobs(blobs, wanted, target / BLOBS, link=link, on_progress=on_progress)
            vanished = set(report.missing) - references_of(database)
            if not vanished or attempt == TRIES:
                break
            copy.unlink()  # what was deleted for good meanwhile is not worth a gap in the backup
        _put_manifest(target, copy, report)
        removed = _remove_former(target, copy, wanted)
    return BackupReport(**asdict(report) | {"removed": removed})


def restore(source: Path, folder: Path, *, on_progress: Progress | None = None) -> BackupReport:
    """Make the data folder of a loop from a backup, comparing every hash. All of it is there at the end, or nothing.

    `RefusedError` if the folder is not empty; `InvalidDataError` names the file of the backup that is broken.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder} is not empty; restore into a new folder, and move the old one away before")
    manifest = read_manifest(source)
    database = source / manifest.database
    if not database.is_file():
        raise InvalidDataError(f"{database} is missing, which {MANIFEST} names")
    if hash_of(database) != manifest.database_sha256:
        raise InvalidDataError(f"{database} is damaged: its hash is not that of {MANIFEST}")
    make_folder(folder.parent)
    aside = folder.with_name(f".{folder.name}.{uuid4().hex}.restoring")
    try:
        with disk_errors():
            _make_private(aside)
            shutil.copyfile(database, aside / FILE_NAME)
            (aside / FILE_NAME).chmod(0o600)
            wanted = references_of(aside / FILE_NAME)
            report = _copy_blobs(source / BLOBS, wanted, aside / BLOBS, on_progress=on_progress)
            if broken := sorted(set(report.missing) - set(manifest.missing)):
                raise InvalidDataError(
                    f"{place_of(source / BLOBS, broken[0])} is missing or damaged"
                    + (f", and {len(broken) - 1} more" if len(broken) > 1 else "")
                )
            sync_tree(aside)
            with suppress(FileNotFoundError):
                folder.rmdir()
            aside.rename(folder)
            sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return report


def read_manifest(source: Path) -> Manifest:
    """What a backup says about itself."""
    file = source / MANIFEST
    try:
        manifest = from_dict(Manifest, from_json(file.read_bytes()))
    except OSError as error:
        raise InvalidDataError(f"there is no backup in {source}: {MANIFEST} cannot be read") from error
    except InvalidDataError as error:
        raise InvalidDataError(f"{file} is damaged: {error}") from error
    if manifest.format != FORMAT:
        raise InvalidDataError(f"{file} has format {manifest.format}; this version reads format {FORMAT}")
    if Path(manifest.database).name != manifest.database:
        raise InvalidDataError(f"{file} is damaged: database {manifest.database!r} is no file name")
    return manifest


def references_of(database: Path) -> set[str]:
    """The hashes of all contents that a database refers to."""
    with closing(sqlite3.connect(database)) as connection:
        return {sha256 for (sha256,) in connection.execute(REFERENCES)}


def hash_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place_of(blobs: Path, sha256: str) -> Path:
    return blobs / sha256[:2] / sha256


def _copy_database(source: Path, copy: Path) -> None:
    """One state of it, while others go on writing."""
    copy.touch(0o600)
    with closing(sqlite3.connect(source)) as connection, closing(sqlite3.connect(copy)) as target:
        connection.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a second one beside it
    descriptor = os.open(copy, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_blobs(
    source: Path, wanted: Iterable[str], target: Path, *, link: bool = False, on_progress: Progress | None = None
) -> BackupReport:
    """Copy the contents that are not there yet, each compared with its hash and synced."""
    hashes = sorted(filter(is_hash, wanted))
    copied, copied_bytes, missing, touched = 0, 0, [], set[Path]()
    make_folder(target)
    for number, sha256 in enumerate(hashes, start=1):
        origin, place = place_of(source, sha256), place_of(target, sha256)
        size_bytes = _size_of(origin)
        if size_bytes is not None and size_bytes != _size_of(place):
            make_folder(place.parent)
            touched.add(place.parent)
            if _bring(origin, place, sha256, link=link):
                copied += 1
                copied_bytes += size_bytes
        if _size_of(place) is None:  # else it is here, if only from an earlier backup
            missing.append(sha256)
        if on_progress is not None:
            on_progress(number, len(hashes))
    for folder in touched:
        sync_folder(folder)
    return BackupReport(contents=len(hashes), copied=copied, copied_bytes=copied_bytes, missing=missing)


def _size_of(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def _bring(origin: Path, place: Path, sha256: str, *, link: bool) -> bool:
    """Whether it was there, and what its name says."""
    aside = place.with_name(f".{sha256}.{uuid4().hex}.tmp")
    try:
        if not (link and _linked(origin, aside)) and _copied(origin, aside) != sha256:
            return False
        aside.replace(place)
        return True
    except FileNotFoundError:
        return False
    finally:
        aside.unlink(missing_ok=True)


def _linked(origin: Path, place: Path) -> bool:
    try:
        os.link(origin, place)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that knows no links
        return False
    return True


def _copied(origin: Path, place: Path) -> str:
    """The hash of what was copied."""
    digest = hashlib.sha256()
    with origin.open("rb") as stream, place.open("xb") as copy:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _put_manifest(target: Path, copy: Path, report: BackupReport) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        (schema,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    manifest = Manifest(
        format=FORMAT,
        made=datetime.now(UTC).isoformat(),
        schema=schema,
        database=copy.name,
        database_sha256=hash_of(copy),
        contents=report.contents - len(report.missing),
        missing=report.missing,
    )
    sync_folder(target)
    replace_file(target / MANIFEST, to_json(asdict(manifest)))


def _remove_former(target: Path, copy: Path, wanted: set[str]) -> int:
    """Remove what only the former backup needed."""
    for file in target.glob("*.sqlite"):
        if file != copy:
            file.unlink()
    removed = 0
    for file in (target / BLOBS).glob("??/*"):
        if is_hash(file.name) and file.name not in wanted:
            file.unlink()
            removed += 1
    return removed


def _sweep(target: Path) -> None:
    """Remove what an interrupted backup left half-written."""
    present = read_manifest(target).database if (target / MANIFEST).is_file() else None
    for file in target.glob("*.sqlite*"):
        if file.name != present:
            file.unlink()
    for file in (target / BLOBS).glob("??/.*.tmp"):
        file.unlink()


def _make_private(folder: Path) -> None:
    """A folder that only its owner can look into: a database has hashes of passwords."""
    make_folder(folder)
    folder.chmod(PRIVATE)


@contextmanager
def _alone_in(target: Path) -> Iterator[None]:
    _make_private(target)
    others = [entry.name for entry in target.iterdir() if entry.name not in (LOCK, BLOBS, MANIFEST)]
    if not (target / LOCK).exists() and others:
        raise RefusedError(f"{target} has other files ({sorted(others)[0]}); back up into a folder of its own")
    with (target / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(f"another backup into {target} is running") from error
        yield
