"""Notices of changes: who hears what, from when on, and until when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar
from pydantic import SecretStr

from learning_loop_node.client.events import Change, Events
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.errors import NotAuthenticatedError
from learning_loop_node.loop_server.changes import LISTENERS_OF_ONE, REMEMBERED, WAITING
from learning_loop_node.settings import LoopSettings
from tests.clock import ManualClock
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, running_loop
from tests.polling import until

PASSWORD = "long enough"


async def test_changes_are_told_as_they_happen(tmp_path: Path):
    async with running_loop(tmp_path) as loop, listening(loop.admin) as stream:
        await loop.create_project()
        model = await loop.push_model(deploy=True)
        await loop.json("POST", f"{P}/detectors", json=status("online"))
        await loop.json("POST", f"{P}/detectors", json=status("online") | {"uptime": 9})
        await loop.json("POST", f"{P}/detectors", json=status("offline"))
        told = [await stream.change() for _ in range(5)]
        assert [(entry["subject"], entry["ids"]) for entry in told] == [
            ("projects", [PROJECT]),
            ("models", [model["id"]]),
            ("deployments", [model["id"]]),
            ("detectors", ["d"]),
            ("detectors", ["d"]),
        ]
        assert {(entry["organization"], entry["project"]) for entry in told} == {(ORGANIZATION, PROJECT)}


async def test_one_hears_what_was_asked_for(tmp_path: Path):
    expected = {
        "": ["a", "b", "c", "d"],
        "?organization=one": ["a", "b", "d"],
        "?organization=one&project=p": ["a", "d"],
        "?subject=models&subject=images": ["a", "c", "d"],
    }
    async with running_loop(tmp_path) as loop:
        for query, ids in expected.items():
            async with listening(loop.admin, query) as stream:
                tell(loop, "models", "one", "p", "a")
                tell(loop, "detectors", "one", "q", "b")
                tell(loop, "images", "two", "p", "c")
                tell(loop, "images", "one", "p", "d")
                assert [(await stream.change())["ids"][0] for _ in ids] == ids, query


async def test_one_hears_what_one_may_know(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await add_user(loop, "anna", {"mine": "viewer"})
        async with session_of(loop, await token_of(loop, "anna")) as session, listening(session) as stream:
            tell(loop, "images", "others", "p", "secret")
            tell(loop, "tokens", "mine", None, "not for viewers")
            tell(loop, "users", "", None, "not for viewers")
            tell(loop, "images", "mine", "p", "seen")
            assert (await stream.change())["ids"] == ["seen"]


async def test_what_was_missed_while_away_is_told_afterwards(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        async with listening(loop.admin) as stream:
            tell(loop, "images", "o", "p", "1")
            last_id = (await stream.event())["id"]
        for id_ in ("2", "3"):
            tell(loop, "images", "o", "p", id_)
        async with listening(loop.admin, last_id=last_id) as stream:
            tell(loop, "images", "o", "p", "4")
            assert [(await stream.change())["ids"] for _ in range(3)] == [["2"], ["3"], ["4"]]


async def test_what_cannot_be_told_any_more_is_said_to_be_missed(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        for number in range(REMEMBERED + 1):
            tell(loop, "images", "o", "p", str(number))
        run = loop.app.state.loop.changes.run
        for name, last_id in {
            "too long ago": f"{run}-0",
            "of another run": "another-5",
            "of the future": f"{run}-9999",
            "nonsense": "nonsense",
        }.items():
            async with listening(loop.admin, last_id=last_id) as stream:
                assert (await stream.event())["event"] == "missed", name
                tell(loop, "images", "o", "p", name)
                assert (await stream.change())["ids"] == [name]


async def test_who_is_too_slow_misses_some_and_is_told_so(tmp_path: Path):
    async with running_loop(tmp_path) as loop, listening(loop.admin) as stream:
        for number in range(WAITING + 5):  # nobody else runs meanwhile
            tell(loop, "images", "o", "p", str(number))
        assert (await stream.event())["event"] == "missed"
        assert (await stream.change())["ids"] == [str(WAITING)]


async def test_it_ends_with_the_right(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        for how in ("revoked", "role", "membership", "logout", "password", "disabled", "removed"):
            name = f"anna-{how}"
            await add_user(loop, name, {ORGANIZATION: "viewer"})
            made = await loop.json("POST", "/tokens", json={"name": "n", "kind": "node", "organization": ORGANIZATION})
            token = made["token"] if how == "revoked" else await token_of(loop, name)
            async with session_of(loop, token) as session, listening(session) as stream:
                match how:
                    case "revoked":
                        await loop.json("DELETE", f"/tokens/{made['id']}")
                    case "role":
                        await loop.json("PATCH", f"/users/{name}", json={"organizations": {ORGANIZATION: "owner"}})
                    case "membership":
                        await loop.json("PATCH", f"/users/{name}", json={"organizations": {ORGANIZATION: None}})
                    case "logout":
                        (await session.post("/api/logout")).close()
                    case "password":
                        await loop.json("PATCH", f"/users/{name}", json={"password": "another one"})
                    case "disabled":
                        await loop.json("PATCH", f"/users/{name}", json={"disabled": True})
                    case "removed":
                        await loop.json("DELETE", f"/users/{name}")
                tell(loop, "images", ORGANIZATION, PROJECT, "secret")
                event = await stream.event()
                assert event["event"] == "ended", f"{how}: {event}"
                assert event["data"]["reason"], how
                await stream.end()


async def test_changes_of_others_do_not_end_it(tmp_path: Path):
    async with running_loop(tmp_path) as loop, listening(loop.admin) as stream:
        await add_user(loop, "anna", {"mine": "viewer"})
        assert (await stream.change())["subject"] == "users"
        tell(loop, "images", "o", "p", "1")
        assert (await stream.change())["ids"] == ["1"]


async def test_there_is_a_limit_of_listeners_and_who_leaves_makes_room(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        streams = [await loop.admin.get("/api/events") for _ in range(LISTENERS_OF_ONE)]
        for stream in streams:
            await stream.content.readline()
        async with loop.admin.get("/api/events") as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "30"
        streams.pop().close()

        async def is_let_in() -> bool:
            async with loop.admin.get("/api/events") as answer:
                return answer.status == 200

        await until(is_let_in)
        for stream in streams:
            stream.close()


async def test_a_quiet_stream_is_kept_alive_and_looks_whether_it_still_may(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        loop.app.state.loop.changes.keep_alive_s = 0.05
        body = {"name": "n", "kind": "node", "organization": ORGANIZATION, "expires_in_days": 1 / 86400}
        token = (await loop.json("POST", "/tokens", json=body))["token"]
        async with session_of(loop, token) as session, session.get("/api/events") as answer:
            text = await answer.text()
        assert "\n: ping\n" in text
        assert "event: ended" in text


async def test_the_client_goes_on_after_a_lost_connection(tmp_path: Path):
    settings = LoopSettings(username="admin", password=SecretStr("secret"), organization="o", project="p")
    async with running_loop(tmp_path) as loop:
        here = settings.model_copy(update={"host": loop.host})
        async with LoopHttp(here, ManualClock()) as http:
            heard = LoopClient(http).events("images")
            first = asyncio.ensure_future(anext(heard))
            await until(lambda: loop.app.state.loop.changes.listener_count > 0)
            tell(loop, "models", "o", "p", "not asked for")
            tell(loop, "images", "o", "other", "not here")
            tell(loop, "images", "o", "p", "1")
            assert (await first).ids == ["1"]
            await loop.app.state.loop.changes.aclose()  # as at the end of the process
            second = asyncio.ensure_future(anext(heard))
            loop.app.state.loop.changes.is_closed = False
            tell(loop, "images", "o", "p", "2")
            assert (await second).ids == ["2"]
            await heard.aclose()


async def test_the_client_tells_what_it_missed_and_why_it_ends(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        made = await loop.json("POST", "/tokens", json={"name": "n", "kind": "node", "organization": "o"})
        async with LoopHttp(LoopSettings(host=loop.host, token=SecretStr(made["token"])), ManualClock()) as http:
            heard = Events(http).listen()
            next_one = asyncio.ensure_future(anext(heard))
            await until(lambda: loop.app.state.loop.changes.listener_count > 0)
            for number in range(WAITING + 1):
                tell(loop, "images", "o", "p", str(number))
            assert await next_one == Change(subject="missed")
            assert (await anext(heard)).ids == [str(WAITING)]
            await loop.json("DELETE", f"/tokens/{made['id']}")
            with pytest.raises(NotAuthenticatedError, match="revoked"):
                await anext(heard)


class Stream:
    """The events of an open connection, as dictionaries with `event`, `id` and `data`."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def event(self) -> dict[str, Any]:
        event: dict[str, Any] = {}
        async with asyncio.timeout(20):
            while line := (await self._answer.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    event[name] = json.loads(value) if name == "data" else value
                elif event:
                    return event
        raise AssertionError(f"the stream ended after {event}")

    async def change(self) -> dict[str, Any]:
        event = await self.event()
        assert event["event"] == "change", event
        return event["data"]  # type: ignore[no-any-return]

    async def end(self) -> None:
        async with asyncio.timeout(20):
            assert await self._answer.content.read() == b""


@asynccontextmanager
async def listening(session: ClientSession, query: str = "", *, last_id: str = "") -> AsyncIterator[Stream]:
    headers: Mapping[str, str] = {"Last-Event-ID": last_id} if last_id else {}
    async with session.get(f"/api/events{query}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        stream = Stream(answer)
        assert (await stream.event())["event"] == "ready"
        yield stream


def tell(loop: RunningLoop, subject: str, organization: str, project: str | None, id_: str) -> None:
    loop.app.state.loop.changes.tell(subject, organization, project, [id_])


async def add_user(loop: RunningLoop, name: str, organizations: Mapping[str, str]) -> None:
    body = {"name": name, "password": PASSWORD, "organizations": dict(organizations)}
    await loop.json("POST", "/users", json=body)


async def token_of(loop: RunningLoop, name: str) -> str:
    async with loop.nobody.post("/api/token", data={"username": name, "password": PASSWORD}) as answer:
        return str((await answer.json())["access_token"])


@asynccontextmanager
async def session_of(loop: RunningLoop, token: str) -> AsyncIterator[ClientSession]:
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(loop.url, headers=headers, cookie_jar=DummyCookieJar()) as session:
        yield session


def status(state: str) -> dict[str, Any]:
    return {"uuid": "d", "name": "d", "state": state}
