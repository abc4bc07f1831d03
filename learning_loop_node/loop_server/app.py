"""Builds the loop's application from its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from ..api.asgi import SocketIoBeside
from ..api.docs_page import add_docs_page
from ..api.front_page import add_front_page
from ..api.operation import Endpoint
from ..api.refused_websockets import as_no_mistake
from ..api.rest import add_endpoints, add_error_replies
from ..runtime.allocator import keep_freed_memory
from ..runtime.services import supervise
from ..runtime.termination import Termination
from ..settings import LoopServerSettings, Settings
from .description.openapi import describe_loop, operation_id
from .generated.demo_data import ensure_demo_data
from .loop import Loop
from .node_events import NodeEvent
from .notice import Notice, log_notice
from .operations import (
    annotation_tools,
    categories,
    conversions,
    deployment,
    detections,
    detectors,
    evaluation,
    events,
    generator,
    health,
    image_changes,
    images,
    labelling,
    listing,
    login,
    me,
    metrics,
    models,
    nodes,
    novelty,
    projects,
    short_uploads,
    thumbnails,
    tokens,
    trained_models,
    training_reports,
    trainings,
    users,
)
from .receiving.limits import LimitedBodies
from .watching.counted_requests import CountedRequests

DESCRIPTION = """
A self-hosted loop for computer vision. It takes images from detectors, lets people label them, gives and takes whole
data sets, keeps models, and says which one should run. Programs hear of changes as they happen.

Log in with `POST /api/login` (a cookie) or `POST /api/token` (a bearer token); programs carry a token made by
`POST /api/tokens`. What one may depends on one's role in an organization. Every error is JSON with `detail`, a text
that says what to do, and `code`, its name.
"""

ADDRESSES = {
    "/api/docs": "All that it can be asked",
    "/api/projects": "The projects (after login)",
    "/api/status": "Whether the loop is there, and its version",
    "/readyz": "Whether the loop can do its work",
}

TAGS = [
    {"name": "images", "description": "What detectors send, and what is known about it."},
    {
        "name": "annotations",
        "description": "What people say is in an image; every change names the version it is made from.",
    },
    {
        "name": "annotation tools",
        "description": "Tools that run at nodes: people drive them with mouse and keys, and they draw the outline.",
    },
    {"name": "models", "description": "One model per version, each in one or several formats."},
    {"name": "trainings", "description": "What makes models: queued here, done by trainers, followed to the end."},
    {"name": "deployment", "description": "Which model the detectors of a project should run, and how they are."},
    {"name": "nodes", "description": "Trainers, annotators and converters that are connected now."},
    {"name": "projects", "description": "Projects and their categories."},
    {"name": "detectors", "description": "How the detectors of a project are."},
    {"name": "events", "description": "Notices of changes, as they happen."},
    {"name": "users", "description": "Who can log in, and what they are in which organization."},
    {"name": "tokens", "description": "What programs carry in place of a login."},
    {"name": "login", "description": "Sessions; a login with an empty name gives a guest."},
    {"name": "health", "description": "Whether the loop is alive and ready."},
]


def create_app(settings: Settings | LoopServerSettings, *, tell: Callable[[Notice], None] = log_notice) -> FastAPI:
    """The loop as an application for any ASGI server. Nothing is opened before its lifespan begins.

    `tell` gets what the operator has to know, once it is open; by default it is logged.
    """
    loop = Loop(settings.loop_server if isinstance(settings, Settings) else settings)
    termination = Termination(before_stop=loop.let_go)  # else it would wait for those who listen

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        keep_freed_memory()
        termination.open()
        try:
            async with loop.opened() as notice:
                if loop.settings.demo_data:
                    await ensure_demo_data(loop)
                tell(notice)
                with as_no_mistake():
                    async with supervise(loop.services(), on_crash=lambda: termination.end(1)):
                        yield
        finally:
            await termination.close()

    app = LoopApplication(
        loop,
        title="Learning Loop",
        description=DESCRIPTION,
        version=version("learning-loop-node"),
        openapi_tags=TAGS,
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        generate_unique_id_function=operation_id,
        lifespan=lifespan,
    )
    endpoints = endpoints_of(loop)
    app.add_middleware(LimitedBodies, endpoints=endpoints)
    app.add_middleware(CountedRequests, requests=loop.requests)  # around all others
    add_error_replies(app)
    add_front_page(app, "A self-hosted loop for computer vision", ADDRESSES)
    add_endpoints(app, endpoints)
    describe_loop(app, loop, endpoints)
    add_docs_page(app)
    loop.connections.answer(events_of(loop))
    return app


class LoopApplication(FastAPI):
    """What the loop answers over HTTP, and beside it the Socket.IO server for nodes."""

    def __init__(self, loop: Loop, **options: Any) -> None:
        super().__init__(**options)
        self.state.loop = loop
        connections = loop.connections
        self._application = SocketIoBeside(super().__call__, connections.server, admit=connections.admit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


def endpoints_of(loop: Loop) -> list[Endpoint]:
    """Everything that the loop can be asked."""
    resources = (
        listing,
        images,
        image_changes,
        thumbnails,
        labelling,
        annotation_tools,
        detections,
        evaluation,  # before models: /models/compare is no model
        models,
        conversions,
        trainings,
        trained_models,
        deployment,
        detectors,
        nodes,
        novelty,
        projects,
        generator,
        categories,
        login,
        health,
        metrics,
        events,
        users,
        tokens,
        me,
    )
    found = [endpoint for resource in resources for endpoint in resource.endpoints(loop)]
    return [*found, *short_uploads.endpoints(loop, found)]


def events_of(loop: Loop) -> list[NodeEvent]:
    """Everything that nodes tell the loop, or ask it, over Socket.IO."""
    resources = (
        nodes,
        training_reports,
        annotation_tools,
    )
    return [event for resource in resources for event in resource.events(loop)]
