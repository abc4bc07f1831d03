"""`learning-loop users`: who can log in at the loop, and what they are in which organization."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from .loop_options import Host, Password, Username, loop_client, loop_settings
from .output import AsJson, print_json, stdout
from .passwords import ask_password

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.users import User

users = typer.Typer(help="Show and manage who can log in at the loop.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the user.")]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--in",
        metavar="ORGANIZATION=ROLE",
        help="What they are in an organization: viewer, annotator, maintainer or owner. May be repeated.",
    ),
]


@users.command("list")
def list_users(
    host: Host = None, username: Username = None, password: Password = None, as_json: AsJson = False
) -> None:
    """List all users, or, as an owner, those of your organizations."""

    async def ask() -> Sequence[User]:
        async with loop_client(settings) as loop:
            return await loop.users.list()

    settings = loop_settings(host, username, password, None, None)
    found = asyncio.run(ask())
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table("name", "role", "organizations", "made")
    for user in found:
        places = ", ".join(f"{name}: {role}" for name, role in user.organizations.items())
        role = f"{user.role} (disabled)" if user.disabled else user.role
        table.add_row(user.name, role, places, user.created[:10])
    stdout().print(table)


@users.command("add")
def add_user(
    name: Name,
    roles: Roles = None,
    admin: Annotated[bool, typer.Option("--admin", help="An administrator, who may do everything.")] = False,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    as_json: AsJson = False,
) -> None:
    """Make a user; their password is asked for, or read from the standard input."""

    async def add() -> User:
        async with loop_client(settings) as loop:
            return await loop.users.add(
                name, new_password, role="admin" if admin else "user", organizations=organizations
            )

    organizations = {place: role for place, role in _roles_of(roles).items() if role is not None}
    settings = loop_settings(host, username, password, None, None)
    new_password = ask_password(f"password of {name}", twice=True)
    _show(asyncio.run(add()), as_json)


@users.command("change")
def change_user(
    name: Name,
    roles: Roles = None,
    out_of: Annotated[
        list[str] | None, typer.Option("--out-of", metavar="ORGANIZATION", help="End a membership. May be repeated.")
    ] = None,
    admin: Annotated[bool | None, typer.Option("--admin/--no-admin", help="Administrator or not.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Who is disabled can neither log in nor use a token.")
    ] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Ask for a new password, or read it from the standard input.")
    ] = False,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    as_json: AsJson = False,
) -> None:
    """Change what a user is and may."""

    async def change() -> User:
        async with loop_client(settings) as loop:
            return await loop.users.change(
                name,
                password=given,
                role=None if admin is None else "admin" if admin else "user",
                disabled=None if enabled is None else not enabled,
                organizations=_roles_of(roles) | dict.fromkeys(out_of or []),
            )

    if not (roles or out_of or new_password) and admin is None and enabled is None:
        raise typer.BadParameter("say what to change: --in, --out-of, --admin, --disable, --new-password")
    _roles_of(roles)
    settings = loop_settings(host, username, password, None, None)
    given = ask_password(f"new password of {name}", twice=True) if new_password else None
    _show(asyncio.run(change()), as_json)


@users.command("remove")
def remove_user(
    name: Name, host: Host = None, username: Username = None, password: Password = None, as_json: AsJson = False
) -> None:
    """Remove a user with their sessions and tokens."""

    async def remove() -> None:
        async with loop_client(settings) as loop:
            await loop.users.remove(name)

    settings = loop_settings(host, username, password, None, None)
    asyncio.run(remove())
    if as_json:
        print_json({"removed": name})
    else:
        stdout().print(f"{name} is removed")


@users.command("password")
def change_password(
    host: Host = None, username: Username = None, password: Password = None, as_json: AsJson = False
) -> None:
    """Change your own password; your other sessions end. Both are asked for, or read as lines of the input."""

    async def change() -> str:
        async with loop_client(settings) as loop:
            await loop.users.change_my_password(old, new)
            return (await loop.users.me()).name

    settings = loop_settings(host, username, password, None, None)
    old = ask_password("present password")
    new = ask_password("new password", twice=True)
    name = asyncio.run(change())
    if as_json:
        print_json({"changed": name})
    else:
        stdout().print(f"the password of {name} is changed")


def _roles_of(texts: Sequence[str] | None) -> dict[str, str | None]:
    roles: dict[str, str | None] = {}
    for text in texts or []:
        organization, separator, role = text.rpartition("=")
        if not (organization and separator and role):
            raise typer.BadParameter(f"{text!r} is not of the form organization=role", param_hint="--in")
        roles[organization] = role.lower()
    return roles


def _show(user: User, as_json: bool) -> None:
    if as_json:
        print_json(user)
        return
    places = ", ".join(f"{role} in {name}" for name, role in user.organizations.items()) or "in no organization"
    is_admin = "an administrator, " if user.role == "admin" else ""
    stdout().print(f"{user.name}: {is_admin}{places}{', disabled' if user.disabled else ''}")
