"""`learning-loop tokens`: what programs carry in place of a login."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .output import AsJson, print_json, stdout
from .tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.tokens import MadeToken, Token

tokens = typer.Typer(help="List, make and revoke tokens for programs.", no_args_is_help=True)


@tokens.command("list")
def list_tokens(
    host: Host = None, username: Username = None, password: Password = None, as_json: AsJson = False
) -> None:
    """List your tokens and, if you manage them, those of nodes; each with its last use."""

    async def ask() -> Sequence[Token]:
        async with loop_client(settings) as loop:
            return await loop.tokens.list()

    settings = loop_settings(host, username, password, None, None)
    found = asyncio.run(ask())
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table("name", "for", "last used", "expires", "made by", "id")
    for token in found:
        table.add_row(
            token.name, _whom(token), _moment(token.last_used), _moment(token.expires), token.made_by, token.id
        )
    print_table(table, "no tokens")


@tokens.command("add")
def add_token(
    name: Annotated[str, typer.Argument(help="Name by which you will recognise the token.")],
    own: Annotated[bool, typer.Option("--own", help="One in your own name, instead of one for a node.")] = False,
    role: Annotated[
        str | None, typer.Option("--role", help="With --own: what it may be at most, such as `viewer`.")
    ] = None,
    whole_organization: Annotated[
        bool, typer.Option("--whole-organization", help="For a node: all projects, not only --project.")
    ] = False,
    days: Annotated[float | None, typer.Option("--days", help="It expires after so many days; else never.")] = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Make a token for a node of the project; it is printed once, and goes to the node as LOOP_TOKEN."""

    async def add() -> MadeToken:
        async with loop_client(settings) as loop:
            if own:
                return await loop.tokens.add_user(name, role=role.lower() if role else None, expires_in_days=days)
            place = None if whole_organization else settings.project
            return await loop.tokens.add_node(name, settings.organization, place, expires_in_days=days)

    if role and not own:
        raise typer.BadParameter("only a token in your own name has one (--own)", param_hint="--role")
    settings = loop_settings(host, username, password, organization, project)
    if not own and not settings.organization:
        raise typer.BadParameter("say for which one the token is, or --own", param_hint="--organization")
    if not own and not settings.project and not whole_organization:
        raise typer.BadParameter("say for which one the token is, or --whole-organization", param_hint="--project")
    made = asyncio.run(add())
    if as_json:
        print_json(made)
    else:
        stdout().print(made.token, soft_wrap=True)


@tokens.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="Id of the token, as `tokens list` shows it.")],
    host: Host = None,
    username: Username = None,
    password: Password = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token: the next request with it is refused."""

    async def revoke() -> None:
        async with loop_client(settings) as loop:
            await loop.tokens.revoke(token_id)

    settings = loop_settings(host, username, password, None, None)
    asyncio.run(revoke())
    if as_json:
        print_json({"revoked": token_id})
    else:
        stdout().print(f"token {token_id} is revoked")


def _whom(token: Token) -> str:
    if token.kind == "user":
        return f"{token.user}, as {token.role} at most" if token.role else token.user or "-"
    return f"nodes of {token.organization}/{token.project or '*'}"


def _moment(text: str | None) -> str:
    return text[:16].replace("T", " ") if text else "never"
