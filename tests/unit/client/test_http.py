from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import FormData, MultipartWriter, web
from pydantic import SecretStr

from learning_loop_node.client.http import Login, LoopHttp, origin_of
from learning_loop_node.errors import (
    InvalidImageError,
    LoginRefusedError,
    LoopError,
    LoopRefusedError,
    LoopUnreachableError,
    NotAuthenticatedError,
    NotFoundError,
    SettingError,
    TransferBrokenError,
)
from learning_loop_node.settings import LoopSettings
from tests.stand_in import StandIn, break_off, stand_in


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as fake:
        yield fake


@pytest.fixture
async def http(server: StandIn) -> AsyncIterator[LoopHttp]:
    async with LoopHttp(LoopSettings(host=server.host, username="ada", password=SecretStr("secret"))) as connection:
        yield connection


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        pytest.param("learning-loop.ai", "https://learning-loop.ai", id="public loop"),
        pytest.param("preview.learning-loop.ai", "https://preview.learning-loop.ai", id="contains the public loop"),
        pytest.param("127.0.0.1:8900", "http://127.0.0.1:8900", id="address and port"),
        pytest.param("backend", "http://backend", id="plain name"),
        pytest.param("https://loop.example/", "https://loop.example", id="explicitly secure"),
        pytest.param("http://learning-loop.ai", "http://learning-loop.ai", id="explicitly plain"),
        pytest.param("[::1]:80", "http://[::1]", id="IPv6"),
    ],
)
def test_origin_of(host: str, origin: str) -> None:
    assert origin_of(host) == origin


@pytest.mark.parametrize("host", ["", "  ", "a:b", "ftp://loop", "loop:99999", "ada:secret@loop", "a b", "loop/path"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(SettingError, match="LOOP_HOST") as error:
        origin_of(host)
    assert "secret" not in str(error.value)


async def test_logs_in_once_for_concurrent_callers(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/things", web.json_response([1, 2]))
    answers = await asyncio.gather(*(http.json("GET", "/things") for _ in range(5)))
    assert answers == [[1, 2]] * 5
    assert server.count("POST /api/login") == 1
    assert http.cookies == {"session": "1"}


async def test_sends_user_name_and_password_as_a_form(server: StandIn, http: LoopHttp) -> None:
    seen: dict[str, object] = {}

    async def login(request: web.Request) -> web.Response:
        seen.update(await request.post())
        return web.Response()

    server.on("POST /api/login", login)
    server.on("GET /api/things", web.json_response({}))
    await http.json("GET", "/things")
    assert seen == {"username": "ada", "password": "secret"}


@pytest.mark.parametrize(
    ("login", "username", "logins"),
    [
        pytest.param(Login.REQUIRED, "", 1, id="a guest where it is required"),
        pytest.param(Login.IF_GIVEN, "", 0, id="nobody is given"),
        pytest.param(Login.IF_GIVEN, "ada", 1, id="somebody is given"),
        pytest.param(Login.NONE, "ada", 0, id="never"),
    ],
)
async def test_logs_in_where_needed(server: StandIn, login: Login, username: str, logins: int) -> None:
    server.on("GET /api/status", web.json_response({}))
    async with LoopHttp(LoopSettings(host=server.host, username=username)) as http:
        await http.json("GET", "/status", login=login)
    assert server.count("POST /api/login") == logins


async def test_logs_in_again_once_after_a_401(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/things", web.json_response({"detail": "who?"}, status=401), web.json_response("yes"))
    assert await http.json("GET", "/things") == "yes"
    assert server.requests == ["POST /api/login", "GET /api/things", "POST /api/login", "GET /api/things"]
    assert http.cookies == {"session": "2"}


async def test_the_second_401_counts(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/things", web.json_response({"detail": "who?"}, status=401))
    with pytest.raises(LoopRefusedError, match=r"who\?") as error:
        await http.json("GET", "/things")
    assert error.value.status == 401
    assert server.count("GET /api/things") == 2


async def test_concurrent_401s_lead_to_one_new_login(server: StandIn, http: LoopHttp) -> None:
    all_asked = asyncio.Barrier(4)

    async def by_session(request: web.Request) -> web.Response:
        if request.cookies["session"] == "1":
            await all_asked.wait()
            return web.Response(status=401)
        return web.json_response("yes")

    server.on("GET /api/things", by_session)
    assert await asyncio.gather(*(http.json("GET", "/things") for _ in range(4))) == ["yes"] * 4
    assert server.count("POST /api/login") == 2


@pytest.mark.parametrize("kind", ["form", "multipart", "bytes"])
async def test_a_body_is_sent_again_after_a_401(server: StandIn, http: LoopHttp, kind: str) -> None:
    bodies: list[bytes] = []

    async def note(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=401 if len(bodies) == 1 else 200)

    server.on("POST /api/things", note)
    await http.json("POST", "/things", data=body_of(kind))
    assert b"content" in bodies[0]
    assert bodies[0] == bodies[1]


async def test_a_refused_login_names_the_settings(server: StandIn, http: LoopHttp) -> None:
    server.on("POST /api/login", web.json_response({"detail": "no such user"}, status=401))
    with pytest.raises(LoginRefusedError, match="LOOP_USERNAME") as error:
        await http.json("GET", "/things")
    assert "secret" not in str(error.value)
    assert server.count("GET /api/things") == 0


@pytest.mark.parametrize(
    ("username", "text"),
    [
        ("", "did not let us in without a login (no such user); set LOOP_TOKEN, or LOOP_USERNAME"),
        ("eve", "did not accept the user 'eve'"),
    ],
    ids=["without a login", "with one"],
)
async def test_a_refused_login_says_who_was_refused(server: StandIn, username: str, text: str) -> None:
    server.on("POST /api/login", web.json_response({"detail": "no such user"}, status=401))
    async with LoopHttp(LoopSettings(host=server.host, username=username)) as http:
        with pytest.raises(LoginRefusedError, match=re.escape(text)):
            await http.json("GET", "/things")


async def test_a_redirected_request_is_not_followed(server: StandIn, http: LoopHttp) -> None:
    server.on("POST /api/login", web.Response(status=301, headers={"Location": "https://elsewhere/api/login"}))
    with pytest.raises(LoopRefusedError, match="https://elsewhere/api/login; adapt LOOP_HOST"):
        await http.json("GET", "/things")


async def test_our_own_errors_are_raised_again(server: StandIn, http: LoopHttp) -> None:
    server.on("POST /api/images", web.json_response({"detail": "a.jpg is cut", "code": "invalid_image"}, status=422))
    with pytest.raises(InvalidImageError, match=r"a\.jpg is cut") as error:
        await http.json("POST", "/images")
    assert isinstance(error.value.__cause__, LoopRefusedError)
    assert error.value.__cause__.status == 422


async def test_an_unknown_path_of_our_own_loop(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/things", web.json_response({"detail": "Not Found", "code": "not_found"}, status=404))
    with pytest.raises(NotFoundError):
        await http.json("GET", "/things")


async def test_a_page_instead_of_json(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/things", web.Response(text="<html>please log in</html>", content_type="text/html"))
    with pytest.raises(LoopError, match="text/html that is no JSON; is LOOP_HOST right"):
        await http.json("GET", "/things")


async def test_an_endless_error_page(server: StandIn, http: LoopHttp) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=500)
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)

    server.on("GET /api/things", endless)
    with pytest.raises(LoopRefusedError, match="xxx …"):
        await http.json("GET", "/things")


async def test_no_server(unused_tcp_port: int) -> None:
    async with LoopHttp(LoopSettings(host=f"127.0.0.1:{unused_tcp_port}")) as http:
        expected = (
            f"no connection to the loop at {http.settings.host} (LOOP_HOST) for GET /api/status: connection refused"
        )
        with pytest.raises(LoopUnreachableError, match=f"^{re.escape(expected)}$"):
            await http.json("GET", "/status", login=Login.NONE)


async def test_a_connection_that_ends_before_the_answer(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/status", break_off)
    with pytest.raises(LoopUnreachableError):
        await http.json("GET", "/status", login=Login.NONE)


@pytest.mark.parametrize("limit", [{"timeout_s": 0.05}, {"stall_s": 0.05}])
@pytest.mark.parametrize("has_begun", [False, True], ids=["no answer", "answer that stalls"])
async def test_an_answer_that_takes_too_long(
    server: StandIn, http: LoopHttp, limit: dict[str, float], has_begun: bool
) -> None:
    never = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        if has_begun:
            await answer.prepare(request)
            await answer.write(b"[")
        await never.wait()
        return answer

    server.on("GET /api/status", hang)
    with pytest.raises(LoopUnreachableError, match="no answer in time"):
        await http.json("GET", "/status", login=Login.NONE, **limit)


async def test_an_answer_that_ends_early(server: StandIn, http: LoopHttp) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"[1, 2")
        return await break_off(request)

    server.on("GET /api/status", half)
    with pytest.raises(TransferBrokenError):
        await http.json("GET", "/status", login=Login.NONE)


async def test_trouble_of_the_caller_stays_what_it_is(server: StandIn, http: LoopHttp) -> None:
    server.on("GET /api/status", web.json_response({}))
    with pytest.raises(OSError, match="disk full"):
        async with http.request("GET", "/status", login=Login.NONE):
            raise OSError("disk full")


async def test_logs_in_again_after_a_logout(server: StandIn, http: LoopHttp) -> None:
    server.on("POST /api/logout", web.Response())
    await http.ensure_login()
    await http.logout()
    assert http.cookies == {}
    await http.ensure_login()
    await http.ensure_login()
    assert server.count("POST /api/login") == 2
    await http.ensure_login(anew=True)
    assert server.count("POST /api/login") == 3


async def test_no_use_after_closing(server: StandIn) -> None:
    http = LoopHttp(LoopSettings(host=server.host))
    await http.open()
    await http.aclose()
    await http.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await http.json("GET", "/status")


async def test_a_missing_certificate_file_is_named() -> None:
    http = LoopHttp(LoopSettings(host="https://127.0.0.1:1", ssl_certificate_path="/nowhere/ca.pem"))
    with pytest.raises(SettingError, match=r"LOOP_SSL_CERT_PATH=/nowhere/ca\.pem"):
        await http.open()
    await http.aclose()


async def test_warns_once_of_a_readable_password(caplog: pytest.LogCaptureFixture) -> None:
    async with LoopHttp(LoopSettings(host="loop.invalid", username="ada", password=SecretStr("secret"))) as http:
        for _ in range(2):
            with pytest.raises(LoopUnreachableError):
                await http.ensure_login()
    assert [record.message for record in caplog.records if "unencrypted" in record.message] == [
        "the password goes to http://loop.invalid unencrypted; begin LOOP_HOST with https:// if the loop offers that"
    ]


async def test_no_credentials_in_the_log(server: StandIn, http: LoopHttp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("GET /api/things", web.json_response({"detail": "who?"}, status=401))
    with pytest.raises(LoopRefusedError):
        await http.json("GET", "/things")
    written = caplog.text + repr(vars(http)["settings"])
    assert "secret" not in written
    assert "session=" not in written


def body_of(kind: str) -> object:
    if kind == "bytes":
        return b"content"
    if kind == "form":
        form = FormData()
        form.add_field("file", b"content", filename="a.txt")
        return form
    writer = MultipartWriter("form-data")
    writer.append(b"content", {"Idempotency-Key": "1"}).set_content_disposition("form-data", name="files")
    return writer


async def test_a_token_is_sent_with_everything_and_wins_over_a_login(server: StandIn) -> None:
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    server.on("GET /api/things", answer)
    settings = LoopSettings(host=server.host, username="ada", password=SecretStr("secret"), token=SecretStr("t0ken\n"))
    async with LoopHttp(settings) as http:
        for login in Login:
            await http.json("GET", "/things", login=login)
        await http.ensure_login(anew=True)
    assert seen == ["Bearer t0ken"] * len(Login)
    assert server.count("POST /api/login") == 0


async def test_a_token_that_is_refused_is_not_tried_again(server: StandIn) -> None:
    server.on("GET /api/things", web.json_response({"detail": "revoked", "code": "not_authenticated"}, status=401))
    async with LoopHttp(LoopSettings(host=server.host, token=SecretStr("t0ken"))) as http:
        with pytest.raises(NotAuthenticatedError, match="revoked"):
            await http.json("GET", "/things")
    assert server.requests == ["GET /api/things"]


async def test_a_token_stays_with_the_loop_and_out_of_the_log(
    server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    async with stand_in() as elsewhere:
        moved = web.Response(status=307, headers={"Location": f"http://{elsewhere.host}/api/things"})
        server.on("GET /api/things", moved)
        settings = LoopSettings(host=server.host, token=SecretStr("t0ken"))
        async with LoopHttp(settings) as http:
            with pytest.raises(LoopRefusedError, match="LOOP_HOST"):
                await http.json("GET", "/things")
        assert elsewhere.requests == []
    assert "t0ken" not in caplog.text + repr(settings)
