"""`learning-loop models problems|retry`: formats that converters could not give to models."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import NotFoundError
from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .output import AsJson, print_json, stdout

if TYPE_CHECKING:
    from ..client.conversions import ConversionEntry
    from ..client.models import ModelEntry


def show_problems(
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show which formats converters could not give to models, and why."""

    async def ask() -> Sequence[ModelEntry]:
        async with loop_client(settings) as loop:
            return await loop.models.list()

    settings = loop_settings(host, username, password, organization, project)
    found = [(entry, problem) for entry in asyncio.run(ask()) for problem in entry.problems or ()]
    if as_json:
        print_json([{"id": entry.id, "version": entry.version} | asdict(problem) for entry, problem in found])
        return
    place = f"{settings.organization}/{settings.project}"
    given = {"--project": settings.project, "--organization": organization, "--host": host, "--username": username}
    options = " ".join(f"{name} {shlex.quote(value)}" for name, value in given.items() if value)
    for entry, problem in found:
        since = (problem.changed or "")[:19].replace("T", " ")
        tries = f"{problem.attempts} {'try' if problem.attempts == 1 else 'tries'}"
        who = f"{problem.node or problem.node_id or 'somebody'} ({problem.converter or 'an unknown converter'})"
        stdout().print(f"model {entry.version or entry.id} has no {problem.format}: {who}, {tries}, {since}")
        for line in (problem.error or "no reason is known").splitlines():
            stdout().print(f"    {line}")
        remedy = (
            f"learning-loop models retry {entry.version or entry.id} --format {shlex.quote(problem.format)} {options}"
        )
        stdout().print(f"    {remedy}".rstrip(), soft_wrap=True)
    if not found:
        stdout().print(f"no converter has failed in {place}")


def retry_conversion(
    version: Annotated[str, typer.Argument(help="Version of the model, such as `1.3`.")],
    model_format: Annotated[str, typer.Option("--format", help="The format that it lacks.")],
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Let converters try again what has failed, when its cause is gone."""

    async def ask() -> ConversionEntry:
        async with loop_client(settings) as loop:
            entries = await loop.models.list()
            found = next((entry for entry in entries if version in (entry.version, entry.id)), None)
            if found is None:
                there = ", ".join(entry.version or entry.id for entry in entries) or "none"
                raise NotFoundError(f"there is no model with version {version}; there are: {there}")
            return await loop.conversions.retry(found.id, model_format)

    settings = loop_settings(host, username, password, organization, project)
    entry = asyncio.run(ask())
    if as_json:
        print_json(entry)
    else:
        stdout().print(f"model {version} waits for a converter to {model_format}")
