"""Malformed requests for the loop's HTTP interface, see `test_loop_rest.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.builders import jpeg
from tests.loop import ORGANIZATION, PROJECT

from .archives import GOOD, bomb, link
from .wire import BOUNDARY, Case, case, chunked, form, part, request
from .zips import Entry, archive

JPEG = jpeg()
MAX_REQUEST_BYTES = 1_000_000
P = f"/api/{ORGANIZATION}/projects/{PROJECT}"
LONG = "x" * 50_000
INVALID, BAD = 422, 400
TYPE = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
JSON = ("Content-Type", "application/json")
URLENCODED = ("Content-Type", "application/x-www-form-urlencoded")
UNKNOWN = "00000000-0000-4000-8000-000000000000"
BOX = {"category_name": "a", "x": 1, "y": 2, "width": 3, "height": 4, "model_name": "1", "confidence": 0.5}
PAIR = part("files", "i.json"), part("files", "i.jpg")

Headers = Sequence[tuple[str, str]]


def cases_for(headers: Headers) -> list[Case]:
    """All cases, sent by whom these headers name."""
    return [*_images(headers), *_models(headers), *_json(headers), *_paths(headers), *_logins(), *_http(headers)]


def names() -> list[str]:
    return [attack.name for attack in cases_for([])]


def _images(headers: Headers) -> Iterator[Case]:
    def post(body: bytes, content_type: str = TYPE[1], **options: Any) -> bytes:
        return request("POST", f"{P}/images", [*headers, ("Content-Type", content_type)], body, **options)

    def images(*parts: tuple[bytes, bytes]) -> bytes:
        return post(form(*parts)[1])

    def pair(metadata: Any, image: bytes = JPEG) -> bytes:
        text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
        return images((PAIR[0], text), (PAIR[1], image))

    def endless() -> Iterator[bytes]:
        yield request("POST", f"{P}/images", [*headers, TYPE, ("Transfer-Encoding", "chunked")], length=None)
        for _ in range(3000):
            yield b"%x\r\n%s\r\n" % (65_536, bytes(65_536))

    whole = form((PAIR[0], b"{}"), (PAIR[1], JPEG))[1]
    yield case("images: empty body", post(b""), INVALID, words="form")
    yield case("images: JSON for a form", post(b"{}", "application/json"), INVALID, words="form")
    yield case("images: no boundary", post(whole, "multipart/form-data"), INVALID, words="boundary")
    yield case("images: wrong boundary", post(whole, "multipart/form-data; boundary=x"), INVALID, words="form")
    yield case("images: boundary of 5000 letters", post(whole, f"multipart/form-data; boundary={'b' * 5000}"), INVALID)
    yield case("images: form that ends early", post(whole[:-40]), INVALID, words="ends")
    yield case("images: zeros", post(bytes(100_000)), INVALID, words="form")
    yield case("images: 1001 parts", images(*[(PAIR[1], b"x")] * 1001), INVALID, words="1000")
    yield case("images: part with 900 kB of header", images((PAIR[1] + b"\r\nX: " + b"y" * 900_000, b"")), INVALID)
    yield case("images: part with 10 000 headers", images((PAIR[1] + b"\r\nX: y" * 10_000, b"")), INVALID, words="form")
    yield case("images: part without name", images((b"X: y", b"z")), INVALID, words="no name")
    yield case("images: part of another name", images((part("file"), JPEG)), INVALID, words="'file'")
    yield case("images: file name of 100 kB", images((part("files", LONG * 2), b"x")), INVALID)
    yield case("images: file name that leads out", images((part("files", "../../x.jpg"), b"x")), INVALID)
    yield case("images: file name with NUL", images((part("files", "a\0b.jpg"), b"x")), INVALID)
    yield case(
        "images: file name in a broken encoding",
        images((b'Content-Disposition: form-data; name="files"; filename="\xff\xfe.jpg"', b"x")),
        INVALID,
    )
    yield case("images: 100 MB announced", post(b"", length=100_000_000), INVALID, words="1000000")
    yield case("images: no end", endless, INVALID, words="form")
    yield case("images: negative length", post(b"", length=-5), BAD, is_ours=False)
    yield case(
        "images: chunks of rubbish",
        request("POST", f"{P}/images", [*headers, TYPE, ("Transfer-Encoding", "chunked")], b"zz\r\n", length=None),
        BAD,
        is_ours=False,
    )
    yield case("images: a body that never comes", post(b"", length=1000), -1, is_left_open=True, is_ours=False)
    yield case("images: no image", pair({}, b"no image"), INVALID, words="i.jpg")
    yield case("images: half an image", pair({}, JPEG[:-300]), INVALID, words="i.jpg")
    yield case("images: JSON that is none", pair(b"{"), INVALID, words="i.json")
    yield case("images: JSON nested 100 000 times", pair(b'{"a":' + b"[" * 100_000), INVALID, words="i.json")
    yield case("images: JSON in UTF-16", pair('{"a":1}'.encode("utf-16")), INVALID, words="i.json")
    yield case("images: JSON of half a character", pair(b'{"tags":["\\ud800"]}'), INVALID, words="i.json")
    for value in ("NaN", "Infinity", "1e400", "-1e999", '"1"', "true", "null", "[]", "9" * 400, "-0x1"):
        text = json.dumps({"box_detections": [BOX | {"x": "?"}]}).replace('"?"', value).encode()
        yield case(f"images: a coordinate {value[:20]}", pair(text), INVALID, words="i.json")
    yield case("images: duplicate keys", pair(b'{"tags": ["a"], "tags": 5}'), INVALID, words="tags")
    yield case("images: 5000 tags", pair({"tags": ["t"] * 5000}), INVALID, words="tags")
    yield case("images: a tag of 50 kB", pair({"tags": [LONG]}), INVALID, words="tags")
    yield case("images: a state that does not exist", pair({"state": "lost"}), INVALID, words="state")
    yield case("images: 1000 wrong fields", pair({"box_detections": [{}] * 1000}), INVALID, words="box_detections")
    yield case(
        "images: two keys",
        images((PAIR[0] + b"\r\nIdempotency-Key: a", b"{}"), (PAIR[1] + b"\r\nIdempotency-Key: b", JPEG)),
        INVALID,
        words="Idempotency-Key",
    )
    yield case("images: a key of control characters", images((PAIR[1] + b"\r\nIdempotency-Key: \x01", JPEG)), INVALID)


def _models(headers: Headers) -> Iterator[Case]:
    def push(*files: tuple[str, bytes], path: str = f"{P}/models/mocked", method: str = "POST") -> bytes:
        head, body = form(*((part("files", name), content) for name, content in files))
        return request(method, path, [*headers, *head], body)

    yield case("models: no files", push(), INVALID, words="file")
    yield case("models: format of dots", push(("a", b"1"), path=f"{P}/models/.."), 404, 405, INVALID)
    yield case("models: format with a slash", push(("a", b"1"), path=f"{P}/models/a%2fb"), 404, 405, INVALID)
    yield case("models: format with NUL", push(("a", b"1"), path=f"{P}/models/a%00b"), INVALID, words="format")
    yield case(
        "models: version NaN", push(("a", b"1"), path=f"{P}/models/mocked?version=NaN"), INVALID, words="version"
    )
    yield case(
        "models: version of 1000 digits",
        push(("a", b"1"), path=f"{P}/models/mocked?version={'9' * 1000}"),
        INVALID,
        words="version",
    )
    yield case(
        "models: comment of 5000 letters",
        push(("a", b"1"), path=f"{P}/models/mocked?comment={'c' * 5000}"),
        INVALID,
        words="comment",
    )
    yield case("models: not a zip", push(("m.zip", b"no zip")), INVALID, words="m.zip")
    yield case("models: traversal", push(("m.zip", archive([Entry(name=b"../../x")]))), INVALID, words="leads out")
    yield case("models: link", push(("m.zip", link())), INVALID, words="'link'")
    yield case("models: bomb", lambda: [push(("m.zip", bomb(300 * 2**20)))], INVALID, words="200 times")
    yield case("models: encrypted", push(("m.zip", archive([Entry(name=b"x", flags=1)]))), INVALID, words="encrypted")
    yield case(
        "models: wrong checksum",
        push(("m.zip", archive([Entry(name=b"x", content=b"x", crc=1)]))),
        INVALID,
        words="'x' is broken",
    )
    yield case(
        "models: place that no file has",
        push(("m.zip", archive([Entry(name=b"x", offset=2**32 - 1, extra=b"\1\0\x08\0" + b"\xff" * 7 + b"\x3f")]))),
        INVALID,
        words="not where",
    )
    yield case(
        "models: model.json is a folder",
        push(("m.zip", archive([Entry(name=b"model.json/x", content=b"x"), GOOD])), ("model.json", b"[]")),
        INVALID,
        words="model.json",
    )
    yield case("models: model.json nested deeply", push(("model.json", b"[" * 100_000)), INVALID, words="model.json")
    yield case("models: model.json of NaN", push(("model.json", b'{"resolution": NaN}')), INVALID, words="model.json")
    yield case("models: name that leads out", push(("../..", b"1")), INVALID, words="file name")
    yield case("models: name of 50 kB", push((LONG, b"1")), INVALID)
    yield case("models: two of one name", push(("a", b"1"), ("x/a", b"2")), INVALID, words="two files a")
    yield case(
        "models: another format of nothing",
        push(("a", b"1"), path=f"{P}/models/{UNKNOWN}/x/file", method="PUT"),
        404,
        words=UNKNOWN,
    )
    yield case(
        "models: too large", request("POST", f"{P}/models/mocked", [*headers, TYPE], length=10**9), 413, words="1000000"
    )


def _json(headers: Headers) -> Iterator[Case]:
    def send(path: str, body: bytes, *more: tuple[str, str], method: str = "POST", **options: Any) -> bytes:
        return request(method, path, [*headers, *(more or (JSON,))], body, **options)

    projects, report = f"/api/{ORGANIZATION}/projects", f"{P}/detectors"
    for name, body in {
        "nothing": b"",
        "null": b"null",
        "a list": b"[]",
        "a number": b"5",
        "text": b'"text"',
        "broken": b'{"project_id": ',
        "two values": b"{} {}",
        "nested 50 000 times": b'{"project_id":' * 50_000,
        "UTF-16": '{"project_id": "a/b"}'.encode("utf-16"),
        "no UTF-8": b'{"project_id": "\xff"}',
        "a control character": b'{"project_id": "\x01"}',
        "half a character": b'{"project_id": "\\ud800"}',
        "NaN": b'{"project_id": NaN}',
        "a number of 10 000 digits": b'{"project_id": ' + b"9" * 10_000 + b"}",
        "a name of 50 kB": json.dumps({"project_id": LONG}).encode(),
        "a name with NUL": b'{"project_id": "a\\u0000b"}',
        "wrong types": b'{"project_id": {"a": []}, "categories": "all"}',
        "5000 categories": json.dumps({"project_id": "a", "categories": [str(n) for n in range(5000)]}).encode(),
        "duplicate keys": b'{"project_id": "a", "project_id": "../b"}',
    }.items():
        yield case(f"JSON: {name}", send(projects, body), INVALID, BAD)
    yield case("JSON: 20 MB announced", send(projects, b"", length=20_000_000), 413, words="1048576")
    yield case("JSON: 2 MB", send(projects, json.dumps({"project_id": "x" * 2_000_000}).encode()), 413, words="1048576")
    yield case(
        "JSON: as text", send(projects, b'{"project_id": "a/b"}', ("Content-Type", "text/plain")), INVALID, words="body"
    )
    yield case(
        "JSON: of an unknown charset",
        send(projects, b'{"project_id": "a/b"}', ("Content-Type", "application/json; charset=x")),
        INVALID,
    )
    yield case(
        "JSON: in chunks",
        request(
            "POST", projects, [*headers, JSON, ("Transfer-Encoding", "chunked")], chunked(*[b"["] * 1000), length=None
        ),
        INVALID,
        BAD,
    )
    yield case(
        "status: an uptime of NaN",
        send(report, b'{"uuid": "a", "name": "b", "state": "c", "uptime": NaN}'),
        INVALID,
        words="uptime",
    )
    yield case(
        "status: errors nested deeply",
        send(report, b'{"uuid": "a", "name": "b", "state": "c", "errors": {"a":' + b"[" * 900 + b"]" * 900 + b"}}"),
        INVALID,
    )
    yield case(
        "status: 100 kB",
        send(report, json.dumps({"uuid": "a", "name": "b", "state": "c", "x": LONG * 2}).encode()),
        INVALID,
        words="status",
    )
    yield case("status: an empty id", send(report, b'{"uuid": "", "name": "b", "state": "c"}'), INVALID, words="uuid")
    properties = b'{"a":' + b"[" * 100 + b"]" * 100 + b"}"
    nested = b'{"project_id": "a", "categories": [{"name": "a", "properties": ' + properties + b"}]}"
    yield case("JSON: properties nested deeply", send(projects, nested), INVALID, words="nested")
    yield case("target: nothing", send(f"{P}/deployment/target", b"{}", method="PUT"), INVALID, words="version")
    yield case(
        "target: a version that is none",
        send(f"{P}/deployment/target", b'{"version": 1.0}', method="PUT"),
        INVALID,
        words="version",
    )


def _paths(headers: Headers) -> Iterator[Case]:
    def get(path: str | bytes, *more: tuple[str, str]) -> bytes:
        return request("GET", path, [*headers, *more])

    for path in (
        "/api/nothing",
        "/api/%2e%2e/%2e%2e/etc/passwd",
        "/api/../../etc/passwd",
        "/api//projects",
        f"{P}/images/..%2f..%2fx/main",
        f"{P}/images/{UNKNOWN}",
        f"{P}/images/{'x' * 5000}",
        f"{P}/images/%00",
        f"{P}/images/%ff%fe/main",
        f"{P}/images/'%20OR%201=1",
        f"{P}/models/..%2f..%2fx/mocked/file",
        f"{P}/models/{UNKNOWN}/..%2f/file",
        "/api/%00/projects/x",
        "/api/x/projects/%F0%9F%98%80",
        f"/api/{ORGANIZATION}/projects/{PROJECT}%00",
        f"/api/{ORGANIZATION}/projects/{PROJECT}%20",
        f"/api/{ORGANIZATION.upper()}/projects/{PROJECT}",
    ):
        yield case(f"path {path.replace(P, 'P')[:50]}", get(path), 404, BAD, 307)
    yield case("path of 50 kB", get(f"/api/{LONG}"), 404, BAD, 414, is_ours=False)
    yield case("ids: 2000", get(f"{P}/images?ids={'a,' * 2000}"), INVALID, 200, words="ids")
    yield case("ids: odd characters", get(f"{P}/images?ids=%00,%ff,',--,*,%25"), 200, INVALID)
    yield case("state that does not exist", get(f"{P}/data?state=lost"), INVALID, words="state")
    yield case("limit of NaN", get(f"{P}/images?limit=NaN"), INVALID, 200)
    yield case("limit of -1", get(f"{P}/images?limit=-1"), INVALID, 200)
    yield case("limit of 10^30", get(f"{P}/images?limit={10**30}"), INVALID, 200)
    yield case("cursor of rubbish", get(f"{P}/images?cursor=%00rubbish%ff"), INVALID, 200)
    yield case(
        "sort that does not exist", get(f"{P}/images?sort=';drop table images"), INVALID, BAD, 200, is_ours=False
    )
    for value in (
        "bytes=-1",
        "bytes=5-2",
        "bytes=a-b",
        "items=0-5",
        "bytes=0-0,1-1,2-2",
        "bytes=" + "0-," * 20_000,
        "bytes=" + "9" * 5000 + "-",
    ):
        yield case(
            f"range {value[:25]!r}", get(f"{P}/models/{UNKNOWN}/mocked/file", ("Range", value)), 404, BAD, is_ours=False
        )
    for method, path in (
        ("DELETE", "/api/status"),
        ("PUT", f"{P}/images"),
        ("TRACE", "/api/status"),
        ("OPTIONS", f"{P}/images"),
    ):
        yield case(f"{method} {path.replace(P, 'P')}", request(method, path, headers), 405, words="Method Not Allowed")


def _logins() -> Iterator[Case]:
    def log_in(body: bytes, *headers: tuple[str, str]) -> bytes:
        return request("POST", "/api/login", headers or (URLENCODED,), body)

    def with_(*headers: tuple[str | bytes, str | bytes]) -> bytes:
        return request("GET", f"{P}/data", headers)

    yield case("login: JSON", log_in(b'{"username": "admin"}', JSON), INVALID, words="form")
    yield case("login: only a password", log_in(b"password=x"), 401, words="user name")
    yield case("login: twice the same field", log_in(b"username=a&username=b&password=x"), 401)
    yield case("login: NUL", log_in(b"username=a%00b&password=%00"), 401, INVALID)
    yield case("login: no UTF-8", log_in(b"username=%ff%fe&password=x"), 401, INVALID, BAD)
    yield case("login: half a character", log_in(b"username=%ed%a0%80&password=x"), 401, INVALID, BAD)
    yield case("login: a name of 900 kB", log_in(b"username=" + b"x" * 900_000 + b"&password=x"), 401, INVALID, 413)
    yield case("login: a password of 900 kB", log_in(b"username=y&password=" + b"x" * 900_000), 401, INVALID, 413)
    yield case(
        "login: 10 000 fields",
        log_in(b"&".join(b"f%d=1" % n for n in range(10_000)) + b"&username=a"),
        401,
        BAD,
        INVALID,
    )
    yield case(
        "login: a file for a name",
        request("POST", "/api/login", [TYPE], form((part("username"), b"admin"))[1]),
        INVALID,
        401,
    )
    yield case(
        "login: a broken form", request("POST", "/api/login", [TYPE], b"--bOuNdArY\r\nX"), 200, BAD, INVALID, 401
    )
    yield case("login: 2 MB", log_in(b"username=" + b"x" * 2_000_000), 413, words="1048576")
    yield case("no login", with_(), 401, words="log in")
    yield case("token of rubbish", with_(("Authorization", "Bearer rubbish")), 401)
    yield case("token of nothing", with_(("Authorization", "Bearer ")), 401)
    yield case("token of 50 kB", with_(("Authorization", f"Bearer {LONG}")), 401, BAD, 431, is_ours=False)
    yield case("token that is no ASCII", with_((b"Authorization", b"Bearer \xff\xfe")), 401)
    yield case("token of another kind", with_(("Authorization", "Basic YWRtaW46c2VjcmV0")), 401)
    yield case("two tokens", with_(("Authorization", "Bearer a"), ("Authorization", "Bearer b")), 401)
    yield case("cookie of rubbish", with_(("Cookie", "loop_session=rubbish")), 401)
    yield case("cookie that is none", with_(("Cookie", ";;;=;\x7f")), 401, BAD, is_ours=False)
    yield case("cookie of 50 kB", with_(("Cookie", f"loop_session={LONG}")), 401, BAD, 431, is_ours=False)
    yield case("cookie with half a quote", with_(("Cookie", 'loop_session="abc')), 401)
    yield case("logout of nobody", request("POST", "/api/logout", [("Cookie", "loop_session=x")]), 200, 401)


def _http(headers: Headers) -> Iterator[Case]:
    yield case(
        "from a page elsewhere",
        request(
            "POST",
            f"/api/{ORGANIZATION}/projects",
            [*headers, JSON, ("Origin", "http://elsewhere.example")],
            b'{"project_id": "x"}',
        ),
        403,
        words="origin",
    )
    yield case(
        "from a page of nowhere",
        request("POST", f"/api/{ORGANIZATION}/projects", [*headers, JSON, ("Origin", "null")], b'{"project_id": "x"}'),
        403,
        words="origin",
    )
    yield case(
        "from another site",
        request(
            "POST",
            f"/api/{ORGANIZATION}/projects",
            [*headers, JSON, ("Sec-Fetch-Site", "cross-site")],
            b'{"project_id": "x"}',
        ),
        403,
        words="origin",
    )
    yield case(
        "10 000 headers",
        request("GET", "/api/status", [*headers, *((f"x-{n}", "y") for n in range(10_000))]),
        200,
        BAD,
        431,
        is_ours=False,
    )
    yield case(
        "header of 900 kB",
        request("GET", "/api/status", [*headers, ("x", "y" * 900_000)]),
        200,
        BAD,
        431,
        is_ours=False,
    )
    yield case("two lengths", request("POST", "/api/login", [("Content-Length", "3")], b"abcdef"), BAD, is_ours=False)
    yield case(
        "length and chunks",
        request("POST", "/api/login", [("Transfer-Encoding", "chunked")], chunked(b"x"), length=3),
        BAD,
        200,
        INVALID,
        401,
        is_ours=False,
    )
    yield case("length of letters", request("POST", "/api/login", [], b"x", length="abc"), BAD, is_ours=False)
    yield case("rubbish", bytes(range(256)) * 20, BAD, 0, is_ours=False)
    yield case("method that nobody knows", request("BREW", "/api/status"), BAD, 405, is_ours=False)
    yield case(
        "upgrade to a websocket",
        request(
            "GET",
            "/api/status",
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "x" * 24),
            ],
        ),
        BAD,
        403,
        404,
        500,
        is_ours=False,
    )
    yield case(
        "header of 1 byte a second",
        lambda: [b"GET /api/status HTTP/1.1\r\nX: ", b"-", b"-"],
        -1,
        is_left_open=True,
        is_ours=False,
    )
