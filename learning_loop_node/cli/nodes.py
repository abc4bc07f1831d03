"""`learning-loop nodes`: which trainers, annotators and converters are connected to the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from .loop_options import Host, Password, Username, loop_client, loop_settings
from .output import AsJson, print_json
from .tables import print_table
from .training_texts import errors_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.nodes import NodeEntry

nodes = typer.Typer(help="Show which trainers, annotators and converters are connected.", no_args_is_help=True)

OWN = "loop"
"""The key of what keeps a converter from all models; its other keys are models."""

CALLED = {"annotation_node": "annotator", "legacy": "node of 0.3.2"}


@nodes.command("list")
def list_nodes(
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only `trainer`, `annotator` or `converter`.", show_default=False)
    ] = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    as_json: AsJson = False,
) -> None:
    """List the nodes that are connected now, and what they do."""
    if kind not in (None, "trainer", "annotator", "converter"):
        raise typer.BadParameter(f"{kind} is none of trainer, annotator, converter", param_hint="--kind")

    async def ask() -> Sequence[NodeEntry]:
        async with loop_client(settings) as loop:
            return await loop.nodes.list()

    settings = loop_settings(host, username, password, None, None)
    found = [entry for entry in asyncio.run(ask()) if kind in (None, CALLED.get(entry.kind, entry.kind))]
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table("kind", "name", "state", "works for", "architecture", "offers", "errors", "id")
    for entry in found:
        place = f"{entry.context.organization}/{entry.context.project}" if entry.context else ""
        progress = f" {entry.progress:.0%}" if entry.progress is not None else ""
        offers = ", ".join(variant.name for variant in entry.pretrained_models)
        if entry.formats is not None:
            offers = f"{entry.formats.source} to {entry.formats.target}"
        table.add_row(
            CALLED.get(entry.kind, entry.kind),
            entry.name or "-",
            f"{entry.state or '-'}{progress}",
            place,
            entry.architecture or "",
            offers,
            _errors_of(entry),
            entry.id,
        )
    which = kind or "trainer, annotator or converter"
    print_table(table, f"no {which} is connected to {settings.host}")


def _errors_of(entry: NodeEntry) -> str:
    """What a node says of its errors; a converter tells of each model, so that these are only counted."""
    if entry.kind != "converter":
        return errors_text(entry.errors)
    own = {key: text for key, text in entry.errors.items() if key == OWN}
    failed = len(entry.errors) - len(own)
    counted = f"{failed} failed, see `learning-loop models problems`" if failed else ""
    return "; ".join(filter(None, (errors_text(own), counted)))
