"""`learning-loop images`: list, show, move, tag, delete and restore the images of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..doctor.quantities import moment_text
from ..enums import ImageSet, ImageState
from .asked import Asked, about_a_project
from .image_choice import Images, choice_of
from .output import print_json, stderr, stdout
from .tables import print_table

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from .image_choice import Choice

images = typer.Typer(help="List, move, tag, delete and restore images of a project.", no_args_is_help=True)

AT_ONCE = 1000

All = Annotated[bool, typer.Option("--all", help="All images of the project.")]
Sort = Annotated[
    str, typer.Option("--sort", help="`arrival`, `changed` or `created`, with a minus the other way round.")
]
Work = Callable[["LoopClient", Mapping[str, int]], Awaitable[object]]


@images.command("list")
@about_a_project()
def list_images(
    asked: Asked,
    chosen: Images = None,
    sort: Sort = "-arrival",
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most.")] = 50,
) -> None:
    """List images, the last first, and say how many there are by state."""
    choice = choice_of(chosen)

    async def ask() -> tuple[list[dict[str, Any]], dict[str, int]]:
        async with asked.loop() as loop:
            records = []
            async for record in choice.records(loop, sort=sort):
                records.append(record.data)
                if len(records) == limit:
                    break
            return records, (await loop.images.counts()).state

    records, states = asyncio.run(ask())
    if asked.as_json:
        print_json(records)
        return
    from rich.table import Table

    table = Table("id", "name", "state", "set", "tags", "source", "created", "received", "by")
    for record in records:
        cells = [record[name] for name in ("id", "name", "state", "set")]
        cells += [", ".join(record["tags"]), record["source"], record["created"], moment_text(record["received"])]
        table.add_row(*(cell or "-" for cell in cells), record["changed_by"] or "-")
    print_table(table, f"no such images in {asked.place}")
    in_states = ", ".join(f"{count} {state}" for state, count in states.items())
    besides = "" if choice.wanted.deleted == "no" else ", besides deleted ones"
    stdout().print(f"{len(records)} shown; in the project{besides}: {in_states or 'none'}")


@images.command("ids")
@about_a_project()
def list_ids(
    asked: Asked,
    chosen: Images = None,
    sort: Sort = "arrival",
) -> None:
    """Print the ids of images, one per line, to be used by other programs."""
    choice = choice_of(chosen)

    async def ask() -> list[str]:
        async with asked.loop() as loop:
            return [record.id async for record in choice.records(loop, sort=sort, fields="ids")]

    ids = asyncio.run(ask())
    if asked.as_json:
        print_json(ids)
    else:
        for image_id in ids:
            typer.echo(image_id)


@images.command("show")
@about_a_project()
def show_image(
    asked: Asked,
    image_id: Annotated[str, typer.Argument(help="Id of the image.")],
) -> None:
    """Show what is known about an image."""

    async def ask() -> dict[str, Any]:
        async with asked.loop() as loop:
            return (await loop.images.get(image_id)).data

    record = asyncio.run(ask())
    if asked.as_json:
        print_json(record)
        return
    from rich.table import Table

    table = Table("field", "value")
    for name, value in record.items():
        is_list = name.endswith(("_annotations", "_detections"))
        text = f"{len(value)}: {_categories_in(value)}" if is_list and value else str(value)
        if name != "classification_annotation" and (value or not is_list):
            table.add_row(name, text)
    stdout().print(table)


@images.command("move")
@about_a_project()
def move_images(
    asked: Asked,
    chosen: Images = None,
    state: Annotated[ImageState | None, typer.Option("--to-state", help="Their new state.")] = None,
    set_: Annotated[ImageSet | None, typer.Option("--to-set", help="Their new set.")] = None,
    everything: All = False,
) -> None:
    """Move images to a state or a set."""
    if state is None and set_ is None:
        raise typer.BadParameter("give --to-state or --to-set", param_hint="--to-state")
    choice = choice_of(chosen, everything=everything)
    _change(asked, choice, "moved", state=state, set=set_)


@images.command("tag")
@about_a_project()
def tag_images(
    asked: Asked,
    chosen: Images = None,
    add: Annotated[list[str] | None, typer.Option("--add", help="A tag to add; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A tag to take away.")] = None,
    everything: All = False,
) -> None:
    """Add tags to images, or take them away."""
    if not add and not remove:
        raise typer.BadParameter("give --add or --remove", param_hint="--add")
    choice = choice_of(chosen, everything=everything)
    _change(asked, choice, "tagged", add_tags=add or (), remove_tags=remove or ())


@images.command("delete")
@about_a_project()
def delete_images(
    asked: Asked,
    chosen: Images = None,
    everything: All = False,
) -> None:
    """Delete images; they can be restored until their grace period ends."""

    async def work(loop: LoopClient, versions: Mapping[str, int]) -> object:
        return await loop.images.delete(versions)

    choice = choice_of(chosen, everything=everything)
    _run(asked, choice, "deleted", work)


@images.command("restore")
@about_a_project()
def restore_images(
    asked: Asked,
    chosen: Images = None,
    everything: All = False,
) -> None:
    """Restore deleted images."""

    async def work(loop: LoopClient, versions: Mapping[str, int]) -> object:
        return await loop.images.restore(versions)

    choice = choice_of(chosen, everything=everything, deleted="only")
    _run(asked, choice, "restored", work)


def _change(asked: Asked, choice: Choice, done: str, **change: Any) -> None:
    async def work(loop: LoopClient, versions: Mapping[str, int]) -> object:
        from ..client.images import ImageChange

        return await loop.images.change(
            [ImageChange(id=image_id, version=version, **change) for image_id, version in versions.items()]
        )

    _run(asked, choice, done, work)


def _run(asked: Asked, choice: Choice, done: str, work: Work) -> None:
    """Do the work for all images chosen, a thousand at a time, all of these or none; say how far it came."""
    count, is_done = 0, False

    async def run() -> None:
        nonlocal count
        async with asked.loop() as loop:
            found = [record async for record in choice.records(loop, fields="ids")]
            versions = iter([(record.id, record.version or 1) for record in found])
            while some := dict(islice(versions, AT_ONCE)):
                await work(loop, some)
                count += len(some)
                status.update(f"{count} of {len(found)} images {done} ...")

    try:
        with stderr().status("looking for images ...") as status:
            asyncio.run(run())
        is_done = True
    finally:
        if asked.as_json and (count or is_done):
            print_json({done: count})
        elif count or is_done:
            stdout().print(f"{count} image{'' if count == 1 else 's'} {done}")


def _categories_in(entries: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(sorted({str(entry.get("category_name")) for entry in entries}))
