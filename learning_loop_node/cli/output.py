"""Where commands print: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

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
