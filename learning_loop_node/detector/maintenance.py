"""Operations that are meant for tests and demos only, off by default (`USE_BACKDOOR_CONTROLS`)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..api.operation import Http, Nothing, Operation, read_nothing
from ..runtime.threads import io_bound

if TYPE_CHECKING:
    from pathlib import Path

    from .detector_node import DetectorNode


def maintenance_operations(node: DetectorNode) -> list[Operation[Any, Any]]:
    async def reset(_: Nothing) -> bool:
        await node.outbox.aclose()
        await io_bound(_empty, node.settings.node.data_folder)
        await node.outbox.open()
        node.reload_soon()
        return True

    return [
        Operation(
            request=Nothing,
            run=reset,
            tag="maintenance",
            summary="Delete everything in the data folder, queued images included, and start afresh",
            http=Http(method="POST", path="/reset", read=read_nothing, answer=bool),
        ),
    ]


def _empty(folder: Path) -> None:
    """Everything but the node's id is moved aside and then deleted, so that whoever still writes begins anew."""
    aside = folder / f".reset-{uuid4().hex}"
    aside.mkdir()
    for entry in folder.iterdir():
        if entry not in (aside, folder / "uuids.json"):
            entry.rename(aside / entry.name)
    shutil.rmtree(aside, ignore_errors=True)
