"""The options that say which loop and which project; what is not given comes from the `LOOP_*` variables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..settings import LoopSettings

Host = Annotated[
    str | None,
    typer.Option("--host", help="Host of the loop, such as `127.0.0.1:8000` [LOOP_HOST].", show_default=False),
]
Username = Annotated[str | None, typer.Option("--username", help="Login [LOOP_USERNAME].", show_default=False)]
Password = Annotated[
    str | None,
    typer.Option("--password", help="Password [LOOP_PASSWORD]; others may see what stands here.", show_default=False),
]
Organization = Annotated[
    str | None, typer.Option("--organization", help="Organization [LOOP_ORGANIZATION].", show_default=False)
]
Project = Annotated[str | None, typer.Option("--project", help="Project [LOOP_PROJECT].", show_default=False)]


def loop_settings(
    host: str | None, username: str | None, password: str | None, organization: str | None, project: str | None
) -> LoopSettings:
    """The settings of the environment, with what was given in their place."""
    from pydantic import SecretStr

    from ..settings import load_settings
    from .output import log_to_stderr

    log_to_stderr()
    given = {"host": host, "username": username, "organization": organization, "project": project}
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if password is not None:
        changes["password"] = SecretStr(password)
    if username is not None or password is not None:
        changes["token"] = SecretStr("")  # who names a login wants it, whatever LOOP_TOKEN says
    return load_settings().loop.model_copy(update=changes)


@asynccontextmanager
async def loop_client(settings: LoopSettings) -> AsyncIterator[LoopClient]:
    """The loop, as long as the block is open."""
    from ..client.http import LoopHttp
    from ..client.loop import LoopClient

    async with LoopHttp(settings) as http:
        yield LoopClient(http)
