"""`learning-loop outbox`: look into the outbox of a node, try again what is in quarantine, copy images out of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..doctor.quantities import size_text, span_text
from .exit_status import ExitStatus
from .outbox_export import FAILED, export
from .outbox_place import FolderOption, NodeOption, Totals, entries_of, opened
from .output import AsJson, print_json, progress_bar, stderr, stdout

if TYPE_CHECKING:
    from ..data_classes import OutboxEntry, Retried

outbox = typer.Typer(
    help="Look after the outbox of a running node (--node), or of a folder (--folder).", no_args_is_help=True
)


@outbox.command("list")
def list_outbox(
    node: NodeOption = None,
    folder: FolderOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of those that wait, and of those in quarantine.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the images that wait, those sent first at the front, and those in quarantine with the reason."""

    async def ask() -> tuple[list[OutboxEntry], list[OutboxEntry], Totals]:
        async with opened(node, folder) as place:
            waiting = [entry async for entry in entries_of(place, quarantined=False, most=limit)]
            apart = [entry async for entry in entries_of(place, quarantined=True, most=limit)]
            return waiting, apart, await place.totals()

    waiting, apart, totals = asyncio.run(ask())
    if as_json:
        print_json({"waiting": waiting, "quarantined": apart, "totals": totals})
        return
    _print_table("waits", waiting)
    _print_table("quarantine", apart)
    for name, reason in totals.damaged.items():
        stderr().print(f"{name} is no image, a node would put it into quarantine: {reason}", soft_wrap=True)
    hidden = totals.items - len(waiting), totals.quarantine_items - len(apart)
    more = f"; --limit {limit} hides {max(0, hidden[0])} and {max(0, hidden[1])}" if max(hidden) > 0 else ""
    waits = "waits" if totals.items == 1 else "wait"
    told = f"{_images(totals.items)} ({size_text(totals.size_bytes)}) {waits}, {totals.quarantine_items} in quarantine"
    stdout().print(told + more, soft_wrap=True)


@outbox.command("retry")
def retry_outbox(
    names: Annotated[
        list[str] | None, typer.Argument(help="As `list` shows them; without, all.", show_default=False)
    ] = None,
    node: NodeOption = None,
    folder: FolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Let images in quarantine wait again. In a folder, a running node notices it within half a minute."""

    async def ask() -> Retried:
        async with opened(node, folder) as place:
            return await place.retry(names or None)

    retried = asyncio.run(ask())
    if as_json:
        print_json(retried)
    else:
        for name, reason in retried.left.items():
            stderr().print(f"{name} stays: {reason}", style="yellow", soft_wrap=True)
        left = f", {len(retried.left)} not" if retried.left else ""
        stdout().print(f"{_images(retried.count)} back in the queue{left}")
    raise typer.Exit(ExitStatus.FAILED if retried.left else ExitStatus.OK)


@outbox.command("export")
def export_outbox(
    target: Annotated[Path, typer.Argument(help="Folder for the copies; it is made if need be.")],
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Those in quarantine, with the reason, in place of those that wait.")
    ] = False,
    node: NodeOption = None,
    folder: FolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Copy images and their metadata to a folder, as `learning-loop upload` takes them. The outbox stays as it is."""
    counts = asyncio.run(_export(node, folder, target, quarantined))
    if as_json:
        print_json(counts)
    else:
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        stdout().print(f"{_images(counts.total())}: {told}" if counts else "no images there", soft_wrap=True)
    raise typer.Exit(ExitStatus.FAILED if counts[FAILED] else ExitStatus.OK)


async def _export(node: str | None, folder: Path | None, target: Path, quarantined: bool) -> Counter[str]:
    async with opened(node, folder) as place:
        totals = await place.totals()
        with progress_bar() as progress:
            bar = progress.add_task("copying", total=totals.quarantine_items if quarantined else totals.items)
            return await export(
                place,
                target,
                quarantined=quarantined,
                on_copied=lambda: progress.advance(bar),
                complain=lambda text: progress.console.print(text, style="red", soft_wrap=True),
            )


def _print_table(title: str, entries: Sequence[OutboxEntry]) -> None:
    if not entries:
        return
    from rich.table import Table

    has_reasons = any(entry.reason for entry in entries)
    table = Table(title, "lane", "age", "size", "tags", "source", *(["reason"] if has_reasons else []))
    for entry in entries:
        tags, source, reason = ", ".join(entry.tags), entry.source or "", entry.reason or ""
        row = [entry.name, entry.lane, span_text(entry.age_s), size_text(entry.size_bytes), tags, source]
        table.add_row(*row, *([reason] if has_reasons else []))
    stdout().print(table)


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"
