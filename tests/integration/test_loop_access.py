"""How one logs in at the loop; who may do what is in `test_loop_rights.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from tests.loop import ORGANIZATION, RunningLoop, running_loop


async def test_the_cookie_is_sent_on_plain_http_and_hidden_from_pages(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        async with loop.nobody.post("/api/login", data=credentials(loop)) as answer:
            cookie = answer.headers["Set-Cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        async with loop.nobody.post("/api/login", data={"username": "", "password": ""}) as answer:
            assert "Set-Cookie" in answer.headers


async def test_a_login_leaves_earlier_sessions_valid_and_a_logout_ends_one(tmp_path: Path):
    async with running_loop(tmp_path) as loop, client_of(loop) as first, client_of(loop) as second:
        for client in (first, second):
            async with client.post("/api/login", data=credentials(loop)) as answer:
                assert answer.status == 200
        assert [await status_of(client) for client in (first, second)] == [200, 200]
        token = next(iter(first.cookie_jar)).value
        async with first.post("/api/logout") as answer:
            assert answer.status == 200
        assert [await status_of(client) for client in (first, second)] == [401, 200]
        async with loop.nobody.get("/api/projects", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 401, "the session has ended, not only the cookie"


async def test_a_bearer_token_is_as_good_as_a_cookie(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        async with loop.nobody.post("/api/token", data=credentials(loop)) as answer:
            token = (await answer.json())["access_token"]
            assert answer.headers["Date"]
        headers = {"Authorization": f"Bearer {token}"}
        async with loop.nobody.get("/api/projects", headers=headers) as answer:
            assert answer.status == 200
        async with loop.nobody.get("/api/projects", headers={"Authorization": "Bearer wrong"}) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_database_does_not_contain_tokens_or_passwords(tmp_path: Path):
    async with running_loop(tmp_path, password="a long password") as loop:
        token = next(iter(loop.admin.cookie_jar)).value
    content = b"".join(file.read_bytes() for file in (tmp_path / "loop").glob("loop.sqlite*"))
    assert token.encode() not in content
    assert b"a long password" not in content
    assert b"$argon2id$" in content


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"username": "admin", "password": "wrong"}, id="wrong password"),
        pytest.param({"username": "admin", "password": ""}, id="no password"),
        pytest.param({"username": "nobody", "password": "secret"}, id="unknown user"),
        pytest.param({"username": "", "password": "secret"}, id="no name"),
        pytest.param({"username": "admin", "password": "x" * 5000}, id="endless password"),
    ],
)
async def test_wrong_logins(tmp_path: Path, form: dict[str, str]):
    async with running_loop(tmp_path) as loop, loop.nobody.post("/api/login", data=form) as answer:
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers
        assert (await answer.json())["code"] == "not_authenticated"


async def test_guessing_is_slowed_down_and_others_are_not(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        for _ in range(10):
            async with loop.nobody.post("/api/login", data={"username": "eve", "password": "x"}) as answer:
                assert answer.status == 401
        async with loop.nobody.post("/api/login", data={"username": "eve", "password": "x"}) as answer:
            assert answer.status == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        async with loop.nobody.post("/api/login", data=credentials(loop)) as answer:
            assert answer.status == 200


async def test_credentials_that_are_no_form_are_not_taken_for_a_guest(tmp_path: Path):
    async with running_loop(tmp_path) as loop, loop.nobody.post("/api/login", json=credentials(loop)) as answer:
        assert answer.status == 422
        assert "form" in (await answer.json())["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "http://evil.example"}, 403, id="another origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Origin": "null"}, 403, id="a sandboxed page"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "http://public.name"}, 200, id="behind a proxy"),
        pytest.param({}, 200, id="a program"),
    ],
)
async def test_pages_of_other_sites_change_nothing(tmp_path: Path, headers: dict[str, str], status: int):
    async with (
        running_loop(tmp_path) as loop,
        loop.admin.post(f"/api/{ORGANIZATION}/projects", json={"project_id": "p"}, headers=headers) as answer,
    ):
        assert answer.status == status


async def test_an_open_loop_asks_nobody_for_a_login_but_knows_its_own_name_only(tmp_path: Path):
    async with running_loop(tmp_path, open=True) as loop:
        await loop.create_project()
        async with loop.nobody.get("/api/projects") as answer:
            assert answer.status == 200
        async with loop.nobody.get("/api/projects", headers={"Host": "rebound.example"}) as answer:
            assert answer.status == 403


def credentials(loop: RunningLoop) -> dict[str, str]:
    return {"username": loop.username, "password": loop.password}


def client_of(loop: RunningLoop) -> ClientSession:
    return ClientSession(loop.url, cookie_jar=CookieJar(unsafe=True))


async def status_of(client: ClientSession) -> int:
    async with client.get("/api/projects") as answer:
        return answer.status
