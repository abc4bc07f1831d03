"""A loop of 0.27 as a trainer sees it: what it offers for trainings, and nothing of ours.

Whatever it is asked can be met with trouble: see `ForeignLoop.trouble`, and `held`, `lost`, `refused` below.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import socketio
from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

from tests.builders import jpeg
from tests.foreign_loop import ForeignLoop, ForeignProject, Trouble
from tests.models import zip_of
from tests.polling import until

ORGANIZATION, PROJECT = "zauberzeug", "demo"
CATEGORY = {
    "id": "c-1", "name": "face", "type": "box", "description": None, "hotkey": None, "color": None, "point_size": None,
}  # fmt: skip
STATUS_KEYS = {
    "id", "name", "state", "uptime", "errors", "progress", "pretrained_models", "architecture", "context",
}  # fmt: skip
TRAINING_KEYS = {
    "trainer_id", "trainer_name", "confusion_matrix", "train_image_count", "test_image_count", "hyperparameters",
    "best_epoch",
}  # fmt: skip
DETECTION_KEYS = {
    "box_detections", "point_detections", "segmentation_detections", "classification_detections", "image_id",
}  # fmt: skip


@dataclass
class StoredModel:
    """A model as it came: for each format the files by name; `uploads` counts the requests that stored something."""

    id: str
    formats: dict[str, dict[str, bytes]] = field(default_factory=dict)


@dataclass
class TrainingLoop(ForeignLoop):
    """A running one with the project `zauberzeug/demo` and some labelled images."""

    images: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    models: dict[str, StoredModel] = field(default_factory=dict)
    model_of_training: dict[str, str] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    detections: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    takes_logs: bool = False
    is_away: bool = False
    metrics_trouble: Callable[[], Any] | None = None
    sio: socketio.AsyncServer = field(default_factory=lambda: socketio.AsyncServer(async_mode="aiohttp"))
    trainers: dict[str, str] = field(default_factory=dict)  # the connection, and the id behind it

    def add_images(self, count: int = 4, *, test_count: int = 1, prefix: str = "i", state: str = "complete") -> None:
        """Of which the last ones are test images."""
        for number in range(count):
            record = {
                "id": f"{prefix}-{number}",
                "set": "test" if number >= count - test_count else "train",
                "width": 64,
                "height": 48,
                "state": state,
                "box_annotations": [{"x": 1, "y": 2, "width": 30, "height": 20, "category_id": CATEGORY["id"]}],
                "point_annotations": [],
            }
            self.images[str(record["id"])] = (jpeg(seed=number), record)

    def add_base_model(self, *, model_format: str = "mocked") -> str:
        model = StoredModel(str(uuid4()), {model_format: {"base.weights": b"base"}})
        self.models[model.id] = model
        return model.id

    @property
    def state(self) -> str | None:
        return self.statuses[-1]["state"] if self.statuses else None

    @property
    def states(self) -> list[str]:
        """The states that were reported, each once as long as it did not change."""
        reported = [status["state"] for status in self.statuses]
        return [state for state, before in zip(reported, [None, *reported], strict=False) if state != before]

    @property
    def errors(self) -> dict[str, str]:
        """All errors that were ever reported; the last text for each key."""
        return {key: text for status in self.statuses for key, text in status["errors"].items()}

    async def until_idle(self, *, within_s: float = 30.0) -> None:
        await until(lambda: self.state == "idle" and bool(self.trainers), within_s=within_s)

    async def until_state(self, state: str, *, within_s: float = 30.0) -> None:
        await until(lambda: self.state == state, within_s=within_s)

    async def begin(self, number: int = 1, **details: Any) -> dict[str, Any]:
        """Offer a training to the one trainer there is; what it says to that."""
        await until(lambda: bool(self.trainers))
        defaults: dict[str, Any] = {
            "categories": [CATEGORY],
            "hyperparameters": {"epochs": 2, "seconds": 0.05},
            "training_number": number,
            "model_variant": "small",
            "base_model_uuid": None,
        }
        return await self.call("begin_training", ORGANIZATION, PROJECT, defaults | details)  # type: ignore[no-any-return]

    async def call(self, event: str, *arguments: Any) -> Any:
        return await self.sio.call(event, arguments or None, to=next(iter(self.trainers)), timeout=10)

    async def leave(self) -> None:
        """Be away: nobody is answered any more."""
        self.is_away = True
        await self.sio.eio.disconnect()
        self.trainers.clear()

    def come_back(self) -> None:
        self.is_away = False

    # --- what it answers

    async def _serve_project(
        self, request: web.Request, project: ForeignProject, method: str, rest: Sequence[str]
    ) -> web.StreamResponse:
        match method, rest:
            case "GET", ["models", model_id, model_format, "file"]:
                return self._send_model(model_id, model_format)
        if request.cookies.get("sitzung") not in self.sessions:
            return web.Response(status=401, text="Not logged in")
        match method, rest:
            case "GET", ["data"]:
                state = request.query.get("state")
                ids = [key for key, (_, record) in self.images.items() if state in (None, record["state"])]
                return web.json_response({"image_ids": ids, "categories": [CATEGORY]})
            case "GET", ["images"]:
                wanted = [key for key in request.query["ids"].split(",") if key in self.images]
                return web.json_response({"images": [self.images[key][1] for key in wanted]})
            case "GET", ["images", image_id, "main"] if image_id in self.images:
                return web.Response(body=self.images[image_id][0], content_type="image/jpeg")
            case "PUT", ["trainings", number, "models", "latest", model_format, "file"]:
                return await self._take_model(request, number, model_format)
            case "POST", ["trainings", _, "log"] if self.takes_logs:
                self.logs.append((await request.json())["text"])
                return web.json_response({})
            case "POST", ["trainings", _, "log"]:
                return web.Response(status=404, text="<h1>Not Found</h1>")
            case "POST", ["detections"]:
                return self._take_detections(await request.json())
        return self._unknown(request)

    async def _take_model(self, request: web.Request, number: str, model_format: str) -> web.Response:
        files: dict[str, bytes] = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name != "files" or part.filename is None:
                self.complaints.append(f"a part is called {part.name}")
            files[str(part.filename)] = bytes(await part.read())
        if "model.json" not in files or len(files) < 2:
            self.complaints.append(f"a model with {sorted(files)}")
        model_id = self.model_of_training.setdefault(number, str(uuid4()))
        model = self.models.setdefault(model_id, StoredModel(model_id))
        if model_format in model.formats:
            return web.json_response({"detail": {"id": model_id}}, status=409)
        model.formats[model_format] = files
        self.uploads.append(f"{number}/{model_format}")
        return web.json_response({"id": model_id})

    def _send_model(self, model_id: str, model_format: str) -> web.Response:
        model = self.models.get(model_id)
        if model is None or model_format not in model.formats:
            return web.Response(status=404, text=f"no model {model_id} in format {model_format}")
        files = model.formats[model_format]
        information = json.loads(files.get("model.json", b"{}")) | {
            "id": model_id, "organization": ORGANIZATION, "project": PROJECT, "version": "1.0", "host": None,
            "format": model_format,
        }  # fmt: skip
        archive = zip_of(
            {name: content.decode() for name, content in files.items()} | {"model.json": json.dumps(information)}
        )
        name = f"attachment; filename={model_id}_{model_format}.zip"
        return web.Response(body=archive, content_type="application/zip", headers={"Content-Disposition": name})

    def _take_detections(self, detections: list[dict[str, Any]]) -> web.Response:
        if not 0 < len(detections) <= 100:
            self.complaints.append(f"{len(detections)} detections in one request")
        for entry in detections:
            self._compare("detections", set(entry), DETECTION_KEYS, set())
        self.detections += detections
        return web.Response()

    async def on_connect(self, sid: str, environ: dict[str, Any]) -> None:
        cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("sitzung")
        if cookie is None or cookie.value not in self.sessions:
            raise ConnectionRefusedError("not logged in")
        if environ.get("HTTP_NODETYPE") != "trainer":
            self.complaints.append("no trainer")

    async def on_disconnect(self, sid: str, *_: object) -> None:
        self.trainers.pop(sid, None)

    async def on_update_trainer(self, sid: str, status: dict[str, Any]) -> dict[str, Any]:
        self._compare("status of a trainer", set(status), STATUS_KEYS, set())
        self.trainers[sid] = status["id"]
        self.statuses.append(status)
        return {"success": True}

    async def on_update_training(self, sid: str, organization: str, project: str, out: dict[str, Any]) -> Any:
        self._compare("metrics", set(out), TRAINING_KEYS, set())
        self.metrics.append(out)
        answer = self.metrics_trouble() if self.metrics_trouble else None
        return await answer if answer is not None else {"success": True, "error_msg": None}


def held(release: asyncio.Event, loop: TrainingLoop | None = None) -> Trouble:
    """Let the request wait; with `loop`, after it has done its work, so that only the answer waits."""

    async def meet(request: web.Request) -> web.StreamResponse | None:
        answer = await _work(loop, request) if loop else None
        await release.wait()
        return answer

    return meet


def lost(loop: TrainingLoop) -> Trouble:
    """Do what was asked, and let the answer get lost."""

    async def meet(request: web.Request) -> web.StreamResponse:
        answer = await _work(loop, request)
        assert request.transport is not None
        request.transport.abort()
        return answer

    return meet


def refused(status: int, text: str = "no") -> Trouble:
    async def meet(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    return meet


async def _work(loop: TrainingLoop, request: web.Request) -> web.StreamResponse:
    _, _, _, _, project, *rest = request.path.split("/")
    return await loop._serve_project(request, loop.projects[project], request.method, rest)


@asynccontextmanager
async def training_loop(*, image_count: int = 4) -> AsyncIterator[TrainingLoop]:
    """A running one."""
    loop = TrainingLoop(projects={PROJECT: ForeignProject()})
    loop.add_images(image_count)

    @web.middleware
    async def away(request: web.Request, handler: Any) -> web.StreamResponse:
        if loop.is_away:
            assert request.transport is not None
            request.transport.abort()
        return await handler(request)  # type: ignore[no-any-return]

    app = web.Application(client_max_size=2**30, middlewares=[away])
    for event in ("connect", "disconnect", "update_trainer", "update_training"):
        loop.sio.on(event, getattr(loop, f"on_{event}"))
    loop.sio.attach(app, socketio_path="/ws/socket.io")
    app.router.add_route("*", "/{path:.*}", loop.serve)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    async with server:
        loop.host = f"127.0.0.1:{server.port}"
        yield loop
        await loop.sio.shutdown()
