"""Malformed Socket.IO messages for the loop, frame by frame, from somebody who is logged in."""

from __future__ import annotations

from typing import Any

from .node_events import ID, LONG, Case, case, event, flood, place, with_attachments

GOOD = {"id": "attacker", "name": "Attacker", "state": "idle", "errors": {}}


def trainer(label: str, words: str = "", /, **changes: Any) -> Case:
    """A status of a trainer with these changes; None leaves a key out."""
    status = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return case(f"status: {label}", event("update_trainer", status), words=words, is_fine=not words)


def report(name: str, words: str, *arguments: Any) -> Case:
    return case(f"report: {name}", event("update_training", *arguments), words=words)


STATUSES: list[Case] = [
    trainer("id is missing", "id is missing", id=None),
    trainer("id is a number", "id", id=5),
    trainer("id is a list", "id", id=["a"]),
    trainer("id is empty", "id", id=""),
    trainer("id of 100 kB", "id", id=LONG),
    trainer("name of 100 kB", "name", name=LONG),
    trainer("name is an object", "name", name={}),
    trainer("state is an object", "state", state={}),
    trainer("state of 100 kB", "state", state=LONG),
    trainer("state that nobody knows", state="dancing"),
    trainer("errors are a list", "errors", errors=[1]),
    trainer("errors of 100 kB", errors={LONG: LONG}),
    trainer("10 000 errors", errors={str(number): "x" for number in range(10_000)}),
    trainer("errors nested deeply", errors={"a": [[[[[[[[[[]]]]]]]]]]}),
    trainer("uptime is NaN", uptime=float("nan")),
    trainer("uptime is text", "uptime", uptime="long"),
    trainer("progress is infinite", progress=float("inf")),
    trainer("progress is beyond 64 bits", progress=10**40),
    trainer("progress is an object", "progress", progress={}),
    trainer("variants are no list", "pretrained_models", pretrained_models={}),
    trainer("variants are numbers", "pretrained_models", pretrained_models=[1]),
    trainer("10 000 variants", "pretrained_models", pretrained_models=[{"name": "a"}] * 10_000),
    trainer("context is text", "context", context="demo"),
    trainer("context is half", "context.project is missing", context={"organization": "zauberzeug"}),
    trainer("context of others", state="running", context={"organization": "x", "project": "../../y"}),
    trainer("half a character", "valid string", id="\ud800"),
    trainer("unknown keys", anything=[1, 2, {"a": None}]),
    case("status: nothing", event("update_trainer"), words="takes 1 arguments, not 0"),
    case("status: null", event("update_trainer", None), words="argument 1"),
    case("status: too much", event("update_trainer", GOOD, GOOD), words="takes 1 arguments, not 2"),
    case("status: bytes", *with_attachments("update_trainer", place(0), b"1"), words="attachments"),
    case(
        "annotator: capabilities are text", event("update_annotation_node", GOOD | {"capabilities": "all"}), words="cap"
    ),
    report("nothing", "takes 3 arguments", *()),
    report("organization is a number", "argument 1", 5, "demo", {}),
    report("project is null", "argument 2", "zauberzeug", None, {}),
    report("unknown place", "no project", "zauberzeug", "nothing", {"trainer_id": "attacker"}),
    report("path for a place", "no project", "../..", "/etc/passwd", {"trainer_id": "attacker"}),
    report("trainer is missing", "trainer_id is missing", "zauberzeug", "demo", {}),
    report("no training", "knows of no training", "zauberzeug", "demo", {"trainer_id": "attacker"}),
    report(
        "counts are a list",
        "confusion_matrix",
        "zauberzeug",
        "demo",
        {"trainer_id": "a", "confusion_matrix": [{"tp": 1}]},
    ),
    report(
        "20 000 categories",
        "confusion_matrix",
        "zauberzeug",
        "demo",
        {"trainer_id": "a", "confusion_matrix": {str(number): {} for number in range(20_000)}},
    ),
    report(
        "hyperparameters of 1 MB",
        "hyperparameters",
        "zauberzeug",
        "demo",
        {"trainer_id": "a", "hyperparameters": {"a": "x" * 1_000_000}},
    ),
]

PACKETS: list[Case] = [
    case("event that nobody knows", event("nothing"), words="no event 'nothing'"),
    case("event with an empty name", event(""), words="no event ''"),
    case("event of 100 kB", event(LONG), words="no event"),
    case("event called *", event("*", "update_trainer"), words=r"'\*'"),
    case("event called connect", event("connect"), words="'connect'"),
    case("event called disconnect", event("disconnect"), words="'disconnect'"),
    case("event that the loop sends", event("begin_training", "o", "p", {}), words="no event"),
    case("event is a number", f"42{ID}[5]", words="begins with its name"),
    case("event is an object", f'42{ID}{{"a":1}}', words="begins with its name"),
    case("event is nothing", f"42{ID}", words="begins with its name"),
    case("JSON that ends early", f'42{ID}["update_trainer"', words="cannot be read"),
    case("JSON that is none", f"42{ID}rubbish", words="cannot be read"),
    case(
        "JSON nested 100 000 times", f'42{ID}["update_trainer",{"[" * 100_000}{"]" * 100_000}]', words="cannot be read"
    ),
    case("JSON of 3 MB", f'42{ID}["update_trainer",{{"id":"{"x" * 3_000_000}"}}]', words="id"),
    case("JSON of 5 MB", f'42{ID}["update_trainer",{{"id":"{"x" * 5_000_000}"}}]'),
    case("half a character", f'42{ID}["\\ud800"]', words="no event"),
    case("id of 1000 digits", event("nothing", id_="1" * 1000)),
    case("namespace that nobody knows", '42/admin,77["update_trainer"]'),
    case("connection to a namespace that nobody knows", "40/admin,"),
    case("second connection to the same namespace", "40"),
    case("acknowledgement that nobody waits for", '43999["x"]'),
    case("acknowledgement with a giant id", f'43{"9" * 99}["x"]'),
    case("acknowledgement with attachments", '462-5["x",{"_placeholder":true,"num":0}]', b"1", b"2"),
    case("connection error", '44{"message":"no"}'),
    case("packet of kind 9", '49["update_trainer"]'),
    case("packet without kind", "4"),
    case("packet that is no number", "4x"),
    case("attachment without an event", b"12345"),
    case("attachments without end", *with_attachments("update_trainer", place(0), b"1", count=5)),
    case("attachments: 10 000", *with_attachments("update_trainer", {}, *[b"x"] * 10_000), words="10000 attachments"),
    case("attachments: 10^9", f'45999999999-{ID}["update_trainer",{{}}]'),
    case(
        "attachments: large ones", *with_attachments("update_trainer", place(0), *[bytes(1_000_000)] * 20), words="20"
    ),
    case("engine.io packet of kind 9", "9"),
    case("engine.io packet that is empty", ""),
    case("engine.io opens again", '0{"sid":"x"}'),
    case("engine.io probes", "2probe"),
    case("engine.io closes", "1"),
    case("disconnects and goes on", "41", event("update_trainer", GOOD)),
]


def floods(size: int) -> list[Case]:
    """Floods of up to so many packets."""
    return [
        Case(name=f"{size} statuses", frames=flood(size, event("update_trainer", GOOD, id_=""))),
        Case(name=f"{size} events that nobody knows", frames=flood(size, '42["x"]')),
        Case(name=f"{size} packets of rubbish", frames=flood(size, "42rubbish")),
        Case(
            name=f"{size} reports",
            frames=flood(size, event("update_training", "zauberzeug", "demo", {"trainer_id": "attacker"}, id_="")),
        ),
        Case(name=f"{size} connections in one", frames=flood(size, "40")),
    ]


CASES = [*STATUSES, *PACKETS]
