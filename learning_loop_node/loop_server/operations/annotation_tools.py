"""Annotation tools that run at nodes: people drive them, and what they draw becomes annotations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from fastapi import Depends, Query
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import InvalidRequestError
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..names import no_such_image
from ..node_events import NodeEvent, need
from ..nodes import ConnectedNode, NodeKind
from ..storage import images, labelling, projects
from ..storage.tables import CategoryRow
from ..tool_inputs import Ground, Person, tool_named
from ..until_changed import UntilChanged
from ..wire.annotation_tools import (
    AnnotationTools,
    LoggedOut,
    ToolAnnotation,
    ToolAnswer,
    ToolInput,
    ToolInputAt,
    ToolLogout,
    ToolRecord,
)
from ..wire.ground import ShortText
from ..wire.images import PublicId
from ..wire.nodes import NodeId
from .nodes import is_seen
from .projects import PROJECT

FRONTEND_ID_DIGITS = 32


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = AnnotationToolOperations(loop)
    people = [Depends(loop.auth.needs(Right.LABEL))]
    tool = f"{PROJECT}/images/{{image_id}}/annotation_tools/{{tool_id}}"
    return [
        Endpoint(
            method="GET",
            path="/api/annotation_tools",
            run=operations.list,
            access=[Depends(loop.auth.needs(Right.ASK))],
            options={"tags": ["annotation tools"], "summary": "The annotation tools that are connected"},
        ),
        Endpoint(
            method="POST",
            path=f"{tool}/input",
            run=operations.input,
            access=people,
            options={"tags": ["annotation tools"], "summary": "Let a tool answer what was done with mouse or keys"},
        ),
        Endpoint(
            method="POST",
            path=f"{tool}/logout",
            run=operations.log_out,
            access=people,
            options={"tags": ["annotation tools"], "summary": "Let a tool forget what was done"},
        ),
    ]


def events(loop: Loop) -> list[NodeEvent]:
    operations = AnnotationToolOperations(loop)
    return [
        NodeEvent(name="user_input", arguments=[ToolInputAt], run=operations.hear_input),
        NodeEvent(name="user_logout", arguments=[NodeId], run=operations.hear_logout),
        NodeEvent(
            name="update_segmentation_annotation",
            arguments=[ShortText, ShortText, ToolAnnotation],
            run=operations.hear_annotation,
        ),
    ]


class AnnotationToolOperations:
    """Relays inputs of people to tools, and stores what the tools make of them."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._inputs = loop.tool_inputs
        self._categories: UntilChanged[Mapping[str, CategoryRow]] = UntilChanged(loop.changes)

    async def list(self, request: Request) -> AnnotationTools:
        """Tools of nodes that work for an organization in which one may look at projects."""
        caller = caller_of(request)
        found = [node for node in self._loop.nodes.of_kind(NodeKind.ANNOTATION_NODE) if is_seen(node, caller)]
        return AnnotationTools(annotation_tools=[_record(node) for node in found])

    async def input(
        self, organization: str, project: str, image_id: str, tool_id: NodeId, given: ToolInput, request: Request
    ) -> ToolAnswer:
        """Send an input to a tool. It answers with what to draw; what it has finished is stored by then.

        The inputs of one login, and of one `page` of it, are handled in their order. `Escape` (as `key_up`) begins
        anew. Where the tool fails, so does the request, with the tool's own text.
        """
        person = self._person(request, given.page)
        return await self._ask(person, organization, project, image_id, tool_id, given)

    async def log_out(
        self,
        organization: str,
        project: str,
        image_id: str,
        tool_id: NodeId,
        request: Request,
        given: ToolLogout | None = None,
        page: PublicId | None = Query(default=None, description="As in the inputs; may stand in the body instead."),
    ) -> LoggedOut:
        """Tell a tool that one has done with it. It is told, too, when the session ends."""
        frontend_id = self._person(request, (given.page if given is not None else None) or page).frontend_id
        tool = self._tool(organization, project, tool_id)
        return LoggedOut(success=await self._inputs.log_out(frontend_id, tool))

    # --- the same over Socket.IO, and what nodes send

    async def hear_input(self, node: ConnectedNode, given: ToolInputAt) -> dict[str, Any]:
        """An input of a person whose page is connected; the connection stands for the page."""
        need(node, Right.LABEL, given.organization, given.project)
        person = Person(frontend_id=node.sid, login=node.sid, caller=node.caller)
        answer = await self._ask(person, given.organization, given.project, given.image_id, given.tool_id, given)
        return answer.model_dump()

    async def hear_logout(self, node: ConnectedNode, tool_id: str) -> None:
        """A person whose page is connected has done with a tool."""
        tools = [tool for tool in self._loop.nodes.of_kind(NodeKind.ANNOTATION_NODE) if is_seen(tool, node.caller)]
        await self._inputs.log_out(node.sid, tool_named(tools, tool_id))

    async def hear_annotation(
        self, node: ConnectedNode, organization: str, project: str, annotation: ToolAnnotation
    ) -> None:
        """Store what a tool has drawn, in the name of the person who drove it."""
        need(node, Right.LABEL, organization, project)
        ground = Ground(
            organization=organization,
            project=project,
            image_id=annotation.image_id,
            category_id=annotation.category_id,
        )
        person = self._inputs.driver_of(node, ground)
        user = (person.caller if person is not None else node.caller).author
        async with self._loop.database.writing() as session:
            project_id = (await projects.project_named(session, organization, project)).id
            done = await labelling.keep_drawn(
                session, project_id, annotation, origin=f"tool {node.name or node.id}", user=user
            )
        if person is not None:
            self._inputs.note_stored(person, annotation.id)
        if done.images:
            tell = self._loop.changes.tell
            tell("annotations", organization, project, [annotation.id])
            tell("images", organization, project, done.images)

    # --- inside

    async def _ask(
        self, person: Person, organization: str, project: str, image_id: str, tool_id: str, given: ToolInput
    ) -> ToolAnswer:
        known = await self._categories.get(
            (organization, project, image_id), lambda: self._look_at(organization, project, image_id)
        )
        category = labelling.category_in(known, given.category_id, given.category_name)
        if category is None:
            raise InvalidRequestError("category_id or category_name must say what is annotated")
        tool = self._tool(organization, project, tool_id)
        _refuse_unfit(tool, category)
        ground = Ground(organization=organization, project=project, image_id=image_id, category_id=category.id)
        svg = await self._inputs.ask(tool, person, ground, _data_of(ground, category, given))
        return ToolAnswer(svg=svg, annotations=self._inputs.take_stored(person))

    async def _look_at(self, organization: str, project: str, image_id: str) -> Mapping[str, CategoryRow]:
        """The categories by which something can be drawn in an image; `NotFoundError` if there is no such image."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            if await images.image_of(session, row.id, image_id) is None:
                raise no_such_image(organization, project, image_id)
            return {entry.id: entry for entry in await projects.categories_of(session, row)}

    def _tool(self, organization: str, project: str, tool_id: str) -> ConnectedNode:
        """A tool that may work here: whoever connects says what they are called, but not what they may."""
        tools = self._loop.nodes.of_kind(NodeKind.ANNOTATION_NODE)
        here = [tool for tool in tools if tool.caller.may(Right.LABEL, organization, project)]
        return tool_named(here, tool_id)

    def _person(self, request: Request, page: str | None) -> Person:
        """Tools know people by names that say nothing about them, and with which nobody can log in."""
        login = self._loop.auth.session_of(request) or "nobody"
        secret = hashlib.sha256(f"{login} {page or ''}".encode()).hexdigest()
        return Person(frontend_id=secret[:FRONTEND_ID_DIGITS], login=login, caller=caller_of(request))


def _refuse_unfit(tool: ConnectedNode, category: CategoryRow) -> None:
    able = tool.status.get("capabilities") or []
    if able and category.type not in able:
        raise InvalidRequestError(
            f"category_id: the category {category.name} marks a {category.type}, but the tool {tool.name} is for "
            f"{', '.join(map(str, able))}"
        )


def _data_of(ground: Ground, category: CategoryRow, given: ToolInput) -> dict[str, Any]:
    """An input as nodes expect it, with whole pixels."""
    return {
        "coordinate": {"x": round(given.coordinate.x), "y": round(given.coordinate.y)},
        "event_type": given.event_type,
        "context": {"organization": ground.organization, "project": ground.project},
        "image_uuid": ground.image_id,
        "category": {
            "id": category.id,
            "name": category.name,
            "description": category.description,
            "hotkey": category.hotkey,
            "color": category.color,
            "point_size": category.point_size,
            "type": category.type,
        },
        "key_up": given.key_up,
        "key_down": given.key_down,
        "epsilon": given.epsilon,
        "is_shift_key_pressed": given.is_shift_key_pressed,
    }


def _record(node: ConnectedNode) -> ToolRecord:
    return ToolRecord(
        id=node.id or "",
        name=node.name,
        state=node.state,
        errors=node.status.get("errors") or {},
        capabilities=list(node.status.get("capabilities") or []),
        connected_since=node.since.isoformat(),
        user=node.caller.author,
    )
