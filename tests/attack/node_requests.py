"""Malformed requests for the REST interface of a detector node. The node has small limits, see `test_node_rest.py`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.builders import jpeg

from .pictures import segment, with_segments
from .wire import BOUNDARY, Case, case, chunked, form, part, request

JPEG = jpeg()
MAX_REQUEST_BYTES = 1_000_000
FILE, FILES = part("file"), part("files")
TYPE = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
LONG = "x" * 100_000


def detect(*headers: tuple[str | bytes, str | bytes], content: bytes = JPEG) -> bytes:
    """A good detection with more headers."""
    head, body = form((FILE, content))
    return request("POST", "/detect", [*head, *headers], body)


def upload(query: str = "", *parts: tuple[bytes, bytes]) -> bytes:
    head, body = form(*(parts or ((FILES, b"no image"),)))
    return request("POST", f"/upload{query}", head, body)


def raw_form(body: bytes, content_type: str = TYPE[1], **options: object) -> bytes:
    return request("POST", "/detect", [("Content-Type", content_type)], body, **options)  # type: ignore[arg-type]


def put(path: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    return request("PUT", path, headers, body)


def with_header(header: bytes) -> bytes:
    return raw_form(form((header, JPEG))[1])


def endless(path: str, total: int) -> Iterator[bytes]:
    """A body that is longer than allowed, and never says so before."""
    yield request("POST", path, [TYPE, ("Transfer-Encoding", "chunked")], length=None)
    block = b"%x\r\n%s\r\n" % (65_536, bytes(65_536))
    for _ in range(total // 65_536):
        yield block


def slowly(head: bytes, size: int = 3) -> Iterator[bytes]:
    """The beginning of a body, byte by byte; the rest never comes."""
    yield head
    for _ in range(size):
        yield b"-"


GOOD_FORM = form((FILE, JPEG))[1]
INVALID = 422
BAD = 400

FORMS: list[Case] = [
    case("no body", request("POST", "/detect", length=None), INVALID, words="content type"),
    case("empty body", raw_form(b""), INVALID, words="empty"),
    case(
        "a body of JSON",
        request("POST", "/detect", [("Content-Type", "application/json")], b"{}"),
        INVALID,
        words="multipart",
    ),
    case(
        "a bare image", request("POST", "/detect", [("Content-Type", "image/jpeg")], JPEG), INVALID, words="multipart"
    ),
    case(
        "an urlencoded form",
        request("POST", "/detect", [("Content-Type", "application/x-www-form-urlencoded")], b"file=x"),
        INVALID,
    ),
    case("no boundary", raw_form(GOOD_FORM, "multipart/form-data"), INVALID, words="boundary"),
    case("empty boundary", raw_form(GOOD_FORM, "multipart/form-data; boundary="), INVALID, words="boundary"),
    case("wrong boundary", raw_form(GOOD_FORM, "multipart/form-data; boundary=other"), INVALID, words="form"),
    case("boundary of 300 letters", raw_form(GOOD_FORM, f"multipart/form-data; boundary={'b' * 300}"), INVALID),
    case(
        "boundary of control characters",
        raw_form(GOOD_FORM, "multipart/form-data; boundary=\x7f\x80"),
        INVALID,
        BAD,
        is_ours=False,
    ),
    case("two boundaries", raw_form(GOOD_FORM, f"multipart/form-data; boundary=x; boundary={BOUNDARY}"), 200, INVALID),
    case(
        "multipart, but mixed", raw_form(GOOD_FORM, f"multipart/mixed; boundary={BOUNDARY}"), INVALID, words="multipart"
    ),
    case("content type of 100 kB", raw_form(GOOD_FORM, f"multipart/form-data; boundary={LONG}"), INVALID, BAD, 431),
    case(
        "two content types", request("POST", "/detect", [("Content-Type", "text/plain"), TYPE], GOOD_FORM), 200, INVALID
    ),
    case(
        "charset that nobody knows",
        raw_form(GOOD_FORM, f"multipart/form-data; charset=utf-99; boundary={BOUNDARY}"),
        200,
    ),
    case("form that ends in its header", raw_form(b"--bOuNdArY\r\nContent-Dis"), INVALID, words="ends"),
    case("form that ends in its content", raw_form(GOOD_FORM[:-30]), INVALID, words="ends"),
    case("form without its end", raw_form(form((FILE, JPEG), end=b"\r\n")[1]), INVALID, words="ends"),
    case("form with something behind it", raw_form(GOOD_FORM + b"x" * 1000), 200),
    case("form with something in front", raw_form(b"preamble\r\n" + GOOD_FORM), 200, INVALID),
    case("nothing but boundaries", raw_form(b"--bOuNdArY\r\n" * 5000), INVALID),
    case("nothing but line breaks", raw_form(b"\r\n" * 50_000), INVALID),
    case("nothing but zeros", raw_form(bytes(100_000)), INVALID),
    case(
        "10 000 parts", raw_form(form(*[(part(f"p{n}", None), b"x") for n in range(10_000)])[1]), INVALID, words="parts"
    ),
    case("5 000 files", raw_form(form(*[(FILE, b"x")] * 5000)[1]), INVALID, words="at most 1000"),
    case("two files", raw_form(form((FILE, b"x"), (FILE, JPEG))[1]), 200),
    case("part with a header of 900 kB", with_header(FILE + b"\r\nX: " + b"y" * 900_000), INVALID, words="form"),
    case("part with 10 000 headers", with_header(FILE + b"\r\nX: y" * 10_000), INVALID, words="form"),
    case("part with a name of 100 kB", with_header(part(LONG)), INVALID),
    case("part with a file name of 100 kB", with_header(part("file", LONG)), INVALID, 200),
    case("part without name", with_header(b'Content-Disposition: form-data; filename="x"'), INVALID, words="name"),
    case("part without headers", raw_form(b"--bOuNdArY\r\n\r\nx\r\n--bOuNdArY--\r\n"), INVALID),
    case("part with an empty name", with_header(part("")), INVALID, words="'file' is missing"),
    case("part with another name", with_header(part("image")), INVALID, words="only 'image'"),
    case("part with control characters in its name", with_header(part("fi\x01le")), INVALID),
    case(
        "part with a broken encoding in its name",
        with_header(b'Content-Disposition: form-data; name="\xff\xfe"; filename="x"'),
        INVALID,
    ),
    case(
        "part with two names",
        with_header(b'Content-Disposition: form-data; name="a"; name="file"; filename="x"'),
        200,
        INVALID,
    ),
    case("part with two dispositions", with_header(FILE + b"\r\n" + part("image")), 200, INVALID),
    case("part that is a text", with_header(part("file", None)), INVALID, words="file"),
    case("part with a header that is none", with_header(FILE + b"\r\nno colon"), INVALID, words="form"),
    case("part with a transfer encoding", with_header(FILE + b"\r\nContent-Transfer-Encoding: base64"), 200, INVALID),
    case("file name that leads out", with_header(part("file", "../../etc/passwd")), 200),
    case("file name with NUL", with_header(part("file", "a\0b")), 200, INVALID),
    case(
        "part of the old RFC",
        with_header(b"Content-Disposition: form-data; name*=utf-8''file; filename*=utf-8''x"),
        200,
        INVALID,
    ),
]

LENGTHS: list[Case] = [
    case("negative length", raw_form(GOOD_FORM, length=-5), BAD, is_ours=False),
    case("length of letters", raw_form(GOOD_FORM, length="abc"), BAD, is_ours=False),
    case("length with a sign", raw_form(GOOD_FORM, length=f"+{len(GOOD_FORM)}"), BAD, is_ours=False),
    case("length in hexadecimal", raw_form(GOOD_FORM, length=hex(len(GOOD_FORM))), BAD, is_ours=False),
    case("length of 10^30", raw_form(GOOD_FORM, length=10**30), BAD, 413, is_ours=False),
    case("length of 10 GB", raw_form(b"", length=10**10), 413, words="MAX_REQUEST_BYTES"),
    case("length of 1 byte too many", raw_form(b"", length=MAX_REQUEST_BYTES + 1), 413, words="MAX_REQUEST_BYTES"),
    case("two lengths", request("POST", "/detect", [TYPE, ("Content-Length", "5")], GOOD_FORM), BAD, is_ours=False),
    case(
        "length and chunks",
        request("POST", "/detect", [TYPE, ("Transfer-Encoding", "chunked")], chunked(GOOD_FORM), length=5),
        BAD,
        200,
        is_ours=False,
    ),
    case("length shorter than the body", raw_form(GOOD_FORM, length=len(GOOD_FORM) - 40), INVALID, BAD, is_ours=False),
    case("length of 0 for a body", raw_form(GOOD_FORM, length=0), INVALID, BAD, is_ours=False),
    case("body that never comes", raw_form(b"", length=1000), -1, is_left_open=True, is_ours=False),
    case("body of 1 byte a second", lambda: slowly(raw_form(b"", length=1000)), -1, is_left_open=True, is_ours=False),
    case(
        "header of 1 byte a second",
        lambda: slowly(b"POST /detect HTTP/1.1\r\nX: "),
        -1,
        is_left_open=True,
        is_ours=False,
    ),
    case(
        "chunks",
        request(
            "POST",
            "/detect",
            [TYPE, ("Transfer-Encoding", "chunked")],
            chunked(*(GOOD_FORM[n : n + 1] for n in range(len(GOOD_FORM)))),
            length=None,
        ),
        200,
    ),
    case(
        "chunks of rubbish",
        request("POST", "/detect", [TYPE, ("Transfer-Encoding", "chunked")], b"rubbish\r\n" * 9, length=None),
        BAD,
        is_ours=False,
    ),
    case(
        "chunk of negative size",
        request("POST", "/detect", [TYPE, ("Transfer-Encoding", "chunked")], b"-5\r\nxxxxx\r\n", length=None),
        BAD,
        is_ours=False,
    ),
    case(
        "chunk of 2^70 bytes",
        request("POST", "/detect", [TYPE, ("Transfer-Encoding", "chunked")], b"%x\r\n" % 2**70, length=None),
        BAD,
        is_ours=False,
    ),
    case("chunks without end", lambda: endless("/detect", 100_000_000), 413, words="MAX_REQUEST_BYTES"),
    case(
        "encoding that nobody knows",
        request("POST", "/detect", [TYPE, ("Transfer-Encoding", "gzip")], GOOD_FORM, length=None),
        BAD,
        INVALID,
        is_ours=False,
    ),
    case(
        "packed body",
        request("POST", "/detect", [TYPE, ("Content-Encoding", "gzip")], b"\x1f\x8b\x08" + bytes(100)),
        INVALID,
        words="form",
    ),
    case(
        "100 MB in one part", lambda: [raw_form(b"", length=100_000_000), bytes(65_536)], 413, words="MAX_REQUEST_BYTES"
    ),
]

OPTIONS: list[Case] = [
    case("autoupload that does not exist", detect(("autoupload", "nope")), INVALID, words="autoupload"),
    case("autoupload of 100 kB", detect(("autoupload", LONG)), INVALID, BAD, 431, words="autoupload"),
    case("date that is none", detect(("creation-date", "yesterday")), INVALID, words="creation_date"),
    case("date in the year 99999", detect(("creation-date", "99999-01-01")), INVALID, words="creation_date"),
    case(
        "date of digits that are none of ours", detect(("creation-date", "٢٠٢٦-01-01")), INVALID, words="creation_date"
    ),
    *(
        case(f"deadline {value[:20]!r}", detect(("timeout-s", value)), INVALID, words="timeout_s")
        for value in (
            "NaN",
            "-nan",
            "inf",
            "-inf",
            "1e400",
            "-1",
            "0",
            "soon",
            "1_0_0x",
            "٣x",
            "0x10",
            "1,5",
            "9" * 5000,
        )
    ),
    case("two deadlines", detect(("timeout-s", "NaN"), ("timeout-s", "5")), INVALID, words="timeout_s"),
    case("camera of 100 kB", detect(("camera-id", LONG)), INVALID, words="camera_id"),
    case("source of 100 kB", detect(("source", LONG)), INVALID, words="source"),
    case("5000 tags", detect(("tags", ",".join(f"t{n}" for n in range(5000)))), INVALID, words="tags"),
    case("tag of 100 kB", detect(("tags", LONG)), INVALID, words="tags"),
    case("tags of nothing but commas", detect(("tags", "," * 50_000)), 200),
    case("camera with control characters", detect((b"camera-id", b"a\x01\x02\x1b[2J")), 200, BAD, is_ours=False),
    case("camera with NUL", detect((b"camera-id", b"a\0b")), BAD, is_ours=False),
    case("camera that is no UTF-8", detect((b"camera-id", b"\xff\xfe\x80")), 200),
    case("camera with half a surrogate", detect((b"camera-id", b"\xed\xa0\x80")), 200),
    case("camera with a line break", detect((b"camera-id", b"a\r\n b")), 200, BAD, INVALID, is_ours=False),
    case("both spellings", detect(("camera-id", "a"), ("camera_id", "b")), 200),
    case(
        "upload: priority that is none",
        upload("?upload_priority=perhaps", (FILES, JPEG)),
        INVALID,
        words="upload_priority",
    ),
    case("upload: date that is none", upload("?creation_date=1", (FILES, JPEG)), INVALID, words="creation_date"),
    case(
        "upload: source of 100 kB",
        upload(f"?source={LONG}", (FILES, JPEG)),
        INVALID,
        BAD,
        414,
        words="source",
        is_ours=False,
    ),
    case("upload: broken escapes in the query", upload("?source=%zz%&%=%", (FILES, b"x")), INVALID, words="image 1"),
    case(
        "upload: 5 000 parameters",
        upload("?" + "&".join(f"a{n}={n}" for n in range(5_000))),
        INVALID,
        words="image 1",
    ),
]

IMAGES: list[Case] = [
    case("empty image", detect(content=b""), INVALID, words="empty"),
    case("text for an image", detect(content=b"no image"), INVALID, words="not a JPEG"),
    case("half an image", detect(content=JPEG[:-300]), INVALID, words="truncated"),
    case(
        "image with an endless header",
        detect(content=with_segments(*[segment(0xFE, b"x")] * 5000)),
        INVALID,
        words="segments",
    ),
    case(
        "upload: nothing but bad ones",
        upload("", (FILES, b"no image")),
        INVALID,
        words=("image 1 of 1", "none was kept"),
    ),
    case(
        "upload: the last is bad",
        upload("", *[(FILES, JPEG)] * 9, (FILES, JPEG[:-9])),
        INVALID,
        words=("image 10 of 10", "none was kept"),
    ),
    case("upload: 1001 files", upload("", *[(FILES, b"x")] * 1001), INVALID, words="at most 1000"),
    case("upload: as the wrong part", upload("", (FILE, JPEG)), INVALID, words="'files' is missing"),
]

PATHS: list[Case] = [
    *(
        case(f"path {path[:30]!r}", request("GET", path), 404, BAD, is_ours=False)
        for path in (
            "/nothing",
            "//about",
            "/about/x",
            "/About",
            "/..",
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/about%00",
            "/%00",
            "/%",
            "/%zz",
            "/%ff%fe",
            "/..%5c..%5cx",
            "/about;x=y",
            "*",
            "about",
            "/\\",
            "/ws",
            "/ws/socket.iox/",
        )
    ),
    case("an address as path", request("GET", "http://elsewhere.example/about"), 200, 404, BAD, is_ours=False),
    case("path with a slash too many", request("GET", "/about/"), 307, is_ours=False),
    case("path with an escaped slash", request("GET", "/%61bout%2f"), 307, 404, is_ours=False),
    case("path of 100 kB", request("GET", "/" + LONG), 404, BAD, 414, is_ours=False),
    case("query of 100 kB", request("GET", f"/about?{LONG}"), 200, BAD, 414, is_ours=False),
    case("10 000 slashes", request("GET", "/" * 10_000), 404, BAD, is_ours=False),
    case("path with blanks", request("GET", "/about about"), BAD, is_ours=False),
    case("path that is no ASCII", request("GET", "/über".encode()), 404, BAD, is_ours=False),
    case("path with a control character", request("GET", b"/about\x01"), 404, BAD, is_ours=False),
]

METHODS: list[Case] = [
    *(
        case(f"{method} {path}", request(method, path), 405, words="Method Not Allowed")
        for method, path in (
            ("GET", "/detect"),
            ("PUT", "/detect"),
            ("DELETE", "/detect"),
            ("PATCH", "/upload"),
            ("POST", "/about"),
            ("DELETE", "/about"),
            ("POST", "/model_version"),
            ("OPTIONS", "/about"),
            ("PROPFIND", "/about"),
            ("TRACE", "/about"),
        )
    ),
    case("method that nobody knows", request("BREW", "/about"), BAD, 405, is_ours=False),
    case("method in small letters", request("get", "/about"), BAD, 405, is_ours=False),
    case("method of 100 kB", request(LONG, "/about"), BAD, is_ours=False),
    case("CONNECT", request("CONNECT", "elsewhere.example:443"), BAD, 404, 405, is_ours=False),
    case("POST /reset", request("POST", "/reset"), 404),
    *(
        case(f"{path} with {body[:12]!r}", put(path, body), status, words=words)
        for path, body, status, words in (
            ("/model_version", b"abc", BAD, "Invalid version"),
            ("/model_version", b"", BAD, "Invalid version"),
            ("/model_version", b"1.0/../../x", BAD, "Invalid version"),
            ("/model_version", b"9" * 9000, BAD, "Invalid version"),
            ("/model_version", b"\xff\xfe", INVALID, "UTF-8"),
            ("/model_version", b"x" * 20_000, 413, "one word"),
            ("/operation_mode", b"nonsense", INVALID, "OperationMode"),
            ("/operation_mode", b'{"mode": "idle"}', INVALID, "OperationMode"),
            ("/operation_mode", b"\0", INVALID, "OperationMode"),
            ("/outbox_mode", b"nonsense", INVALID, "OutboxMode"),
            ("/outbox_mode", b"stopped\nstopped", INVALID, "OutboxMode"),
            ("/outbox_mode", b"[" * 9000, INVALID, "OutboxMode"),
            ("/debug_logging", b"nonsense", BAD, "on"),
            ("/socketio", b"\xed\xa0\x80", INVALID, "UTF-8"),
            ("/socketio", b"ON", BAD, "on"),
        )
    ),
    case(
        "a word that never ends",
        lambda: [request("PUT", "/outbox_mode", length=10**9), bytes(65_536)],
        413,
        words="one word",
    ),
]

HEADERS: list[Case] = [
    case(
        "10 000 headers",
        request("GET", "/about", [(f"x-{n}", "y") for n in range(10_000)]),
        200,
        BAD,
        431,
        is_ours=False,
    ),
    case("header of 900 kB", request("GET", "/about", [("x", "y" * 900_000)]), 200, BAD, 431, is_ours=False),
    case("header name of 100 kB", request("GET", "/about", [(LONG, "y")]), 200, BAD, 431, is_ours=False),
    case("header name with a blank", request("GET", "/about", [("a b", "y")]), BAD, 200, is_ours=False),
    case("header name of control characters", request("GET", "/about", [(b"\x01\x02", "y")]), BAD, is_ours=False),
    case("header without colon", b"GET /about HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", BAD, is_ours=False),
    case("no host", b"GET /about HTTP/1.1\r\n\r\n", 200, BAD, is_ours=False),
    case("two hosts", request("GET", "/about", [("Host", "elsewhere.example")]), 200, BAD, is_ours=False),
    case(
        "host of 100 kB", b"GET /about HTTP/1.1\r\nHost: " + LONG.encode() + b"\r\n\r\n", 200, BAD, 431, is_ours=False
    ),
    case("ranges", request("GET", "/about", [("Range", "bytes=0-1,2-3,-5")]), 200),
    case(
        "100 000 ranges",
        request("GET", "/about", [("Range", "bytes=" + ",".join(["0-"] * 30_000))]),
        200,
        BAD,
        431,
        is_ours=False,
    ),
    case("cookies of 100 kB", request("GET", "/about", [("Cookie", f"a={LONG}; =;;;=b")]), 200, BAD, is_ours=False),
    case("login that is none", request("GET", "/about", [("Authorization", "Bearer \xff")]), 200),
    case(
        "expectation",
        request("POST", "/detect", [TYPE, ("Expect", "100-continue")], GOOD_FORM),
        200,
        100,
        is_ours=False,
    ),
    case(
        "expectation that nobody knows",
        request("POST", "/detect", [TYPE, ("Expect", "a miracle")], GOOD_FORM),
        200,
        417,
        is_ours=False,
    ),
    case(
        "upgrade to nothing",
        request("GET", "/about", [("Upgrade", "nothing"), ("Connection", "upgrade")]),
        200,
        BAD,
        426,
        is_ours=False,
    ),
    case(
        "websocket where there is none",
        request(
            "GET",
            "/about",
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
        is_ours=False,
    ),
    case("HTTP/2 by surprise", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD, 404, 405, 0, is_ours=False),
    case("HTTP/0.9", b"GET /about\r\n\r\n", BAD, 200, is_ours=False),
    case("HTTP/9.9", request("GET", "/about", version="9.9"), BAD, 200, 505, is_ours=False),
    case(
        "TLS where there is none", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), BAD, 0, is_ours=False
    ),
    case("rubbish", bytes(range(256)) * 20, BAD, 0, is_ours=False),
    case("nothing but line breaks, then silence", b"\r\n" * 20, -1, is_left_open=True, is_ours=False),
    case(
        "a second request hidden in the first",
        request("GET", "/about", length=40, body=b"") + b"PUT /outbox_mode HTTP/1.1\r\nHost: a\r\n\r\n",
        200,
        BAD,
        is_ours=False,
    ),
]

ELSEWHERE, NEIGHBOUR = ("Origin", "http://elsewhere.example"), ("Origin", "http://127.0.0.1:8080")
PAGES: list[Case] = [
    case("a page elsewhere detects", detect(ELSEWHERE), 403, words="NODE_ALLOWED_ORIGINS"),
    case("a page elsewhere uploads", request("POST", "/upload", [TYPE, ELSEWHERE], GOOD_FORM), 403, words="elsewhere"),
    case("a page elsewhere switches", put("/outbox_mode", b"stopped", ELSEWHERE), 403, words="elsewhere"),
    case("a page of nowhere switches", put("/socketio", b"off", ("Origin", "null")), 403, words="null"),
    case("an endless origin", put("/socketio", b"off", ("Origin", f"http://{LONG}")), 403, words="xxx"),
    case("a page elsewhere looks", request("GET", "/about", [ELSEWHERE]), 200),
    case("a page of the same host detects", detect(NEIGHBOUR, ("autoupload", "disabled")), 200),
]

SIO = "/ws/socket.io/"


def poll(query: str, *headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> bytes:
    """A request of a Socket.IO client without websocket."""
    return request(method, f"{SIO}?{query}", headers, body)


SOCKET_IO: list[Case] = [
    case("Socket.IO: no query", poll(""), BAD, is_ours=False),
    case("Socket.IO: version 3", poll("EIO=3&transport=polling"), BAD, is_ours=False),
    case("Socket.IO: version NaN", poll("EIO=NaN&transport=polling"), BAD, is_ours=False),
    case("Socket.IO: a way that does not exist", poll("EIO=4&transport=pigeon"), BAD, is_ours=False),
    case("Socket.IO: a session that does not exist", poll("EIO=4&transport=polling&sid=x"), BAD, is_ours=False),
    case("Socket.IO: two sessions", poll("EIO=4&transport=polling&sid=x&sid=y"), BAD, is_ours=False),
    case("Socket.IO: a session of 50 kB", poll(f"EIO=4&transport=polling&sid={'x' * 50_000}"), BAD, is_ours=False),
    case(
        "Socket.IO: POST without session", poll("EIO=4&transport=polling", method="POST", body=b"4"), BAD, is_ours=False
    ),
    case("Socket.IO: PUT", poll("EIO=4&transport=polling", method="PUT", body=b"4"), BAD, 405, is_ours=False),
    case("Socket.IO: answer for a script", poll("EIO=4&transport=polling&j=x"), BAD, 200, is_ours=False),
    case(
        "Socket.IO: from a foreign page",
        poll("EIO=4&transport=polling", ("Origin", "http://elsewhere.example")),
        BAD,
        403,
        is_ours=False,
    ),
    case("Socket.IO: from the same host", poll("EIO=4&transport=polling", NEIGHBOUR), 200, is_ours=False),
    case("Socket.IO: from nowhere", poll("EIO=4&transport=polling", ("Origin", "null")), BAD, 403, is_ours=False),
    case(
        "Socket.IO: 10 GB announced",
        request("POST", f"{SIO}?EIO=4&transport=polling&sid=x", length=10**10),
        413,
        words="a message has more than",
    ),
    case(
        "Socket.IO: GET with 10 GB",
        request("GET", f"{SIO}?EIO=4&transport=polling", length=10**10),
        413,
        words="a message has more than",
    ),
    case(
        "Socket.IO: a body without end",
        lambda: endless(f"{SIO}?EIO=4&transport=polling&sid=x", 200_000_000),
        413,
        words="a message has more than",
    ),
    case(
        "Socket.IO: a body that never comes",
        request("POST", f"{SIO}?EIO=4&transport=polling&sid=x", length=100),
        -1,
        is_left_open=True,
        is_ours=False,
    ),
]

CASES = [*FORMS, *LENGTHS, *OPTIONS, *IMAGES, *PATHS, *METHODS, *HEADERS, *PAGES, *SOCKET_IO]
