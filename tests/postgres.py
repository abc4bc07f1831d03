"""A Postgres server of the tests' own, and one database for each loop."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = os.environ.get("TESTS_ON_POSTGRES", "")
"""`host:port` of a server on which all loops of the tests keep their rows; empty means SQLite."""

PLACES = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
NOBODY = "postgres" if os.getuid() == 0 else None
"""The server refuses to run as root."""


def program(name: str) -> str | None:
    """Where a program of Postgres is, None if it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


def is_installed() -> bool:
    """Whether a server can be started here, and a driver is there to talk to it."""
    try:
        import asyncpg  # noqa: F401
    except ImportError:
        return False
    return program("initdb") is not None and program("pg_ctl") is not None


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """A server on a free port, as long as the block is open; its `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder.mkdir(parents=True)
    for parent in (folder, *folder.parents[:4]):
        if NOBODY:
            parent.chmod(0o755)
    if NOBODY:
        shutil.chown(folder, NOBODY)
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    _run("initdb", "-D", str(data), "-U", "loop", "--auth=trust")
    _run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"127.0.0.1:{port}"
    finally:
        _run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


async def database_for(folder: Path, server: str) -> str:
    """The address of the database of a loop that has this folder, made if it is not there."""
    import asyncpg

    host, _, port = server.partition(":")
    name = "loop_" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
    connection = await asyncpg.connect(host=host, port=int(port), user="loop", database="postgres")
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"postgresql+asyncpg://loop@{server}/{name}"


def _run(name: str, *arguments: str) -> None:
    path = program(name)
    assert path is not None
    subprocess.run([path, *arguments], check=True, stdout=subprocess.DEVNULL, user=NOBODY, cwd="/", timeout=50)
