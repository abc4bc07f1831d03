"""Where an outbox is that a command looks after: at a running node, or in a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ..errors import SettingError

if TYPE_CHECKING:
    from ..client.detector import DetectorClient
    from ..data_classes import OutboxEntry, OutboxPage, Retried
    from ..detector.outbox.folder_view import FolderView

NodeOption = Annotated[
    str | None, typer.Option("--node", help="A running node, such as `robot:8004`.", show_default=False)
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="The folder of an outbox, or the data folder of its node.", show_default=False),
]

PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How much there is; `damaged` are folders that hold no image, by their place, with the reason."""

    items: int
    size_bytes: int
    quarantine_items: int
    damaged: dict[str, str] = field(default_factory=dict)


class OutboxPlace(Protocol):
    """An outbox from outside."""

    async def page(self, *, quarantined: bool, limit: int, cursor: str | None) -> OutboxPage: ...

    async def image(self, place: str, name: str) -> bytes: ...

    async def metadata(self, place: str, name: str) -> bytes: ...

    async def retry(self, names: Sequence[str] | None) -> Retried: ...

    async def totals(self) -> Totals: ...


@asynccontextmanager
async def opened(node: str | None, folder: Path | None) -> AsyncIterator[OutboxPlace]:
    """The outbox that the two options name; `SettingError` unless exactly one is given."""
    if (node is None) == (folder is None):
        raise SettingError("say whose outbox it is: either --node robot:8004 or --folder data/outbox")
    if node is not None:
        from ..client.detector import DetectorClient

        async with DetectorClient(node) as client:
            yield _AtNode(client)
    elif folder is not None:
        from ..detector.outbox.folder_view import FolderView
        from ..runtime.threads import io_bound

        inside = folder / "outbox"
        yield _InFolder(await io_bound(FolderView, inside if inside.is_dir() else folder))


async def entries_of(place: OutboxPlace, *, quarantined: bool, most: int | None = None) -> AsyncIterator[OutboxEntry]:
    """All entries, or so many, asked for page by page while they are used."""
    cursor: str | None = None
    while most is None or most > 0:
        page = await place.page(quarantined=quarantined, limit=min(PAGE, most or PAGE), cursor=cursor)
        for entry in page.entries:
            yield entry
        if page.next is None:
            return
        cursor = page.next
        most = None if most is None else most - len(page.entries)


class _AtNode:
    def __init__(self, client: DetectorClient) -> None:
        self.page = client.outbox_page
        self.image = client.outbox_image
        self.metadata = client.outbox_metadata
        self.retry = client.retry_outbox
        self._client = client

    async def totals(self) -> Totals:
        counts = (await self._client.status())["outbox"]
        return Totals(
            items=counts["items"], size_bytes=counts["size_bytes"], quarantine_items=counts["quarantine_items"]
        )


class _InFolder:
    def __init__(self, view: FolderView) -> None:
        from ..detector.outbox.inventory import Inventory

        self._view = view
        self._inventory = Inventory(view)

    async def page(self, *, quarantined: bool, limit: int, cursor: str | None) -> OutboxPage:
        from ..runtime.threads import io_bound

        return await io_bound(self._inventory.page, quarantined=quarantined, limit=limit, cursor=cursor)

    async def image(self, place: str, name: str) -> bytes:
        return await self._file(place, name, "image")

    async def metadata(self, place: str, name: str) -> bytes:
        return await self._file(place, name, "metadata")

    async def retry(self, names: Sequence[str] | None) -> Retried:
        from ..runtime.threads import io_bound

        return await io_bound(self._inventory.retry, names)

    async def totals(self) -> Totals:
        usage = self._view.usage()
        return Totals(
            items=usage.items,
            size_bytes=usage.size_bytes,
            quarantine_items=usage.quarantine_items,
            damaged=self._view.damaged,
        )

    async def _file(self, place: str, name: str, part: str) -> bytes:
        from ..detector.outbox.inventory import ItemFile
        from ..runtime.threads import io_bound

        return await io_bound(self._inventory.file, place, name, ItemFile(part))
