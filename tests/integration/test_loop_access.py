"""Who may do what at the loop, and how one logs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from tests.builders import jpeg
from tests.loop import ORGANIZATION, P, RunningLoop, files_form, images_form, running_loop

STATUS = {"uuid": "1", "name": "d", "state": "online"}
MODEL = f"{P}/models/{{model}}/mocked/file"

# Method, path, body; then the statuses for nobody, guest and admin, by default and with LOOP_REQUIRE_NODE_TOKEN.
MATRIX: list[tuple[str, str, Any, str, str]] = [
    ("GET", "/status", None, "200 200 200", "200 200 200"),
    ("POST", f"{P}/images", "image", "200 200 200", "401 401 200"),
    ("GET", MODEL, None, "200 200 200", "401 401 200"),
    ("GET", f"{P}/deployment/target", None, "401 200 200", "401 401 200"),
    ("POST", f"{P}/detectors", STATUS, "401 200 200", "401 401 200"),
    ("GET", f"{P}/detectors", None, "401 403 200", "401 401 200"),
    ("PUT", f"{P}/deployment/target", {"version": "1.0"}, "401 403 200", "401 401 200"),
    ("GET", f"{P}/data", None, "401 403 200", "401 401 200"),
    ("GET", f"{P}/images?ids=", None, "401 403 200", "401 401 200"),
    ("GET", f"{P}/images/{{image}}", None, "401 403 200", "401 401 200"),
    ("GET", f"{P}/images/{{image}}/main", None, "401 403 200", "401 401 200"),
    ("GET", f"{P}/models", None, "401 403 200", "401 401 200"),
    ("POST", f"{P}/models/other", "model", "401 403 200", "401 401 200"),
    ("PUT", f"{P}/models/{{model}}/other/file", "model", "401 403 200", "401 401 200"),
    ("GET", "/projects", None, "401 403 200", "401 401 200"),
    ("GET", P, None, "401 403 200", "401 401 200"),
    ("POST", f"/{ORGANIZATION}/projects", {"project_id": "new"}, "401 403 200", "401 401 200"),
]


@pytest.mark.parametrize("is_closed", [False, True], ids=["default", "LOOP_REQUIRE_NODE_TOKEN"])
async def test_access(tmp_path: Path, is_closed: bool):
    async with running_loop(tmp_path, require_node_token=is_closed) as loop, client_of(loop) as guest:
        await loop.create_project()
        image = (await loop.json("POST", f"{P}/images", data=images_form([jpeg()])))["images"][0]["id"]
        model = (await loop.push_model(deploy=True))["id"]
        async with guest.post("/api/login", data={"username": "", "password": ""}) as answer:
            assert answer.status == (401 if is_closed else 200)
        for method, path, body, by_default, closed in MATRIX:
            expected = [int(status) for status in (closed if is_closed else by_default).split()]
            statuses = []
            for client in (loop.nobody, guest, loop.admin):
                url = f"/api{path}".format(image=image, model=model)
                async with client.request(method, url, **arguments_of(body)) as answer:
                    statuses.append(answer.status)
            assert statuses == expected, f"{method} {path}"


async def test_every_endpoint_is_in_the_matrix(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        paths = loop.app.openapi()["paths"]
    listed = {
        (method, path.partition("?")[0].replace(P, "P"))
        for method, path, *_ in ((m, p.format(image="x", model="x"), *r) for m, p, *r in MATRIX)
    }
    free = {"/api/login", "/api/token", "/api/logout", "/healthz", "/readyz"}
    for path, methods in paths.items():
        if path in free:
            continue
        shown = path.removeprefix("/api").replace("/{organization}/projects/{project}", "P")
        shown = shown.replace("{organization}", ORGANIZATION).replace("{image_id}", "x").replace("{model_id}", "x")
        for method in methods:
            places = {shown.replace("{model_format}", name) for name in ("mocked", "other")}
            assert any((method.upper(), place) in listed for place in places), f"{method} {path}"


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


def arguments_of(body: Any) -> dict[str, Any]:
    match body:
        case None:
            return {}
        case "image":
            return {"data": images_form([jpeg()])}
        case "model":
            return {"data": files_form([("a.bin", b"1")])}
        case _:
            return {"json": body}
