"""Two things at the same time: the loop ends in a state that one after the other could have left, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from learning_loop_node.loop_server.access.passwords import Passwords
from tests.builders import jpeg
from tests.loop import CHEAP, ORGANIZATION, P, RunningLoop, running_loop

PASSWORD, NEW = "long enough", "another password"
ANNA = "/users/anna"

Meanwhile = Callable[[RunningLoop], Awaitable[Any]]


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await running.create_project()
        yield running


class Interrupted(Passwords):
    """After a password was compared, something else happens first."""

    def __init__(self, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(CHEAP)
        self._meanwhile: Callable[[], Awaitable[Any]] | None = meanwhile

    async def match(self, password: str, password_hash: str | None) -> bool:
        result = await super().match(password, password_hash)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return result


CHANGES: dict[str, Meanwhile] = {
    "removed": lambda loop: loop.json("DELETE", ANNA),
    "disabled": lambda loop: loop.json("PATCH", ANNA, json={"disabled": True}),
    "given another password": lambda loop: loop.json("PATCH", ANNA, json={"password": NEW}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_who_is_changed_while_they_log_in_is_not_let_in(loop: RunningLoop, change: Meanwhile):
    await add_anna(loop)
    loop.app.state.loop.auth.passwords = Interrupted(lambda: change(loop))
    async with loop.nobody.post("/api/login", data={"username": "anna", "password": PASSWORD}) as answer:
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_who_is_changed_while_they_change_their_password_stays_so(loop: RunningLoop, change: Meanwhile):
    await add_anna(loop)
    async with ClientSession(loop.url, cookie_jar=CookieJar(unsafe=True)) as anna:
        async with anna.post("/api/login", data={"username": "anna", "password": PASSWORD}) as answer:
            assert answer.status == 200
        loop.app.state.loop.auth.passwords = Interrupted(lambda: change(loop))
        body = {"old_password": PASSWORD, "new_password": "what anna wants"}
        async with anna.put("/api/me/password", json=body) as answer:
            assert answer.status == 401
    login = {"username": "anna", "password": "what anna wants"}
    async with loop.nobody.post("/api/login", data=login) as answer:
        assert answer.status == 401


async def test_a_role_taken_while_somebody_changes_their_password_is_gone(loop: RunningLoop):
    await add_anna(loop, role="admin")

    async def demote() -> None:
        await loop.json("PATCH", ANNA, json={"role": "user"})

    async with ClientSession(loop.url, cookie_jar=CookieJar(unsafe=True)) as anna:
        async with anna.post("/api/login", data={"username": "anna", "password": PASSWORD}) as answer:
            assert answer.status == 200
        loop.app.state.loop.auth.passwords = Interrupted(demote)
        body = {"old_password": PASSWORD, "new_password": NEW}
        async with anna.put("/api/me/password", json=body) as answer:
            assert answer.status == 200, await answer.text()
    assert (await loop.json("GET", ANNA))["role"] == "user"


UPLOADS = {"images": "POST /images", "model": "POST /models/mocked"}


@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS)
@pytest.mark.parametrize("is_made_again", [False, True], ids=["deleted", "deleted and made again"])
async def test_what_arrives_for_a_project_that_is_deleted_meanwhile_is_refused(
    loop: RunningLoop, upload: str, is_made_again: bool
):
    method, _, path = upload.partition(" ")

    async def meanwhile() -> None:
        await loop.json("DELETE", P)
        if is_made_again:
            await loop.create_project()

    body = after(meanwhile, FORM)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    async with loop.admin.request(method, f"/api{P}{path}", data=body, headers=headers, expect100=True) as answer:
        assert answer.status == 404, await answer.text()
    if is_made_again:
        assert (await loop.json("GET", f"{P}/images/counts"))["total"] == 0
        await loop.json("DELETE", P)
    for gone in (await loop.json("GET", f"/{ORGANIZATION}/projects/deleted"))["projects"]:
        restored = await loop.json("POST", f"{P}/restore?id={gone['id']}&name=restored-{gone['id']}")
        assert (await loop.json("GET", f"{restored['resource']}/images/counts"))["total"] == 0
        assert (await loop.json("GET", f"{restored['resource']}/models"))["models"] == []


BOUNDARY = "between"
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="image.jpg"\r\n\r\n'.encode()
    + jpeg()
    + f"\r\n--{BOUNDARY}--\r\n".encode()
)


async def after(meanwhile: Callable[[], Awaitable[None]], body: bytes) -> AsyncIterator[bytes]:
    """A body that comes after something else has happened, once the loop has asked for it (`Expect: 100-continue`)."""
    await meanwhile()
    yield body


async def add_anna(loop: RunningLoop, role: str = "user") -> None:
    body = {"name": "anna", "password": PASSWORD, "role": role, "organizations": {ORGANIZATION: "viewer"}}
    await loop.json("POST", "/users", json=body)
