"""Asks for passwords: without echo at a terminal, else as one line of the standard input. Never as an argument."""

from __future__ import annotations

import sys

import typer


def ask_password(what: str, *, twice: bool = False) -> str:
    """A password; `what` is shown to whoever is asked."""
    if sys.stdin.isatty():
        text: str = typer.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
        return text
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise typer.BadParameter(f"{what}: give it as a line of the standard input")
    return text
