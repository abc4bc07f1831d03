"""What a converter can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.operation import Http, Nothing, Operation, read_nothing

if TYPE_CHECKING:
    from .converter_node import ConverterNode


def converter_operations(node: ConverterNode) -> list[Operation[Any, Any]]:
    async def tell_status(_: Nothing) -> dict[str, Any]:
        return node.get_status()

    async def look_now(_: Nothing) -> dict[str, str]:
        node.conversions.wake()
        return {"status": "ok"}

    return [
        Operation(
            request=Nothing,
            run=tell_status,
            tag="state",
            summary="What it converts, what it is at, and what failed",
            http=Http(method="GET", path="/status", read=read_nothing, answer=dict[str, Any]),
        ),
        Operation(
            request=Nothing,
            run=look_now,
            tag="model",
            summary="Look for models to convert now",
            http=Http(method="POST", path="/look", read=read_nothing, answer=dict[str, str]),
        ),
    ]
