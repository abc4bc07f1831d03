"""`learning-loop categories`: add, change, remove and import the categories of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..enums import CategoryType
from ..errors import InvalidDataError, InvalidRequestError, NotFoundError
from .asked import Asked, about_a_project
from .output import print_json, stdout

if TYPE_CHECKING:
    from ..client.categories import StoredCategory
    from ..client.loop import LoopClient

categories = typer.Typer(help="Add, change and remove the categories of a project.", no_args_is_help=True)

FIELDS = ("name", "type", "description", "hotkey", "color", "point_size", "properties")

OPTIONS = {"type": "--type", "hotkey": "--hotkey", "color": "--color", "point_size": "--point-size"}
"""The options by the fields of a category."""

Which = Annotated[str, typer.Argument(help="Name or id of the category.")]
Type = Annotated[CategoryType | None, typer.Option("--type", help="What it marks.", show_default=False)]
Description = Annotated[str | None, typer.Option("--description", help="What it means.", show_default=False)]
Hotkey = Annotated[str | None, typer.Option("--hotkey", help="Its key; empty for none.", show_default=False)]
Color = Annotated[str | None, typer.Option("--color", help="`#RRGGBB`.", show_default=False)]
PointSize = Annotated[int | None, typer.Option("--point-size", help="Radius of points in pixels.", show_default=False)]


@categories.command("add")
@about_a_project(**OPTIONS)
def add_category(
    asked: Asked,
    name: Annotated[
        str,
        typer.Argument(help="Name of the new category, or `NAME:TYPE`; with --type, all of it is the name."),
    ],
    type_: Type = None,
    description: Description = None,
    hotkey: Hotkey = None,
    color: Color = None,
    point_size: PointSize = None,
) -> None:
    """Add a category; colour and key are chosen unlike those of the others if you do not say."""
    given = {"type": type_, "description": description, "hotkey": hotkey, "color": color, "point_size": point_size}
    values = ({"name": name} if type_ is not None else _named(name)) | _given(**given)

    async def add() -> None:
        async with asked.loop() as loop:
            _show(await loop.categories.add(values), asked.as_json)

    asyncio.run(add())


@categories.command("change")
@about_a_project(**OPTIONS)
def change_category(
    asked: Asked,
    category: Which,
    name: Annotated[str | None, typer.Option("--name", help="Its new name.", show_default=False)] = None,
    type_: Type = None,
    description: Description = None,
    hotkey: Hotkey = None,
    color: Color = None,
    point_size: PointSize = None,
) -> None:
    """Change a category. Its annotations follow its name."""
    values = _given(name=name, type=type_, description=description, hotkey=hotkey, color=color, point_size=point_size)

    async def change() -> None:
        async with asked.loop() as loop:
            present = await _find(loop, category)
            _show([await loop.categories.change(present.id, version=present.version, **values)], asked.as_json)

    asyncio.run(change())


@categories.command("remove")
@about_a_project()
def remove_category(
    asked: Asked,
    category: Which,
    move_to: Annotated[
        str | None, typer.Option("--move-to", help="Name or id of the one that takes over its annotations.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Delete its annotations, too.")] = False,
) -> None:
    """Delete a category; one that is used in annotations only with --move-to or --force."""

    async def remove() -> None:
        async with asked.loop() as loop:
            present = await _find(loop, category)
            heir = (await _find(loop, move_to)).id if move_to is not None else None
            result = await loop.categories.delete(present.id, version=present.version, move_to=heir, force=force)
        if asked.as_json:
            print_json({"id": present.id, "moved": result.moved, "deleted": result.deleted})
        else:
            counts = f"{result.moved} annotations moved" if move_to else f"{result.deleted} annotations deleted"
            stdout().print(f"{present.name} is removed ({counts})")

    asyncio.run(remove())


@categories.command("import")
@about_a_project()
def import_categories(
    asked: Asked,
    file: Annotated[
        Path, typer.Argument(help="JSON: a list of categories, or an object with `categories`, such as a model.json.")
    ],
) -> None:
    """Add the categories of a file, and change those that the project has by this id or name; none is removed."""
    wanted = _read(file)

    async def send() -> None:
        async with asked.loop() as loop:
            present = await loop.categories.list()
            known = [(entry, _match(entry, present)) for entry in wanted]
            changed = [
                await loop.categories.change(match.id, version=match.version, **changes)
                for entry, match in known
                if match is not None and (changes := _differences(entry, match))
            ]
            new = [entry for entry, match in known if match is None]
            _show([*changed, *(await loop.categories.add(*new) if new else [])], asked.as_json)

    asyncio.run(send())


def parsed_category(text: str, hint: str = "--category NAME:TYPE") -> Any:
    """A category from `NAME` or `NAME:TYPE`; `hint` says where that was given."""
    name, colon, type_ = text.rpartition(":")
    if not colon:
        return text
    if type_ not in list(CategoryType):
        raise typer.BadParameter(f"{type_!r} is no type; there are {', '.join(CategoryType)}", param_hint=hint)
    return {"name": name, "type": type_}


def _named(text: str) -> dict[str, Any]:
    parsed = parsed_category(text, "NAME:TYPE (with --type, names may have a colon)")
    return parsed if isinstance(parsed, dict) else {"name": text}


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


async def _find(loop: LoopClient, which: str) -> StoredCategory:
    present = await loop.categories.list()
    for entry in present:
        if which in (entry.id, entry.name):
            return entry
    names = ", ".join(entry.name for entry in present) or "none"
    raise NotFoundError(f"there is no category {which!r} in {loop.context.project}; there are: {names}")


def _read(file: Path) -> list[dict[str, Any]]:
    from ..data_classes.codec import from_json

    try:
        content = from_json(file.read_bytes())
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from error
    except InvalidDataError as error:
        raise InvalidRequestError(f"{file}: {error}") from error
    entries = content.get("categories") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise InvalidRequestError(f"{file} holds no list of categories, and no object with `categories`")
    categories = [{"name": entry} if isinstance(entry, str) else entry for entry in entries]
    for number, entry in enumerate(categories):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise InvalidRequestError(f"{file}: categories[{number}] must be a name, or an object with a `name`")
    return categories


def _match(entry: dict[str, Any], present: Sequence[StoredCategory]) -> StoredCategory | None:
    by_id = [category for category in present if category.id == entry.get("id")]
    by_name = [category for category in present if category.name == entry["name"]]
    return next(iter([*by_id, *by_name]), None)


def _differences(entry: dict[str, Any], present: StoredCategory) -> dict[str, Any]:
    """What an entry says otherwise; what it does not say, or says as null, stays."""
    return {key: entry[key] for key in FIELDS if entry.get(key) is not None and entry[key] != getattr(present, key)}


def _show(entries: Sequence[StoredCategory], as_json: bool) -> None:
    if as_json:
        print_json(list(entries))
        return
    for entry in entries:
        stdout().print(f"{entry.name}: {entry.type}, key {entry.hotkey or '-'}, {entry.color or '-'} ({entry.id})")
    if not entries:
        stdout().print("nothing to change")
