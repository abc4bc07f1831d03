"""`learning-loop projects`: list, show, create, delete and restore projects."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from .loop_options import Host, Organization, Password, Username, loop_client, loop_settings
from .output import AsJson, print_json, stdout
from .tables import print_table

projects = typer.Typer(help="List, create, delete and restore projects.", no_args_is_help=True)

Name = Annotated[str | None, typer.Argument(help="Name of the project [LOOP_PROJECT].", show_default=False)]


@projects.command("list")
def list_projects(
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that can be restored instead.")] = False,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """List the projects."""
    settings = loop_settings(host, username, password, organization, None)

    async def ask() -> list[dict[str, str]]:
        async with loop_client(settings) as loop:
            if deleted:
                entries = await loop.projects.deleted(settings.organization)
                return [
                    {
                        "organization": entry.organization_id,
                        "project": entry.project_id,
                        "deleted": entry.deleted,
                        "ends": entry.ends,
                        "id": entry.id,
                    }
                    for entry in entries
                ]
            return [
                {"organization": entry.organization_id, "project": entry.project_id}
                for entry in await loop.projects.list()
                if organization in (None, entry.organization_id)
            ]

    rows = asyncio.run(ask())
    if as_json:
        print_json(rows)
        return
    if not rows:
        stdout().print("no deleted projects" if deleted else "no projects")
        return
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*row.values())
    print_table(table)


@projects.command("show")
def show_project(
    project: Name = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """Show a project and its categories."""
    settings = loop_settings(host, username, password, organization, project)

    async def ask() -> None:
        async with loop_client(settings) as loop:
            found = await loop.projects.get(loop.context)
        if as_json:
            print_json(
                {
                    "organization": found.context.organization,
                    "project": found.context.project,
                    "description": found.description,
                    "version": found.version,
                    "categories": found.categories,
                }
            )
            return
        from rich.table import Table

        table = Table("category", "type", "hotkey", "color", "description", "id")
        for entry in found.categories:
            texts = (entry.name, entry.type, entry.hotkey, entry.color, entry.description, entry.id)
            table.add_row(*(str(text or "") for text in texts))
        name = f"{found.context.organization}/{found.context.project}"
        stdout().print(f"{name}: {found.description}" if found.description else name)
        print_table(table, "no categories")

    asyncio.run(ask())


@projects.command("create")
def create_project(
    project: Name = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            "--category", help="`NAME`, or `NAME:TYPE` with box, point, segmentation or classification; repeatable."
        ),
    ] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is about.")] = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """Make a project."""
    from .categories import parsed_category

    settings = loop_settings(host, username, password, organization, project)
    wanted = [parsed_category(text) for text in category or []]

    async def create() -> None:
        async with loop_client(settings) as loop:
            made = await loop.projects.create(loop.context, wanted, description=description)
        if as_json:
            print_json({"organization": made.context.organization, "project": made.context.project})
        else:
            stdout().print(f"{made.context.organization}/{made.context.project} is made")

    asyncio.run(create())


@projects.command("delete")
def delete_project(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """Delete a project with everything in it; it can be restored for a while."""
    settings = loop_settings(host, username, password, organization, project)

    async def delete() -> None:
        async with loop_client(settings) as loop:
            gone = await loop.projects.delete(loop.context)
        if as_json:
            print_json({"id": gone.id, "ends": gone.ends})
        else:
            restore = f"learning-loop projects restore {project}"
            text = f"{project} is deleted; `{restore}` brings it back until {gone.ends[:16]}"
            stdout().print(text, soft_wrap=True)

    asyncio.run(delete())


@projects.command("restore")
def restore_project(
    project: Annotated[str, typer.Argument(help="Name that the project had.")],
    id_: Annotated[
        str | None, typer.Option("--id", help="Which one of that name (`list --deleted`); else the last.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What it is called from now on.")] = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """Bring a deleted project back."""
    settings = loop_settings(host, username, password, organization, project)

    async def restore() -> None:
        async with loop_client(settings) as loop:
            back = await loop.projects.restore(loop.context, id=id_, name=name)
        if as_json:
            print_json({"organization": back.context.organization, "project": back.context.project})
        else:
            stdout().print(f"{back.context.organization}/{back.context.project} is restored")

    asyncio.run(restore())
