"""What the loop can ask of an annotator node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.operation import Operation
from ..errors import InvalidRequestError

if TYPE_CHECKING:
    from .annotator_node import AnnotatorNode


def annotator_operations(node: AnnotatorNode) -> list[Operation[Any, Any]]:
    async def handle_user_input(user_input: dict[str, Any]) -> str:
        return await node._handle_user_input(user_input)  # programs override it by this name

    async def user_logout(sid: str) -> bool:
        return await node.log_out_user(sid)

    return [
        Operation(
            request=dict,
            run=handle_user_input,
            summary="Let the tool answer an input of a person with SVG",
            event="handle_user_input",
            read_event=lambda user_input: user_input,
        ),
        Operation(
            request=str,
            run=user_logout,
            summary="Forget a person who has left",
            event="user_logout",
            read_event=read_sid,
        ),
    ]


def read_sid(sid: Any) -> str:
    if not isinstance(sid, str):
        raise InvalidRequestError("user_logout takes the frontend_id of the person, a text")
    return sid
