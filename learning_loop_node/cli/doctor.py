"""`learning-loop doctor`: what keeps a detector from its loop, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exit_status import ExitStatus
from .loop_options import Host, Organization, Password, Project, Username, loop_settings
from .output import AsJson, print_json, stderr, stdout

if TYPE_CHECKING:
    from ..doctor.finding import Finding
    from ..settings import LoopSettings

COLORS = {"ok": "green", "warning": "yellow", "error": "red", "skipped": "dim"}


def doctor(
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    model_format: Annotated[
        str | None, typer.Option("--format", help="Format of the models that the detector reads.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data folder of the detector [DATA_FOLDER].", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the detector [NODE_PORT].", show_default=False)
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="Ask a running detector, such as `robot:8004`, too.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what keeps a detector from its work: names, ports, TLS, login, clock, disk, model.

    Each finding says what was looked at, what was found, and what to do. The exit status is 1 if one is an error.
    """
    from ..errors import SettingError

    origin = _origin_of(node)
    loop: LoopSettings | None = None
    problem = ""
    try:
        loop = loop_settings(host, username, password, organization, project)
    except SettingError as error:
        problem = str(error)

    async def look() -> list[Finding]:
        return [finding async for finding in _findings(loop, problem, model_format, data, port, origin)]

    with stderr().status("looking ..."):
        findings = asyncio.run(look())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(ExitStatus.FAILED)


async def _findings(
    loop: LoopSettings | None,
    problem: str,
    model_format: str | None,
    data: Path | None,
    port: int | None,
    origin: str | None,
) -> AsyncIterator[Finding]:
    """`loop` is None if the settings cannot be used, for the reason `problem`."""
    from ..client.http import LoopHttp
    from ..doctor.examination import examine
    from ..doctor.plan import environment_chains, loop_chain, machine_chains, node_chain
    from ..errors import SettingError
    from ..settings import listening_address, load_settings

    try:
        listen_host, listen_port = listening_address()
        http = LoopHttp(loop) if loop is not None else None
    except SettingError as error:
        problem, http = problem or str(error), None
    async for finding in examine(environment_chains(problem)):
        yield finding
    if http is None:
        return
    settings = load_settings()
    if data is not None:
        settings = settings.model_copy(update={"node": settings.node.model_copy(update={"data_folder": data})})
    chains = [*machine_chains(settings, listen_host, port or listen_port), loop_chain(http, model_format)]
    if origin is not None:
        chains.append(node_chain(origin, settings))
    try:
        async for finding in examine(chains):
            yield finding
    finally:
        await http.aclose()


def _origin_of(node: str | None) -> str | None:
    from ..client.http import web_origin

    if node is None:
        return None
    origin = web_origin(node if "://" in node else f"http://{node}")
    if origin is None:
        raise typer.BadParameter(f"{node!r} is no address of a detector; robot:8004 would be one", param_hint="--node")
    return origin


def _print(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "looked at", "found, and what to do")
    for finding in findings:
        color = COLORS[finding.level]
        text = Text(finding.found)
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(finding.level, style=color), finding.subject, finding.looked_at, text)
    stdout().print(table)
    counts = {level: sum(finding.level == level for finding in findings) for level in COLORS}
    told = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    stdout().print(told)
