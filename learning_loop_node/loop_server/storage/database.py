"""The database: engine, sessions, one writer at a time on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVarTuple

from sqlalchemy import Select, create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine, Row, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from ...errors import InvalidRequestError, RefusedError, SettingError, StorageFullError
from ...runtime.threads import io_bound
from .migration import migrate, refuse_other_schema

Ts = TypeVarTuple("Ts")

FILE_NAME = "loop.sqlite"
BUSY_S = 30.0
"""How long a writer waits for another process that writes."""

READERS = 8
WRITER = 0x6C6F6F70
"""The lock of a database server that a writer takes."""

DISK_FULL = "53100"
LOST_REFERENCE = "23503"
NO_TEXT = ("22021", "22P05")
"""What Postgres answers to texts that it cannot hold."""


class Database:
    """Sessions for reading and for writing. Open before use; what `writing` answered for is on the disk."""

    def __init__(self, url: str) -> None:
        self._url = _async_url(url)
        self._engine: AsyncEngine | None = None
        self._lookups: Engine | None = None
        self._writer = asyncio.Lock()

    async def open(self, *, as_it_is: bool = False) -> None:
        """Bring the schema up to date and connect. `SettingError` if there is something that is no database of ours.

        One that is opened `as_it_is` has the present schema already, or is refused.
        """
        self._engine = self._make_engine()
        if not self._file:
            await self._reach(self._engine)
        try:
            if as_it_is:
                await refuse_other_schema(self._engine)
            else:
                await migrate(self._engine, self._file)
        except DBAPIError as error:
            raise SettingError(f"the database {self._url.render_as_string()} cannot be used: {error.orig}") from error
        if self._file:
            self._lookups = _engine_of_lookups(self._url)

    async def aclose(self) -> None:
        engine, self._engine = self._engine, None
        lookups, self._lookups = self._lookups, None
        if lookups is not None:
            await io_bound(lookups.dispose)
        if engine is not None:
            await engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database; what it changes is dropped."""
        async with self._session() as session:
            if not self._file:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are kept, all of them or, if the block raises, none. One at a time, everywhere."""
        async with self._writer, self._session() as session:
            if self._file:
                await session.connection(execution_options={"is_writing": True})
            else:
                await session.execute(text(f"SELECT pg_advisory_xact_lock({WRITER})"))
            yield session
            await session.commit()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncSession]:
        try:
            async with AsyncSession(self._opened, expire_on_commit=False) as session:
                yield session
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state == DISK_FULL or "disk is full" in str(error) or "disk I/O" in str(error):
                raise StorageFullError(f"the database cannot be written: {error.orig}") from error
            if state in NO_TEXT:
                raise InvalidRequestError(
                    "a text of the request contains the character U+0000; leave it out"
                ) from error
            if state == LOST_REFERENCE or "FOREIGN KEY constraint failed" in str(error.orig):
                raise RefusedError("what this belongs to was removed meanwhile; look again, then repeat") from error
            raise

    async def look_up(self, query: Select[*Ts]) -> Row[*Ts] | None:
        """The first row of a query, read for itself: with SQLite in a fifth of the time that a session takes."""
        if self._lookups is None:
            async with self.reading() as session:
                return (await session.execute(query)).first()
        return await io_bound(_first_row, self._lookups, query)

    async def check(self) -> None:
        """Raise if the database does not answer."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    @property
    def _opened(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the database is not open")
        return self._engine

    @property
    def _file(self) -> Path | None:
        """The file of a SQLite database, None for a server."""
        return _file_of(self._url)

    async def _reach(self, engine: AsyncEngine) -> None:
        """Connect once to a database server. Whatever its driver raises, the address or the server is at fault."""
        try:
            async with engine.connect():
                pass
        except Exception as error:
            raise SettingError(
                f"LOOP_DATABASE_URL={self._url.render_as_string()} cannot be reached: {error}"
            ) from error

    def _make_engine(self) -> AsyncEngine:
        if self._file is None:
            return _engine_of(self._url)
        engine = _engine_of(
            self._url, pool_size=READERS, max_overflow=0, connect_args={"timeout": BUSY_S, "check_same_thread": False}
        )
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine


def sqlite_url(folder: Path) -> str:
    """The database that a loop has unless told otherwise."""
    return f"sqlite:///{folder / FILE_NAME}"


def sqlite_file(url: str) -> Path | None:
    """The file of the SQLite database at this address, None if it is a server."""
    return _file_of(_async_url(url))


def _file_of(url: URL) -> Path | None:
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _async_url(text_: str) -> URL:
    try:
        url = make_url(text_)
    except ArgumentError as error:
        raise SettingError(
            f"LOOP_DATABASE_URL={text_!r} is not an address such as sqlite:////data/loop.sqlite"
        ) from error
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise SettingError("LOOP_DATABASE_URL must name a file: sqlite:////data/loop.sqlite")
        return url.set(drivername="sqlite+aiosqlite")
    return url


def _engine_of(url: URL, **options: Any) -> AsyncEngine:
    try:
        return create_async_engine(url, **options)
    except (ModuleNotFoundError, NoSuchModuleError, ArgumentError) as error:
        raise SettingError(f"LOOP_DATABASE_URL={url.render_as_string()} cannot be used: {error}") from error


def _engine_of_lookups(url: URL) -> Engine:
    """Connections for single queries, each of which sees what is committed; they run in threads."""
    engine = create_engine(
        url.set(drivername="sqlite"),
        pool_size=READERS,
        max_overflow=0,
        pool_reset_on_return=None,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def _first_row(engine: Engine, query: Select[*Ts]) -> Row[*Ts] | None:
    with engine.connect() as connection:
        return connection.execute(query).first()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at the start: one that has read before could no longer get it."""
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
