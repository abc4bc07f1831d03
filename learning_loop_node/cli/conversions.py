"""`learning-loop models problems|retry`: formats that converters could not give to models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..doctor.quantities import moment_text
from ..errors import NotFoundError
from .asked import Asked, about_a_project
from .output import print_json, stderr, stdout

if TYPE_CHECKING:
    from ..client.conversions import ConversionEntry
    from ..client.models import ModelEntry


@about_a_project()
def show_problems(
    asked: Asked,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show all that the converters have said, not only its first line.")
    ] = False,
) -> None:
    """Show which formats converters could not give to models, and why."""

    async def ask() -> Sequence[ModelEntry]:
        async with asked.loop() as loop:
            return await loop.models.list()

    found = [(entry, problem) for entry in asyncio.run(ask()) for problem in entry.problems or ()]
    if asked.as_json:
        print_json([{"id": entry.id, "version": entry.version} | asdict(problem) for entry, problem in found])
        return
    is_shortened = False
    for entry, problem in found:
        name = entry.version or entry.id
        since = moment_text(problem.changed)
        tries = f"{problem.attempts} {'try' if problem.attempts == 1 else 'tries'}"
        who = f"{problem.node or problem.node_id or 'somebody'} ({problem.converter or 'an unknown converter'})"
        stdout().print(f"model {name} has no {problem.format}: {who}, {tries}, {since}", soft_wrap=True)
        lines = (problem.error or "no reason is known").splitlines()
        told = lines if verbose else [gist_of(lines)]
        is_shortened |= len(told) < len(lines)
        for line in told:
            stdout().print(f"    {line}", soft_wrap=True)
        remedy = asked.command("models", "retry", name, "--format", problem.format)
        stdout().print(f"    {remedy}", soft_wrap=True)
    if is_shortened:
        stderr().print("--verbose shows all that the converters have said")
    if not found:
        stdout().print(f"no converter has failed in {asked.place}")


def gist_of(lines: Sequence[str]) -> str:
    """The line that says what went wrong: the first one or, where that begins a traceback, the one after it.

    >>> gist_of(["no such layer", "at line 7"])
    'no such layer'
    >>> gist_of(["it raised:", "Traceback (most recent call last):", "  File a", "ValueError: no such layer"])
    'it raised: ValueError: no such layer'
    >>> gist_of(["check raised ValueError: no (a.py, line 3)", "Traceback (most recent call last):", "ValueError: no"])
    'check raised ValueError: no (a.py, line 3)'
    """
    told = [line.strip() for line in lines if line.strip()] or [""]
    start = next((place for place, line in enumerate(told) if line.startswith("Traceback (most recent")), None)
    if start is None:
        return told[0]
    flush = [line for line in lines if line and not line[0].isspace() and not line.startswith("Traceback (most recent")]
    raised = flush[-1] if flush else told[-1]
    if start == 0:
        return raised
    return told[0] if raised in told[0] else f"{told[0]} {raised}"


@about_a_project()
def retry_conversion(
    asked: Asked,
    version: Annotated[str, typer.Argument(help="Version of the model, such as `1.3`.")],
    model_format: Annotated[str, typer.Option("--format", help="The format that it lacks.")],
) -> None:
    """Let converters try again what has failed, when its cause is gone."""

    async def ask() -> ConversionEntry:
        async with asked.loop() as loop:
            entries = await loop.models.list()
            found = next((entry for entry in entries if version in (entry.version, entry.id)), None)
            if found is None:
                there = ", ".join(entry.version or entry.id for entry in entries) or "none"
                raise NotFoundError(f"there is no model with version {version}; there are: {there}")
            return await loop.conversions.retry(found.id, model_format)

    entry = asyncio.run(ask())
    if asked.as_json:
        print_json(entry)
    else:
        stdout().print(f"model {version} waits for a converter to {model_format}")
