"""Carries what people do with mouse and keys to annotation tools, and knows who drives which tool where."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import (
    BusyError,
    InvalidRequestError,
    NodeError,
    StorageFullError,
    ToolFailedError,
    ToolTimedOutError,
    UnavailableError,
    code_of,
)
from ..runtime import loose_tasks
from .access.rights import Caller
from .nodes import ConnectedNode, Nodes

logger = logging.getLogger(__name__)

ANSWER_S = 60.0
"""So long a tool may take. Its node should be faster: 30 s, unless it was told otherwise."""

LOGOUT_S = 10.0
MOST_WAITING = 100
"""Inputs of one person; a mouse sends about sixty per second."""

MOST_REMEMBERED = 10_000
"""People whose tools are known, and drives of one tool that have ended."""

MOST_TOLD = 1000

_TOLD_AS_THEY_ARE = {code_of(cls): cls for cls in (ToolTimedOutError, BusyError, InvalidRequestError, StorageFullError)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at a page or in a program. A tool knows them by `frontend_id`; `login` is what ends at a logout."""

    frontend_id: str
    login: str
    caller: Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What somebody draws on, and as what."""

    organization: str
    project: str
    image_id: str
    category_id: str


@dataclass(eq=False, slots=True)
class _Drive:
    """A person whose inputs a tool handles, or has handled last, on some ground."""

    person: Person
    ground: Ground
    waiting: int = 0


@dataclass(eq=False, slots=True)
class _Present:
    """Who has used tools: the tools by their connection, and the annotations that they have not been told of."""

    login: str
    tools: dict[str, ConnectedNode] = field(default_factory=dict)
    waiting: int = 0
    stored: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_TOLD))


class ToolInputs:
    """Relays inputs. Annotation nodes do not say who drove them, so that it is worked out from who waits for what."""

    def __init__(self, nodes: Nodes) -> None:
        self.answer_s = ANSWER_S
        self._nodes = nodes
        self._drives: dict[str, OrderedDict[tuple[str, Ground], _Drive]] = {}
        self._present: OrderedDict[str, _Present] = OrderedDict()
        nodes.on_gone(self._on_gone)

    async def ask(self, tool: ConnectedNode, person: Person, ground: Ground, data: Mapping[str, Any]) -> str:
        """The SVG with which the tool answers an input.

        Whatever goes wrong has a name: that of the tool's own error, `UnavailableError` if it leaves, `DeadlineError`.
        """
        present = self._presence_of(person)
        if present.waiting >= MOST_WAITING:
            raise BusyError(f"{present.waiting} inputs wait for the tool already; wait for its answers")
        present.tools[tool.sid] = tool
        drive = self._drive_of(tool, person, ground)
        drive.waiting += 1
        present.waiting += 1
        try:
            sent = {"frontend_id": person.frontend_id, "data": data}
            answer = await self._nodes.call(tool, "handle_user_input", sent, timeout_s=self.answer_s)
        finally:
            drive.waiting -= 1
            present.waiting -= 1
        return _svg_of(tool, answer)

    def driver_of(self, tool: ConnectedNode, ground: Ground) -> Person | None:
        """Whose input made a tool tell of an annotation: who waits for its answer there, else who was there last.

        Of several who wait it is the one who has waited longest, since a tool tells of an annotation before it answers.
        """
        drives = list(self._drives[tool.sid].values()) if tool.sid in self._drives else []
        here = [drive for drive in drives if drive.ground == ground] or [
            drive for drive in drives if replace(drive.ground, category_id=ground.category_id) == ground
        ]
        waiting = [drive for drive in here if drive.waiting]
        if waiting:
            return waiting[0].person
        return here[-1].person if here else None

    def note_stored(self, person: Person, annotation_id: str) -> None:
        """Let somebody be told of an annotation that their tool has made."""
        self._presence_of(person).stored.append(annotation_id)

    def take_stored(self, person: Person) -> list[str]:
        """The annotations of which they have not been told."""
        stored = self._presence_of(person).stored
        taken = list(dict.fromkeys(stored))
        stored.clear()
        return taken

    async def log_out(self, frontend_id: str, tool: ConnectedNode) -> bool:
        """Let a tool forget somebody; what it says about it. One that they have not used has nothing to forget."""
        present = self._present.get(frontend_id)
        if present is None or present.tools.pop(tool.sid, None) is None:
            return True
        answer = await self._nodes.call(tool, "user_logout", frontend_id, timeout_s=LOGOUT_S)
        if isinstance(answer, dict) and answer.get("error_msg"):
            raise _error_in(tool, answer)
        return not isinstance(answer, dict) or answer.get("success") is True

    def leave(self, login: str) -> None:
        """Let all tools forget whoever came with this login, in the background."""
        gone = [frontend_id for frontend_id, present in self._present.items() if present.login == login]
        for frontend_id in gone:
            self._forget(frontend_id)

    # --- inside

    def _presence_of(self, person: Person) -> _Present:
        present = self._present.setdefault(person.frontend_id, _Present(person.login))
        self._present.move_to_end(person.frontend_id)
        if len(self._present) > MOST_REMEMBERED:
            idle = (frontend_id for frontend_id, other in self._present.items() if not other.waiting)
            self._forget(next(idle, person.frontend_id))
        return present

    def _drive_of(self, tool: ConnectedNode, person: Person, ground: Ground) -> _Drive:
        drives = self._drives.setdefault(tool.sid, OrderedDict())
        key = (person.frontend_id, ground)
        drive = drives.get(key)
        if drive is None or not drive.waiting:  # who waits keeps their place
            drive = drives[key] = drive or _Drive(person, ground)
            drive.person = person
            drives.move_to_end(key)
        if len(drives) > MOST_REMEMBERED:
            ended = next((key for key, other in drives.items() if not other.waiting), None)
            if ended is not None:
                del drives[ended]
        return drive

    def _forget(self, frontend_id: str) -> None:
        present = self._present.pop(frontend_id)
        for tool in present.tools.values():
            loose_tasks.start(self._tell_gone(tool, frontend_id), name=f"logout at {tool.name}")

    async def _tell_gone(self, tool: ConnectedNode, frontend_id: str) -> None:
        try:
            await self._nodes.call(tool, "user_logout", frontend_id, timeout_s=LOGOUT_S)
        except NodeError as error:
            logger.info("the tool %s was not told that somebody left: %s", tool.name, error)

    def _on_gone(self, node: ConnectedNode) -> None:
        self.leave(node.sid)
        self._drives.pop(node.sid, None)
        for present in self._present.values():
            present.tools.pop(node.sid, None)


def _svg_of(tool: ConnectedNode, answer: Any) -> str:
    if isinstance(answer, dict) and answer.get("success") is not True:
        raise _error_in(tool, answer)
    svg = answer.get("payload") if isinstance(answer, dict) else None
    if not isinstance(svg, str):
        raise ToolFailedError(f"the tool {tool.name} answered with something that is no SVG")
    return svg


def _error_in(tool: ConnectedNode, answer: Mapping[str, Any]) -> NodeError:
    text = answer.get("error_msg")
    cls = _TOLD_AS_THEY_ARE.get(str(answer.get("code")), ToolFailedError)
    return cls(text if isinstance(text, str) and text else f"the tool {tool.name} failed and does not say why")


def tool_named(tools: Sequence[ConnectedNode], tool_id: str) -> ConnectedNode:
    """The last of these that connected with this id; `UnavailableError` names those there are."""
    found = [tool for tool in tools if tool.id == tool_id]
    if not found:
        there = ", ".join(sorted(f"{tool.id} ({tool.name})" for tool in tools)) or "none"
        raise UnavailableError(f"the annotation tool {tool_id} is not connected; those that may work here: {there}")
    return found[-1]
