"""Nodes that are connected over Socket.IO, and what they say about themselves."""

from __future__ import annotations

from fastapi import Depends
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import ForbiddenError, NotFoundError
from ..access.auth import caller_of
from ..access.rights import Caller, Right
from ..dispatch.trainer_choice import TRAINERS
from ..loop import Loop
from ..node_events import NodeEvent
from ..nodes import ConnectedNode, NodeKind
from ..wire.ground import Done
from ..wire.nodes import AnnotatorReport, ConnectedNodes, ConverterReport, NodeRecord, NodeReport, TrainerReport

KINDS = (NodeKind.TRAINER, NodeKind.ANNOTATION_NODE, NodeKind.CONVERTER, NodeKind.LEGACY)


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = NodeOperations(loop)
    return [
        Endpoint(
            method="GET",
            path="/api/nodes",
            run=operations.list,
            access=[Depends(loop.auth.needs(Right.ASK))],
            options={"tags": ["nodes"], "summary": "The nodes that are connected"},
        ),
        Endpoint(
            method="POST",
            path="/api/nodes/{node_id:path}/restart",
            run=operations.restart,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            options={"tags": ["nodes"], "summary": "End a node in order, so that its supervisor starts it anew"},
        ),
    ]


def events(loop: Loop) -> list[NodeEvent]:
    operations = NodeOperations(loop)
    return [
        NodeEvent(name="update_trainer", arguments=[TrainerReport], run=operations.hear_trainer, is_of_legacy=True),
        NodeEvent(name="update_annotation_node", arguments=[AnnotatorReport], run=operations.hear),
        NodeEvent(name="update_converter", arguments=[ConverterReport], run=operations.hear),
    ]


class NodeOperations:
    """Hears how nodes are, and tells it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def list(self, request: Request) -> ConnectedNodes:
        """Trainers, annotators and converters that work for an organization in which one may look at projects."""
        caller = caller_of(request)
        found = [node for kind in KINDS for node in self._loop.nodes.of_kind(kind) if is_seen(node, caller)]
        return ConnectedNodes(nodes=[_record(node, caller) for node in found])

    async def restart(self, node_id: str, request: Request) -> Done:
        """A training goes on afterwards. Nodes of an organization need a maintainer there, others an administrator."""
        caller = caller_of(request)
        node = self._loop.nodes.by_id(node_id, is_trusted=lambda found: is_seen(found, caller))
        if node is None:
            raise NotFoundError(f"no node {node_id} is connected; GET /api/nodes lists those that are")
        if not _is_managed(node, caller):
            raise ForbiddenError(f"the {node} works for others, too; it takes an administrator of the loop")
        await self._loop.nodes.send(node, "restart")
        return Done()

    async def hear(self, node: ConnectedNode, report: NodeReport) -> None:
        """Keep what a node says, as long as it is connected."""
        if node.kind is NodeKind.PERSON:
            node.kind = NodeKind.LEGACY
        node.id, node.name, node.status = report.id, report.name, report.model_dump(mode="json")

    async def hear_trainer(self, node: ConnectedNode, report: TrainerReport) -> None:
        """The same, and what it means for the training that the trainer has, or could have."""
        await self.hear(node, report)
        if node.kind in TRAINERS:
            await self._loop.dispatch.following.heard(node)


def is_seen(node: ConnectedNode, caller: Caller) -> bool:
    """Whether a node works for somebody: its login may change something where they may look."""
    if caller.may(Right.READ, None):
        return True
    return any(
        caller.may(Right.READ, organization, caller.project) and node.caller.may(Right.LABEL, organization)
        for organization in caller.roles
    )


def _is_managed(node: ConnectedNode, caller: Caller) -> bool:
    """Whether somebody may decide over a node: they manage every organization for which it works."""
    if caller.may(Right.MANAGE, None):
        return True
    places = [name for name in node.caller.roles if node.caller.may(Right.LABEL, name)]
    is_bounded = not node.caller.may(Right.LABEL, None) and bool(places)
    return is_bounded and all(caller.may(Right.MANAGE, name) for name in places)


def _record(node: ConnectedNode, caller: Caller) -> NodeRecord:
    status = dict(node.status)
    place, source, target = status.get("context"), status.get("source_format"), status.get("target_format")
    is_told = place is None or caller.may(Right.READ, place["organization"], place["project"])
    return NodeRecord.model_validate(
        {
            "id": node.id,
            "kind": node.kind,
            "name": node.name,
            "state": node.state,
            "progress": status.get("progress"),
            "errors": (status.get("errors") or {}) if is_told else {},
            "architecture": status.get("architecture"),
            "pretrained_models": status.get("pretrained_models") or [],
            "capabilities": status.get("capabilities") or [],
            "formats": {"source": source, "target": target} if source and target else None,
            "context": place if is_told else None,
            "uptime": status.get("uptime"),
            "connected_since": node.since.isoformat(),
            "user": node.caller.author,
        }
    )
