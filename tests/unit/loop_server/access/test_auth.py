"""The first administrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from learning_loop_node.errors import NotAuthenticatedError, RateLimitedError, SettingError
from learning_loop_node.loop_server.access.attempts import FAILURES
from learning_loop_node.loop_server.access.auth import Auth
from learning_loop_node.loop_server.access.origin import is_loopback
from learning_loop_node.loop_server.access.passwords import AT_ONCE, Passwords
from learning_loop_node.loop_server.access.rights import Role
from learning_loop_node.loop_server.storage import users
from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.settings import LoopServerSettings
from tests.loop import CHEAP


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_url(tmp_path))
    await database.open()
    yield database
    await database.aclose()


async def test_without_a_given_password_one_is_made_once(database: Database):
    password = await auth(database).open()
    assert password is not None
    assert len(password) >= 16
    login = await auth(database).log_in("admin", password, "")
    assert login.caller.role is Role.ADMIN
    assert await auth(database).open() is None
    await auth(database).log_in("admin", password, "")


async def test_a_given_password_counts_and_a_new_one_replaces_it(database: Database):
    assert await auth(database, password="one").open() is None
    assert await auth(database, password="two").open() is None
    with pytest.raises(NotAuthenticatedError):
        await auth(database).log_in("admin", "one", "")
    await auth(database).log_in("admin", "two", "")


async def test_another_given_name_is_another_administrator(database: Database):
    await auth(database, password="one").open()
    await auth(database, username="eva", password="two").open()
    for name, password in (("admin", "one"), ("eva", "two")):
        assert (await auth(database).log_in(name, password, "")).caller.name == name


async def test_a_given_name_of_somebody_else_makes_nobody_an_administrator(database: Database):
    async with database.writing() as session:
        users.add_user(session, name="anna", password_hash="x", role=Role.USER.name, now=datetime.now(UTC))
    with pytest.raises(SettingError, match="LOOP_USERNAME=anna"):
        await auth(database, username="anna", password="something").open()


async def test_guests_are_let_in_unless_nodes_need_a_login(database: Database):
    assert (await auth(database).log_in("", "", "")).caller.role is Role.GUEST
    with pytest.raises(NotAuthenticatedError):
        await auth(database, require_node_token=True).log_in("", "", "")


async def test_many_guesses_at_once_are_no_more_than_one_after_the_other(database: Database):
    await auth(database, password="right").open()
    guarded = auth(database)
    guesses = ["wrong"] * 20 + ["right"]
    results = await asyncio.gather(
        *(guarded.log_in("admin", guess, "1.2.3.4") for guess in guesses), return_exceptions=True
    )
    assert sum(isinstance(result, NotAuthenticatedError) for result in results) <= FAILURES + AT_ONCE
    assert isinstance(results[-1], RateLimitedError)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, expected: bool):
    assert is_loopback(host) is expected


def auth(database: Database, **settings: Any) -> Auth:
    if "password" in settings:
        settings["password"] = SecretStr(settings["password"])
    made = Auth(LoopServerSettings(**settings), database)
    made.passwords = Passwords(CHEAP)
    return made
