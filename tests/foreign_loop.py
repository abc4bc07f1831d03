"""A loop that knows nothing of our extensions, and minds whatever a client of 0.27 would not have sent.

It offers what detectors need: login by form with a cookie, the deployment target, models, images, status. Image keys,
ranges, entity tags and hashes mean nothing to it; what it answers beyond the status is empty or prose. `complaints`
says what a request had too much or too little.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

from tests.builders import make_model_information
from tests.models import model_json, zip_of

USERNAME, PASSWORD = "robot", "of steel"

STATUS_KEYS = {
    "uuid", "name", "state", "uptime", "model_format", "current_model", "target_model", "errors", "operation_mode",
}  # fmt: skip
STATUS_KEYS_SINCE_021 = {"node_version"}
IMAGE_KEYS = {
    "box_detections", "point_detections", "segmentation_detections", "classification_detections",
    "box_annotations", "point_annotations", "classification_annotation", "tags", "created", "source",
}  # fmt: skip
IMAGE_KEYS_SINCE_023 = {"state"}

Trouble = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Answers in place of the loop, or returns None and lets it answer."""


@dataclass
class ForeignProject:
    """What the loop knows of a project; `images` are the metadata with the `sha256` of what came with it."""

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    target: str | None = None
    images: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class ForeignLoop:
    """A running one; `requests` are the calls so far, as `POST /api/login`.

    It refuses images whose SHA-256 is `unwanted`; `always` answers everything in its place.
    """

    host: str = ""
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    projects: dict[str, ForeignProject] = field(default_factory=dict)
    troubles: dict[str, deque[Trouble]] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    unwanted: set[str] = field(default_factory=set)
    always: Trouble | None = None

    def count(self, ending: str) -> int:
        """How many requests ended so."""
        return sum(request.endswith(ending) for request in self.requests)

    def trouble(self, ending: str, *troubles: Trouble) -> None:
        """Meet the next requests whose path ends so with these, one each."""
        self.troubles.setdefault(ending, deque()).extend(troubles)

    def add_model(self, project: str, version: str, *, is_target: bool = True) -> None:
        entry = self.projects.setdefault(project, ForeignProject())
        model_id = str(uuid4())
        information = make_model_information(id=model_id, version=version, project=project)
        entry.models[version] = {"id": model_id, "version": version, "formats": ["mocked"]}
        entry.models[version]["zip"] = zip_of(
            {"model.json": json.dumps(model_json(information, format="mocked")), "file_1.txt": "content of file one"}
        )
        if is_target:
            entry.target = version

    # --- what it answers

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if self.always is not None and (answer := await self.always(request)) is not None:
            return answer
        for ending, waiting in self.troubles.items():
            if waiting and f"{request.method} {request.path}".endswith(ending):
                answer = await waiting.popleft()(request)
                if answer is not None:
                    return answer
        match request.method, request.path.split("/")[2:]:
            case "GET", ["status"]:
                return web.Response(text="fine, thank you")
            case "POST", ["login"]:
                return await self._login(request)
            case method, [_, "projects", project, *rest]:
                if project not in self.projects:
                    return web.Response(status=404, text="<html><h1>Not here</h1></html>", content_type="text/html")
                return await self._serve_project(request, self.projects[project], method, rest)
        return self._unknown(request)

    async def _serve_project(
        self, request: web.Request, project: ForeignProject, method: str, rest: Sequence[str]
    ) -> web.StreamResponse:
        match method, rest:
            case "POST", ["images"]:
                return await self.take_images(request, project)
            case "GET", ["models", model_id, "mocked", "file"]:
                return await _send_model(request, project, model_id)
        if request.cookies.get("sitzung") not in self.sessions:
            return web.Response(status=401, text="Not logged in")
        match method, rest:
            case "GET", ["models"]:
                models = [
                    {key: value for key, value in model.items() if key != "zip"} for model in project.models.values()
                ]
                return web.json_response({"models": models, "count": len(models)})
            case "GET", ["deployment", "target"]:
                if project.target is None:
                    return web.Response(status=404, text="no target")
                return web.json_response(
                    {"model_uuid": project.models[project.target]["id"], "version": project.target, "since": "monday"}
                )
            case "POST", ["detectors"]:
                return await self._take_status(request, project)
        return self._unknown(request)

    async def _login(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            return web.Response(status=401, text="Wrong user or password")
        session = uuid4().hex
        self.sessions.add(session)
        return web.Response(text="Welcome", headers={"Set-Cookie": f"sitzung={session}; Path=/; HttpOnly"})

    async def _take_status(self, request: web.Request, project: ForeignProject) -> web.Response:
        status = await request.json()
        self._compare("status", set(status), STATUS_KEYS, STATUS_KEYS_SINCE_021)
        project.statuses.append(status)
        return web.Response(text="OK")

    async def take_images(self, request: web.Request, project: ForeignProject) -> web.Response:
        """All of the request is stored, or nothing, with 422."""
        parts: list[tuple[str, bytes]] = []
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name != "files":
                self.complaints.append(f"a part is called {part.name}")
            parts.append((unquote(part.filename or ""), bytes(await part.read())))
        images = []
        for (json_name, metadata), (jpeg_name, jpeg) in zip(parts[::2], parts[1::2], strict=True):
            if not json_name.endswith(".json") or json_name.removesuffix("json") != jpeg_name.removesuffix("jpg"):
                self.complaints.append(f"{json_name} and {jpeg_name} are no pair")
            values = json.loads(metadata)
            self._compare("metadata", set(values), IMAGE_KEYS, IMAGE_KEYS_SINCE_023)
            if not jpeg.startswith(b"\xff\xd8") or sha256(jpeg).hexdigest() in self.unwanted:
                return web.Response(status=422, text="cannot read image")
            images.append(values | {"sha256": sha256(jpeg).hexdigest()})
        project.images += images
        return web.Response()

    def _compare(self, what: str, keys: set[str], required: set[str], newer: set[str]) -> None:
        if not required <= keys <= required | newer:
            self.complaints.append(f"{what} with {sorted(keys ^ required)}")

    def _unknown(self, request: web.Request) -> web.Response:
        self.complaints.append(f"unknown: {request.method} {request.path}")
        return web.Response(status=404, text="<html><h1>Not Found</h1></html>", content_type="text/html")


async def _send_model(request: web.Request, project: ForeignProject, model_id: str) -> web.StreamResponse:
    """In pieces, without a length."""
    model = next((model for model in project.models.values() if model["id"] == model_id), None)
    if model is None:
        return web.Response(status=404, text="no such model")
    name = f"attachment; filename={model_id}_mocked.zip"
    answer = web.StreamResponse(headers={"Content-Disposition": name, "Content-Type": "application/zip"})
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    content: bytes = model["zip"]
    for start in range(0, len(content), 100):
        await answer.write(content[start : start + 100])
    await answer.write_eof()
    return answer


@asynccontextmanager
async def foreign_loop() -> AsyncIterator[ForeignLoop]:
    """A running one, without a project."""
    loop = ForeignLoop()
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", loop.serve)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    async with server:
        loop.host = f"127.0.0.1:{server.port}"
        yield loop
