"""Where commands print: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from .asked import Asked

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def stdout() -> Console:
    """Tables and texts; not coloured and as wide as needed where nobody looks."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=160)


def stderr() -> Console:
    """Progress, which is shown on a terminal only, and complaints."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)


def progress_bar() -> Progress:
    """For what takes a while; gone when it is done, and shown on a terminal only."""
    from rich.progress import MofNCompleteColumn, Progress

    console = stderr()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def counted(counts: Mapping[str, int]) -> str:
    """How many there are of each kind, in the order of the kinds.

    >>> counted({"point": 1, "box": 2})
    '2 box, 1 point'
    """
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"


def tell_left_out(counts: Mapping[str, int]) -> None:
    """Print what a data set could not take along, by reason."""
    for reason, count in counts.items():
        stdout().print(f"left out: {count} × {reason}", soft_wrap=True)


def tell_deleted(asked: Asked, ids: Sequence[str]) -> None:
    """Warn of images that were sent but are deleted at the loop."""
    if not ids:
        return
    restore = asked.command("images", "restore", *(ids if len(ids) <= 5 else ["--all"]))
    text = f"{len(ids)} deleted at the loop, and still so: `{restore}` brings "
    text += "it back" if len(ids) == 1 else "them back" if len(ids) <= 5 else "back all that are deleted"
    stderr().print(text, style="yellow", soft_wrap=True)


def log_to_stderr() -> None:
    """Let warnings of a command go to standard error, as `LOG_FORMAT` says."""
    import logging
    import sys

    from ..logs import configure_logging
    from ..settings import load_log_settings

    configure_logging(logging.WARNING, as_json=load_log_settings().as_json, stream=sys.stderr)


def print_json(value: Any) -> None:
    from ..data_classes.codec import to_json

    typer.echo(to_json(value).decode())
