"""Malformed Socket.IO messages for a detector node, frame by frame.

A frame of text begins with the kind of the engine.io packet (4: message) and that of the Socket.IO packet (0: connect,
1: disconnect, 2: event, 3: acknowledgement, 5: event with attachments), then the id of the wanted acknowledgement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.builders import jpeg

JPEG = jpeg()
LONG = "x" * 100_000
ID = 77
"""Of the acknowledgement that a case waits for."""

Frame = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Frames, and the words of the error that they must be answered with; without words there is no answer."""

    name: str
    frames: Callable[[], Iterable[Frame]]
    words: tuple[str, ...] = ()
    is_fine: bool = False


def case(name: str, *frames: Frame, words: str = "", is_fine: bool = False) -> Case:
    return Case(name=name, frames=lambda: frames, words=(words,) if words else (), is_fine=is_fine)


def event(name: str, *arguments: Any, id_: int | str = ID) -> str:
    return f"42{id_}{json.dumps([name, *arguments])}"


def with_attachments(name: str, argument: Any, *attachments: bytes, count: int | str | None = None) -> list[Frame]:
    number = len(attachments) if count is None else count
    return [f"45{number}-{ID}{json.dumps([name, argument])}", *attachments]


def place(number: Any) -> dict[str, Any]:
    return {"_placeholder": True, "num": number}


def raw(name: str, content: bytes = bytes(12), **changes: Any) -> Callable[[str], Case]:
    """A detection in a raw array of 2 × 2 pixels with these changes; None leaves a key out."""
    image = {"bytes": place(0), "dtype": "uint8", "shape": [2, 2, 3]} | changes
    image = {key: value for key, value in image.items() if value is not None}
    return lambda words: case(name, *with_attachments("detect", {"image": image}, content), words=words)


def option(name: str, value: Any, words: str) -> Case:
    image = {"format": "jpeg", "bytes": place(0)}
    label = f"{name} {json.dumps(value)[:30]}"
    return case(label, *with_attachments("detect", {"image": image, name: value}, JPEG), words=words)


def upload(name: str, metadata: Any, words: str, **others: Any) -> Case:
    data = {"image": {"format": "jpeg", "bytes": place(0)}, "metadata": metadata, **others}
    return case(f"upload: {name}", *with_attachments("upload", data, JPEG), words=words)


def nested(depth: int) -> str:
    return f'42{ID}["detect",{"[" * depth}{"]" * depth}]'


def flood(count: int, text: str) -> Callable[[], Iterable[Frame]]:
    return lambda: (text for _ in range(count))


def cameras(count: int) -> Iterable[Frame]:
    """Detections of so many cameras, of which only the last is acknowledged."""
    image = {"bytes": place(0), "dtype": "uint8", "shape": [2, 2]}
    for number in range(count):
        data = {"image": image, "camera_id": f"camera {number}", "autoupload": "filtered"}
        yield f"451-{json.dumps(['detect', data])}"
        yield b"1234"


BOX = {"category_name": "a", "x": 1, "y": 1, "width": 2, "height": 2, "model_name": "1", "confidence": 0.5}

IMAGES: list[Case] = [
    raw("dtype object", dtype="object")("dtype"),
    raw("dtype O", dtype="O")("dtype"),
    raw("dtype of a huge item", dtype="S1000000000")("dtype"),
    raw("dtype with fields", dtype="u1,u1,u1")("dtype"),
    raw("dtype of time", dtype="datetime64[s]")("dtype"),
    raw("dtype is a number", dtype=5)("dtype"),
    raw("dtype is a list", dtype=[["a", "u1"]])("dtype"),
    raw("dtype is null", dtype=[None])("dtype"),
    raw("dtype of 100 kB", dtype=LONG)("dtype"),
    raw("dtype is missing", dtype=None)("'dtype' is missing"),
    raw("shape negative", shape=[-2, -2, 3])("shape"),
    raw("shape -1", shape=[-1, 2, 3])("shape"),
    raw("shape 0", b"", shape=[0, 0, 3])("shape"),
    raw("shape overflows", shape=[2**62, 2**62, 3])("shape"),
    raw("shape beyond 64 bits", shape=[10**30, 1, 3])("shape"),
    raw("shape of floats", shape=[2.0, 2.0, 3.0])("shape"),
    raw("shape of texts", shape=["2", "2", "3"])("shape"),
    raw("shape of booleans", shape=[True, True, True])("shape"),
    raw("shape is text", shape="2,2,3")("shape"),
    raw("shape is a number", shape=12)("shape"),
    raw("shape has one side", shape=[12])("shape"),
    raw("shape has 100 000 sides", shape=[1] * 100_000)("shape"),
    raw("shape within shape", shape=[[2, 2, 3]])("shape"),
    raw("shape does not fit the bytes", shape=[2, 2])("bytes"),
    raw("shape of many pixels", shape=[9000, 9000, 3])("MAX_IMAGE_PIXELS"),
    raw("shape is missing", shape=None)("'shape' is missing"),
    raw("no bytes at all", b"")("bytes"),
    raw("too few bytes", b"123")("bytes"),
    raw("format that nobody knows", format="tiff")("format"),
    raw("format is a list", format=["jpeg"])("format"),
    raw("jpeg that is none", format="jpeg")("not a JPEG"),
    case(
        "bytes are text",
        event("detect", {"image": {"bytes": "text", "dtype": "uint8", "shape": [2, 2]}}),
        words="bytes",
    ),
    case(
        "bytes are a list",
        event("detect", {"image": {"bytes": [1, 2], "dtype": "uint8", "shape": [1, 2]}}),
        words="bytes",
    ),
    case("bytes are a number", event("detect", {"image": {"bytes": 4, "format": "jpeg"}}), words="bytes"),
    case("image is bytes", *with_attachments("detect", {"image": place(0)}, JPEG), words="image"),
    case("everything is bytes", *with_attachments("detect", place(0), JPEG), words="key 'image'"),
    case("image is null", event("detect", {"image": None}), words="image"),
    case("image is a list", event("detect", {"image": [1]}), words="image"),
    case("no image", event("detect", {}), words="'image' is missing"),
    case("text for an object", event("detect", "text"), words="key 'image'"),
    case("null for an object", event("detect", None), words="key 'image'"),
    case("nothing for an object", event("detect"), words="key 'image'"),
    case("too many arguments", event("detect", {}, 2, 3), words="arguments"),
    case("images are no list", event("batch_detect", {"images": {}}), words="images"),
    case("images of nothing", event("batch_detect", {"images": [None] * 1000}), words=r"images\[0\]"),
    case(
        "half a jpeg",
        *with_attachments("detect", {"image": {"format": "jpeg", "bytes": place(0)}}, JPEG[:-400]),
        words="truncated",
    ),
]

OPTIONS: list[Case] = [
    option("autoupload", "nope", "autoupload"),
    option("autoupload", ["all"], "autoupload"),
    option("autoupload", {"a": 1}, "autoupload"),
    option("creation_date", "yesterday", "creation_date"),
    option("creation_date", 5.5, "creation_date"),
    option("timeout_s", "soon", "timeout_s"),
    option("timeout_s", -1, "timeout_s"),
    option("timeout_s", [1], "timeout_s"),
    option("timeout_s", float("nan"), "timeout_s"),
    option("timeout_s", float("inf"), "timeout_s"),
    option("timeout_s", "9" * 5000, "timeout_s"),
    option("timeout_s", 10**400, "timeout_s"),
    option("camera_id", ["left"], "camera_id"),
    option("camera_id", 1.5, "camera_id"),
    option("camera_id", LONG, "camera_id"),
    option("camera_id", "\ud800", "camera_id"),
    option("camera_id", True, "camera_id"),
    option("source", {}, "source"),
    option("source", LONG, "source"),
    option("source", "\udfff", "source"),
    option("tags", "a,b", "tags"),
    option("tags", [5], "tags"),
    option("tags", ["x"] * 5000, "tags"),
    option("tags", [LONG], "tags"),
    option("tags", ["\ud800"], "tags"),
    upload("metadata is text", "text", "metadata"),
    upload("metadata is a list", [1], "metadata"),
    upload("boxes are no list", {"box_detections": {}}, "box_detections"),
    upload("box without anything", {"box_detections": [{}]}, "box_detections"),
    upload("box of NaN", {"box_detections": [BOX | {"confidence": float("nan")}]}, "confidence"),
    upload("box of infinity", {"box_detections": [BOX | {"confidence": float("inf")}]}, "confidence"),
    upload("box beyond 64 bits", {"box_detections": [BOX | {"x": 10**40}]}, "x"),
    upload("box of negative size", {"box_detections": [BOX | {"width": -2}]}, "negative"),
    upload("name of half a character", {"box_detections": [BOX | {"category_name": "\ud800"}]}, "JSON"),
    upload("shape nested deeply", {"segmentation_detections": [{"shape": {"points": [[[[[[[]]]]]]]}}]}, "segmentation"),
    upload("state is a number", {"state": 5}, "state"),
    upload("date is a list", {"created": []}, "created"),
    upload("tag of 100 kB", {"tags": [LONG]}, "tags"),
    upload("priority is an object", {}, "upload_priority", upload_priority={}),
    case("mode is a number", event("set_outbox_mode", 5), words="one word"),
    case("mode is an object", event("set_outbox_mode", {"mode": "stopped"}), words="one word"),
    case("mode that does not exist", event("set_outbox_mode", "nonsense"), words="OutboxMode"),
    case("mode of 100 kB", event("set_outbox_mode", LONG), words="OutboxMode"),
    case("mode is missing", event("set_outbox_mode"), words="one word"),
    case("version that is none", event("set_model_version_mode", "../../x"), words="Invalid version"),
    case("version is null", event("set_model_version_mode", None), words="one word"),
    case("bytes for a word", *with_attachments("set_outbox_mode", place(0), b"stopped"), words="one word"),
    case("arguments for a question", event("about", 1, 2, 3), is_fine=True),
    case("bytes for a question", *with_attachments("about", place(0), bytes(9)), is_fine=True),
]

PACKETS: list[Case] = [
    case("event that nobody knows", event("nothing"), words="no event 'nothing'"),
    case("event with an empty name", event(""), words="no event ''"),
    case("event of 100 kB", event(LONG), words="no event"),
    case("event called *", event("*", "about"), words="'*'"),
    case("event called connect", event("connect"), words="'connect'"),
    case("event called disconnect", event("disconnect", "why"), words="'disconnect'"),
    case("event called like a method", event("__init__"), words="no event"),
    case("event is a number", f"42{ID}[5]", words="begins with its name"),
    case("event is null", f"42{ID}[null]", words="begins with its name"),
    case("event is an object", f'42{ID}{{"a":1}}', words="begins with its name"),
    case("event is text", f'42{ID}"about"', words="begins with its name"),
    case("event is empty", f"42{ID}[]", words="begins with its name"),
    case("event is nothing", f"42{ID}", words="begins with its name"),
    case("JSON that ends early", f'42{ID}["about"', words="cannot be read"),
    case("JSON that is none", f"42{ID}rubbish", words="cannot be read"),
    case("JSON with two values", f'42{ID}["about"]["about"]', words="cannot be read"),
    case("JSON nested 100 000 times", nested(100_000), words="cannot be read"),
    case("JSON nested 900 times", nested(900), words="key 'image'"),
    case("JSON with a number of 100 000 digits", f'42{ID}["about",{"9" * 100_000}]', words="cannot be read"),
    case("JSON with duplicate keys", f'42{ID}["detect",{{"image":1,"image":null}}]', words="image"),
    case("JSON of 10 MB", f'42{ID}["detect",{{"image":"{"x" * 10_000_000}"}}]', words="image"),
    case("half a character", f'42{ID}["\\ud800"]', words="no event"),
    case("id of 99 digits", event("nothing", id_=f"{ID}".zfill(99)), words="no event"),
    case("id of 1000 digits", event("about", id_="1" * 1000)),
    case("id that is negative", event("about", id_=-1)),
    case("no id", event("nothing", id_="")),
    case("namespace that nobody knows", '42/admin,77["about"]'),
    case("namespace of 100 kB", f'42/{LONG},77["about"]'),
    case("connection to a namespace that nobody knows", "40/admin,"),
    case("second connection to the same namespace", "40"),
    case("connection with a login of 1 MB", f'40/x,{{"token":"{"x" * 1_000_000}"}}'),
    case("acknowledgement that nobody waits for", '43999["x"]'),
    case("acknowledgement with a giant id", f'43{"9" * 99}["x"]'),
    case("acknowledgement with attachments", '462-5["x",{"_placeholder":true,"num":0}]', b"1", b"2"),
    case("connection error", '44{"message":"no"}'),
    case("packet of kind 9", '49["about"]'),
    case("packet without kind", "4"),
    case("packet that is no number", "4x"),
    case("attachment without an event", b"12345"),
    case("attachments without end", *with_attachments("detect", {"image": place(0)}, b"1", count=5), event("about")),
    case(
        "attachments: fewer than said, then text",
        *with_attachments("detect", {"image": {"format": "jpeg", "bytes": place(1)}}, JPEG, count=2),
        "42[]",
        words="bytes",
    ),
    case(
        "attachments: a wrong number",
        *with_attachments("detect", {"image": {"bytes": place(7), "format": "jpeg"}}, b"1"),
        words="attachment",
    ),
    case(
        "attachments: a negative number",
        *with_attachments("detect", {"image": {"bytes": place(-9), "format": "jpeg"}}, b"1"),
        words="attachment",
    ),
    case(
        "attachments: a number of text",
        *with_attachments("detect", {"image": {"bytes": place("0"), "format": "jpeg"}}, b"1"),
        words="attachment",
    ),
    case(
        "attachments: a number of a list",
        *with_attachments("detect", {"image": {"bytes": place([]), "format": "jpeg"}}, b"1"),
        words="attachment",
    ),
    case("attachments: none", f'450-{ID}["about"]', is_fine=True),
    case("attachments: nobody refers to them", *with_attachments("about", {}, b"1", b"2"), is_fine=True),
    case("attachments: 10 000", *with_attachments("detect", {}, *[b"x"] * 10_000), words="10000 attachments"),
    case("attachments: 10^9", f'45999999999-{ID}["detect",{{}}]'),
    case("attachments: 10^30", f'45{"9" * 30}-{ID}["detect",{{}}]'),
    case("attachments: behind JSON that is none", f"452-{ID}rubbish", b"1", b"2", words="cannot be read"),
    case("attachments: nested 900 times", f'451-{ID}["detect",{"[" * 900}{"]" * 900}]', b"1", words="attachment|image"),
    case("engine.io packet of kind 9", "9"),
    case("engine.io packet that is no number", "x"),
    case("engine.io packet that is empty", ""),
    case("engine.io opens again", '0{"sid":"x"}'),
    case("engine.io says noop", "6"),
    case("engine.io upgrades what is upgraded", "5"),
    case("engine.io probes", "2probe"),
    case("engine.io answers what was not asked", "3" * 5),
    case("engine.io closes", "1"),
    case("disconnects and goes on", "41", event("about")),
]


def floods(size: int) -> list[Case]:
    """Floods of up to so many packets."""
    return [
        Case(name=f"{size} tiny events", frames=flood(size, '42["about"]')),
        Case(name=f"{size} events that nobody knows", frames=flood(size, '42["x"]')),
        Case(name=f"{size} packets of rubbish", frames=flood(size, "42rubbish")),
        Case(name=f"{size // 2} refused arrays", frames=flood(size // 2, event("detect", {"image": 5}, id_=""))),
        Case(name=f"{size // 10} cameras", frames=lambda: cameras(size // 10)),
    ]


CASES = [*IMAGES, *OPTIONS, *PACKETS]
