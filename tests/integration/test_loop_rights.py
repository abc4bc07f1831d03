"""Who may ask what of the loop: every endpoint, asked by everybody, at their own place and at those of others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, DummyCookieJar
from fastapi.routing import APIRoute
from starlette.routing import Route

from tests.loop import RunningLoop, files_form, running_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS, OTHERS, NOWHERE = "ours", "others", "nowhere"
DEMO, NEIGHBOUR, SECRET, MISSING = "demo", "neighbour", "secret", "missing"
PASSWORD = "long enough"

MEMBERS = ("viewer", "annotator", "maintainer", "owner")
NODES = ("node", "organization_node")
EVERYBODY = ("nobody", "guest", "user", *NODES, *MEMBERS, "admin")

MAY: Mapping[str, tuple[str, ...]] = {
    "free": EVERYBODY,
    "fetch": ("nobody", "guest", *NODES, *MEMBERS, "admin"),
    "send": ("nobody", "guest", *NODES, "annotator", "maintainer", "owner", "admin"),
    "target": ("guest", *NODES, *MEMBERS, "admin"),
    "report": ("guest", *NODES, "maintainer", "owner", "admin"),
    "ask": ("user", *NODES, *MEMBERS, "admin"),
    "read": (*NODES, *MEMBERS, "admin"),
    "label": ("annotator", "maintainer", "owner", "admin"),
    "manage": ("maintainer", "owner", "admin"),
    "own": ("owner", "admin"),
    "administer": ("admin",),
}

P = "/api/{organization}/projects/{project}"
ENDPOINTS: Mapping[str, str] = {
    "GET /api/openapi.json": "free",
    "GET /api/docs": "free",
    "GET /api/docs/{file}": "free",
    "GET /api/status": "free",
    "GET /healthz": "free",
    "GET /readyz": "free",
    "GET /metrics": "free",  # on the machine itself, as here; test_loop_metrics.py asks from elsewhere
    "POST /api/login": "free",
    "POST /api/token": "free",
    "POST /api/logout": "free",
    "GET /api/me": "ask",
    "PUT /api/me/password": "ask",
    "GET /api/events": "ask",
    "GET /api/nodes": "ask",
    "POST /api/nodes/{node_id:path}/restart": "manage",
    "GET /api/tokens": "ask",
    "POST /api/tokens": "ask",
    "DELETE /api/tokens/{token_id}": "ask",
    "GET /api/users": "own",
    "POST /api/users": "own",
    "GET /api/users/{user}": "own",
    "PATCH /api/users/{user}": "own",
    "DELETE /api/users/{user}": "own",
    "GET /api/projects": "ask",
    "POST /api/{organization}/projects": "manage",
    "POST /api/{organization}/projects/generator": "manage",
    "GET /api/{organization}/projects/deleted": "manage",
    f"GET {P}": "read",
    f"PATCH {P}": "manage",
    f"DELETE {P}": "manage",
    f"POST {P}/restore": "manage",
    f"GET {P}/categories": "read",
    f"POST {P}/categories": "manage",
    f"PUT {P}/categories/order": "manage",
    f"PATCH {P}/categories/{{category_id}}": "manage",
    f"DELETE {P}/categories/{{category_id}}": "manage",
    f"GET {P}/data": "read",
    f"GET {P}/trainings": "read",
    f"POST {P}/trainings": "manage",
    f"GET {P}/trainings/{{training_number}}": "read",
    f"GET {P}/trainings/{{training_number}}/metrics": "read",
    f"GET {P}/trainings/{{training_number}}/log": "read",
    f"POST {P}/trainings/{{training_number}}/log": "manage",
    f"POST {P}/trainings/{{training_number}}/stop": "manage",
    f"POST {P}/trainings/{{training_number}}/abort": "manage",
    f"POST {P}/trainings/{{training_number}}/retry": "manage",
    f"PUT {P}/trainings/{{training_number}}/models/latest/{{model_format}}/file": "manage",
    f"GET {P}/models/{{model}}": "read",
    f"POST {P}/images": "send",
    f"GET {P}/images": "read",
    f"PATCH {P}/images": "label",
    f"GET {P}/images/counts": "read",
    f"PUT {P}/images/novelty_scores": "label",
    f"PUT {P.removeprefix('/api')}/images/novelty_scores": "label",
    f"GET {P}/images/{{image_id}}": "read",
    f"PATCH {P}/images/{{image_id}}": "label",
    f"DELETE {P}/images/{{image_id}}": "manage",
    f"POST {P}/images/delete": "manage",
    f"POST {P}/images/restore": "manage",
    f"POST {P}/detections": "label",
    f"GET {P}/images/{{image_id}}/main": "read",
    f"GET {P}/images/{{image_id}}/thumbnail": "read",
    f"POST {P}/images/{{image_id}}/annotations": "label",
    f"POST {P}/annotations": "label",
    f"PATCH {P}/annotations/{{annotation_id}}": "label",
    f"DELETE {P}/annotations/{{annotation_id}}": "label",
    "GET /api/annotation_tools": "ask",
    f"POST {P}/images/{{image_id}}/annotation_tools/{{tool_id}}/input": "label",
    f"POST {P}/images/{{image_id}}/annotation_tools/{{tool_id}}/logout": "label",
    f"GET {P}/models": "read",
    f"GET {P}/models/compare": "read",
    f"GET {P}/models/{{model}}/evaluation": "read",
    f"GET {P}/models/{{model}}/detections": "read",
    f"POST {P}/models/{{model_format}}": "manage",
    f"GET {P}/models/{{model_id}}/{{model_format}}/file": "fetch",
    f"PUT {P}/models/{{model_id}}/{{model_format}}/file": "manage",
    f"POST {P}/{{model_format}}": "manage",
    f"GET {P}/models/{{model_id}}/conversions": "read",
    f"PUT {P}/models/{{model_id}}/conversions/{{model_format}}": "manage",
    f"POST {P}/models/{{model_id}}/conversions/{{model_format}}/retry": "manage",
    f"GET {P}/deployment/target": "target",
    f"PUT {P}/deployment/target": "manage",
    f"GET {P}/deployment/history": "read",
    f"POST {P}/deployment/rollback": "manage",
    f"GET {P}/deployment/rule": "read",
    f"PUT {P}/deployment/rule": "manage",
    f"POST {P}/detectors": "report",
    f"GET {P}/detectors": "read",
    f"DELETE {P}/detectors/{{detector_id:path}}": "manage",
}


@dataclass
class Place:
    """A loop, and who asks it."""

    loop: RunningLoop
    callers: dict[str, ClientSession]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One for all tests of this file: they ask, and change nothing that others look at."""
    async with running_loop(tmp_path_factory.mktemp("rights")) as loop, callers_of(loop) as callers:
        yield Place(loop, callers)


async def test_every_endpoint_is_in_the_table(place: Place):
    assert set(endpoints_of(place.loop)) <= set(ENDPOINTS), "say who may ask this"


async def test_everybody_may_do_at_their_own_place_what_the_table_says(place: Place):
    loop, callers = place.loop, place.callers
    wrong = []
    for endpoint in endpoints_of(loop):
        if endpoint == "POST /api/logout":  # it would end what we ask with
            continue
        # A project that is not there tells as much: a refusal comes first. A node knows its own one only.
        answers = await gathered(
            {
                name: answer_of(client, endpoint, OURS, DEMO if name == "node" else MISSING)
                for name, client in callers.items()
            }
        )
        for name, (status, text) in answers.items():
            is_refused = status in (401, 403) or (name in ("node", "user") and is_unknown(text))
            if is_refused is (name in MAY[ENDPOINTS[endpoint]]):
                wrong.append(f"{name} {endpoint}: {status} {text}")
    assert wrong == []


async def test_nobody_learns_what_is_in_another_organization(place: Place):
    loop, callers = place.loop, place.callers
    wrong = []
    for endpoint in endpoints_of(loop):
        if "{organization}" not in endpoint:
            continue
        names = ("user", *NODES, *MEMBERS)
        there = await gathered({name: answer_of(callers[name], endpoint, OTHERS, SECRET) for name in names})
        nowhere = await gathered({name: answer_of(callers[name], endpoint, NOWHERE, SECRET) for name in names})
        for name, (status, text) in there.items():
            if status != 404 or not is_unknown(text) or nowhere[name] != (404, text.replace(OTHERS, NOWHERE)):
                wrong.append(f"{name} {endpoint}: {status} {text} but {nowhere[name]}")
    assert wrong == []


async def test_a_node_of_one_project_learns_nothing_of_its_neighbours(place: Place):
    loop, callers = place.loop, place.callers
    for endpoint in endpoints_of(loop):
        if P in endpoint:
            there = await answer_of(callers["node"], endpoint, OURS, NEIGHBOUR)
            missing = await answer_of(callers["node"], endpoint, OURS, MISSING)
            assert there[0] == 404, endpoint
            assert there == (missing[0], missing[1].replace(MISSING, NEIGHBOUR)), endpoint


async def test_without_a_login_a_closed_loop_tells_nothing(tmp_path: Path):
    async with running_loop(tmp_path, require_node_token=True) as loop:
        await loop.json("POST", f"/{OURS}/projects", json={"project_id": DEMO})
        for cookies in ({}, {"loop_session": "guest"}):
            async with ClientSession(loop.url, cookies=cookies) as client:
                for endpoint in endpoints_of(loop):
                    if ENDPOINTS[endpoint] != "free":
                        assert (await answer_of(client, endpoint, OURS, DEMO))[0] == 401, f"{cookies} {endpoint}"


async def test_lists_show_what_is_one_s_own(place: Place):
    callers = place.callers
    projects = {
        name: [entry["project_id"] for entry in (await json_of(client, "/api/projects"))["projects"]]
        for name, client in callers.items()
        if name not in ("nobody", "guest")
    }
    ours = [DEMO, NEIGHBOUR]
    everywhere = dict.fromkeys(("organization_node", *MEMBERS), ours)
    assert projects == everywhere | {"user": [], "node": [DEMO], "admin": [SECRET, *ours]}
    users = [entry["name"] for entry in (await json_of(callers["owner"], "/api/users"))["users"]]
    assert users == sorted(MEMBERS)
    tokens = {
        name: len((await json_of(callers[name], "/api/tokens"))["tokens"]) for name in ("viewer", "owner", "admin")
    }
    assert tokens == {"viewer": 0, "owner": 2, "admin": 3}


async def test_ids_of_another_organization_are_as_unknown_as_any(place: Place):
    loop, callers = place.loop, place.callers
    model = await loop.json("POST", f"/{OTHERS}/projects/{SECRET}/models/mocked", data=files_form([("a.bin", b"1")]))
    token = next(
        entry["id"]
        for entry in (await json_of(callers["admin"], "/api/tokens"))["tokens"]
        if entry["organization"] == OTHERS
    )
    p = f"/api/{OURS}/projects/{DEMO}"
    for method, path, body in (
        ("PUT", f"{p}/deployment/target", {"model_uuid": "{id}"}),
        ("GET", f"{p}/models/{{id}}/mocked/file", None),
        ("PUT", f"{p}/models/{{id}}/other/file", None),
        ("DELETE", "/api/tokens/{id}", None),
        ("GET", "/api/users/{id}", None),
        ("PATCH", "/api/users/{id}", {}),
        ("DELETE", "/api/users/{id}", None),
        ("POST", "/api/tokens", {"name": "n", "kind": "node", "organization": "{id}"}),
        ("POST", "/api/users", {"name": "n@x", "password": PASSWORD, "organizations": {"{id}": "viewer"}}),
        ("PATCH", "/api/users/viewer", {"organizations": {"{id}": "viewer"}}),
        ("GET", "/api/events?organization={id}", None),
    ):
        answers = []
        for known, unknown in ((model["id"], "x"), (token, "x"), ("stranger", "x"), (OTHERS, "x")):
            for id_ in (known, unknown):
                given = {"json": filled(body, id_)} if body is not None else {}
                async with callers["owner"].request(method, path.replace("{id}", id_), **given) as answer:
                    assert answer.status in (404, 422), f"{method} {path} {id_}: {await answer.text()}"
                    answers.append((answer.status, (await answer.text()).replace(id_, "x")))
        assert len(set(answers)) == 1, f"{method} {path}: {set(answers)}"


@asynccontextmanager
async def callers_of(loop: RunningLoop) -> AsyncIterator[dict[str, ClientSession]]:
    """Everybody by their roles in `ours`, with its project `demo`; `others` has a project `secret`, a `stranger`."""
    await loop.json("POST", f"/{OURS}/projects", json={"project_id": DEMO})
    await loop.json("POST", f"/{OURS}/projects", json={"project_id": NEIGHBOUR})
    await loop.json("POST", f"/{OTHERS}/projects", json={"project_id": SECRET})
    people = {"user": {}, "stranger": {OTHERS: "owner"}} | {role: {OURS: role} for role in MEMBERS}
    for name, organizations in people.items():
        user = {"name": name, "password": PASSWORD, "organizations": organizations}
        await loop.json("POST", "/users", json=user)
    places = {"node": (OURS, DEMO), "organization_node": (OURS, None), "others": (OTHERS, SECRET)}
    tokens = {}
    for name, (organization, project) in places.items():
        body: dict[str, Any] = {"name": name, "kind": "node", "organization": organization, "project": project}
        tokens[name] = (await loop.json("POST", "/tokens", json=body))["token"]
    for name in ("user", *MEMBERS):
        async with loop.nobody.post("/api/token", data={"username": name, "password": PASSWORD}) as answer:
            tokens[name] = (await answer.json())["access_token"]
    async with AsyncExitStack() as stack:

        async def client(headers: Mapping[str, str]) -> ClientSession:
            jar = DummyCookieJar()
            return await stack.enter_async_context(ClientSession(loop.url, headers=headers, cookie_jar=jar))

        clients = {"nobody": loop.nobody, "guest": await client({"Cookie": "loop_session=guest"}), "admin": loop.admin}
        for name in ("user", *NODES, *MEMBERS):
            clients[name] = await client({"Authorization": f"Bearer {tokens[name]}"})
        yield clients


def endpoints_of(loop: RunningLoop) -> list[str]:
    """Method and path of everything that the application answers."""
    return [
        f"{method} {route.path}"
        for route in loop.app.routes
        if isinstance(route, Route | APIRoute)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]


async def answer_of(client: ClientSession, endpoint: str, organization: str, project: str) -> tuple[int, str]:
    """Status and text; a good answer has no text, as some have no end."""
    method, _, path = endpoint.partition(" ")
    url = path.replace("{organization}", organization).replace("{project}", project)
    body: dict[str, Any] = {} if method in ("GET", "DELETE") or "/log" in url else {"json": {}}
    async with client.request(method, re.sub(r"\{[^}]*\}", "x", url), **body) as answer:
        return answer.status, (await answer.json())["detail"] if answer.status >= 400 else ""


async def json_of(client: ClientSession, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def filled(value: Any, id_: str) -> Any:
    match value:
        case dict():
            return {key.replace("{id}", id_): filled(entry, id_) for key, entry in value.items()}
        case str():
            return value.replace("{id}", id_)
        case _:
            return value


async def gathered(asked: Mapping[str, Awaitable[tuple[int, str]]]) -> dict[str, tuple[int, str]]:
    return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


def is_unknown(text: str) -> bool:
    return text.startswith(("there is no project", "there is no organization"))
